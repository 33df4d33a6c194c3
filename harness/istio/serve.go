package main

// `serve ADDRESS FILE...`: an istiod of files, for tests of what asks one: Istio's own discovery server, which speaks xDS in
// plaintext at the address. The Services that the files name but do not hold are made up. It prints the address that it listens at,
// and ends when its standard input does.

import (
	"fmt"
	"io"
	"net"
	"os"

	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/test"
)

func serve(address string, paths []string) error {
	q, err := ask(paths, nil)
	if err != nil {
		return err
	}
	if err := q.refusal(); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return surroundings{err}
	}
	return test.Wrap(func(t test.Failer) {
		options := q.options(t)
		options.ListenerBuilder = func() (net.Listener, error) { return listener, nil }
		xds.NewFakeDiscoveryServer(t, options)
		fmt.Println(listener.Addr())
		_, _ = io.Copy(io.Discard, os.Stdin)
	})
}
