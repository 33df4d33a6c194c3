// istio-config asks Istio itself (pinned in go.mod) what it programs into a sidecar for a user's policies. It runs as a child
// of meshproof or of its tests, on files alone: no cluster; no network but where it is told an address.
//
//	istio-config record BASE POLICY...          what is compared with our own reading (suites/selftest/istio)
//	istio-config translate SERVICE,... FILE...  the Envoy configuration that the driver `istio` runs
//	istio-config status SERVICE,... FILE...     the same of files that Istio may refuse; no SERVICE: "-"
//	istio-config fetch ADDRESS SERVICE,... FILE...  the same as an istiod that runs there programs it
//	istio-config serve ADDRESS FILE...              such an istiod, of files, for tests
//
// Exit 4: why is on standard error; 5: and it is the istiod's doing, not the files'.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"istio.io/istio/pkg/log"
)

func servicesOf(list string) []string {
	if list == "-" {
		return nil
	}
	return strings.Split(list, ",")
}

func run(word, first string, files []string) error {
	switch word {
	case "record":
		return recordAll(first, files)
	case "translate":
		return translateAll(servicesOf(first), files, true)
	case "status":
		return translateAll(servicesOf(first), files, false)
	case "fetch":
		return fetchAll(first, servicesOf(files[0]), files[1:])
	case "serve":
		return serve(first, files)
	}
	return fmt.Errorf("record, translate, status, fetch and serve are known, not %q", word)
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "istio-config: record BASE POLICY..., translate or status SERVICE,... FILE..., fetch ADDRESS SERVICE,... FILE..., or serve ADDRESS FILE...")
		os.Exit(64)
	}
	for _, scope := range log.Scopes() {
		scope.SetOutputLevel(log.NoneLevel)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, "istio-config: "+err.Error())
		if theirs := (surroundings{}); errors.As(err, &theirs) {
			os.Exit(5)
		}
		os.Exit(4)
	}
}
