// istio-config asks Istio itself (pinned in go.mod) what it programs into a sidecar for a user's policies. It runs as a child
// of meshproof or of its tests, on files alone: no cluster, no network.
//
//	istio-config record BASE POLICY...          what is compared with our own reading (suites/selftest/istio)
//	istio-config translate SERVICE,... FILE...  the Envoy configuration that the driver `istio` runs
//	istio-config status SERVICE,... FILE...     the same of files that Istio may refuse; no SERVICE: "-"
package main

import (
	"fmt"
	"os"
	"strings"

	"istio.io/istio/pkg/log"
)

func run(word, first string, files []string) error {
	services := strings.Split(first, ",")
	if first == "-" {
		services = nil
	}
	switch word {
	case "record":
		return recordAll(first, files)
	case "translate":
		return translateAll(services, files, true)
	case "status":
		return translateAll(services, files, false)
	}
	return fmt.Errorf("record, translate and status are known, not %q", word)
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "istio-config: record BASE POLICY..., or translate or status SERVICE,... FILE...")
		os.Exit(64)
	}
	for _, scope := range log.Scopes() {
		scope.SetOutputLevel(log.NoneLevel)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, "istio-config: "+err.Error())
		os.Exit(4)
	}
}
