// istio-config asks Istio itself (pinned in go.mod) what it programs into a sidecar for a user's policies. It runs as a child
// of meshproof or of its tests, on files alone: no cluster, no network.
//
//	istio-config record BASE POLICY...          what is compared with our own reading (suites/selftest/istio)
//	istio-config translate SERVICE,... FILE...  the Envoy configuration that the driver `istio` runs
package main

import (
	"fmt"
	"os"
	"strings"

	"istio.io/istio/pkg/log"
)

func main() {
	if len(os.Args) < 4 || (os.Args[1] != "record" && os.Args[1] != "translate") {
		fmt.Fprintln(os.Stderr, "istio-config: record BASE POLICY... or translate SERVICE,... FILE...")
		os.Exit(64)
	}
	for _, scope := range log.Scopes() {
		scope.SetOutputLevel(log.NoneLevel)
	}
	var err error
	if os.Args[1] == "record" {
		err = recordAll(os.Args[2], os.Args[3:])
	} else {
		err = translateAll(strings.Split(os.Args[2], ","), os.Args[3:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "istio-config: "+err.Error())
		os.Exit(4)
	}
}
