package main

// `translate` prints {"services": {NAME: {"routes": [...], "clusters": {NAME: ...}, "main": NAME}}}: the routes of the virtual
// host that the client's sidecar gets for each service, and each cluster that they lead to, as Envoy's JSON.

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/test"
)

const defaultPort = "8080"

var (
	namespaceWord = regexp.MustCompile(`(?m)\bnamespace: *["']?([a-z0-9][-a-z0-9]*)`)
	serviceName   = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
)

// The namespace that most of the objects are in.
func namespaceOf(text string) string {
	counts, best := map[string]int{}, "default"
	for _, found := range namespaceWord.FindAllStringSubmatch(text, -1) {
		counts[found[1]]++
		if counts[found[1]] > counts[best] {
			best = found[1]
		}
	}
	return best
}

// A Service of the name is among the objects.
func has(text, name string) bool {
	for _, document := range strings.Split(text, "\n---") {
		if strings.Contains(document, "\nkind: Service\n") && regexp.MustCompile(`\bname: *["']?`+name+`\b`).MatchString(document) {
			return true
		}
	}
	return false
}

func serviceObject(name, namespace string, number int) string {
	return fmt.Sprintf("\n---\napiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: %s}\nspec:\n  clusterIP: 10.96.1.%d\n"+
		"  ports: [{name: http, port: %s}]\n  selector: {app: %s}\n", name, namespace, number, defaultPort, name)
}

func asJSON(m proto.Message) (json.RawMessage, error) {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	return json.RawMessage(text), err
}

// The clusters that an action leads to.
func leadsTo(r *routev3.Route) []string {
	names := []string{}
	a := r.GetRoute()
	if a.GetCluster() != "" {
		names = append(names, a.GetCluster())
	}
	for _, w := range a.GetWeightedClusters().GetClusters() {
		names = append(names, w.GetName())
	}
	return names
}

func virtualHost(all []*routev3.RouteConfiguration, host string) *routev3.VirtualHost {
	for _, configuration := range all {
		for _, v := range configuration.GetVirtualHosts() {
			for _, domain := range v.GetDomains() {
				if domain == host {
					return v
				}
			}
		}
	}
	return nil
}

func translateOne(s *xds.FakeDiscoveryServer, proxy *model.Proxy, name, namespace string) (object, error) {
	host := name + "." + namespace + ".svc.cluster.local"
	v := virtualHost(s.Routes(proxy), host)
	if v == nil {
		return nil, fmt.Errorf("Istio programs no route for %s", host)
	}
	routes, wanted, main := []json.RawMessage{}, map[string]bool{}, ""
	for _, r := range v.GetRoutes() {
		r.Metadata, r.Decorator, r.TypedPerFilterConfig = nil, nil, nil
		for _, cluster := range leadsTo(r) {
			wanted[cluster] = true
		}
		one, err := asJSON(r)
		if err != nil {
			return nil, err
		}
		routes = append(routes, one)
	}
	clusters := object{}
	for _, c := range s.Clusters(proxy) {
		if strings.HasSuffix(c.GetName(), "||"+host) && strings.HasPrefix(c.GetName(), "outbound|") {
			main = c.GetName()
		}
		if !wanted[c.GetName()] {
			continue
		}
		// Where the endpoints are, and how they are spoken to, is the driver's.
		c.EdsClusterConfig, c.TransportSocket, c.TransportSocketMatches, c.Filters, c.Metadata = nil, nil, nil, nil, nil
		one, err := asJSON(c)
		if err != nil {
			return nil, err
		}
		clusters[c.GetName()] = one
	}
	return object{"routes": routes, "clusters": clusters, "main": main, "namespace": namespace}, nil
}

// The documents of files, and of the folders' *.yaml and *.yml.
func readAll(paths []string) (string, error) {
	text := ""
	for _, path := range paths {
		files := []string{path}
		if about, err := os.Stat(path); err == nil && about.IsDir() {
			entries, err := os.ReadDir(path)
			if err != nil {
				return "", err
			}
			files = nil
			for _, entry := range entries {
				inner, err := readNested(path, entry)
				if err != nil {
					return "", err
				}
				text += inner
			}
		}
		for _, file := range files {
			one, err := os.ReadFile(file)
			if err != nil {
				return "", err
			}
			text += "\n---\n" + string(one)
		}
	}
	return text, nil
}

func readNested(folder string, entry os.DirEntry) (string, error) {
	name := entry.Name()
	if strings.HasPrefix(name, ".") || !(entry.IsDir() || strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")) {
		return "", nil
	}
	return readAll([]string{folder + "/" + name})
}

func translateAll(services, paths []string) error {
	text, err := readAll(paths)
	if err != nil {
		return err
	}
	namespace := namespaceOf(text)
	for i, name := range services {
		if !serviceName.MatchString(name) || i > 250 {
			return fmt.Errorf("%q is no name of a service", name)
		}
		if !has(text, name) {
			text += serviceObject(name, namespace, i+1)
		}
	}
	ours, theirs := split(text)
	configs, err := parse(ours)
	if err != nil {
		return fmt.Errorf("Istio refuses the policy: %w", err)
	}
	told := object{}
	var failed error
	err = test.Wrap(func(t test.Failer) {
		s := xds.NewFakeDiscoveryServer(t, xds.FakeOptions{Configs: configs, KubernetesObjectString: theirs})
		labels := map[string]string{"app": "client"}
		proxy := s.SetupProxy(&model.Proxy{ConfigNamespace: namespace, Labels: labels, IPAddresses: []string{"127.0.0.9"},
			Metadata: &model.NodeMetadata{Namespace: namespace, Labels: labels, IstioVersion: "1.31.0"}})
		for _, name := range services {
			one, err := translateOne(s, proxy, name, namespace)
			if err != nil {
				failed = err
				return
			}
			told[name] = one
		}
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return err
	}
	line, err := json.Marshal(object{"services": told})
	if err == nil {
		fmt.Println(string(line))
	}
	return err
}
