package main

// `translate` prints {"services": {NAME: {"routes": [...], "clusters": {NAME: ...}, "main": NAME, "namespace": NAME}},
// "objects": [...], "assumed": [...], "istio": VERSION, "module": VERSION}: the routes of the virtual host that the client's sidecar gets for each service and each
// cluster that they lead to, as Envoy's JSON; what Istio says of each object (status.go); and the Services that were made up.

import (
	"encoding/json"
	"fmt"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/test"
)

const (
	servicesMost = 250
	istioVersion = "1.31" // what the sidecar says it is, and what the pinned module becomes
)

var serviceName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// What Istio is asked about.
type question struct {
	documents  []document // as a cluster holds them
	configs    []config.Config
	refused    map[string]string // by place: why the webhook refuses it
	warned     map[string][]string
	named      *named
	namespace  string // of the client
	kubernetes string // the objects of the fake API server
	assumed    []string
}

// Refused objects are left out, as a cluster has none of them.
func ask(paths, services []string) (*question, error) {
	all, err := readAll(paths)
	if err != nil {
		return nil, err
	}
	q := &question{refused: map[string]string{}, warned: map[string][]string{}, namespace: namespaceOf(all)}
	for _, d := range all {
		held, err := d.asHeld(q.namespace)
		if err != nil {
			return nil, err
		}
		q.documents = append(q.documents, held)
		if !held.isIstio() {
			continue
		}
		c, warnings, err := held.config()
		if q.warned[held.key()] = warnings; err != nil {
			q.refused[held.key()] = err.Error()
		} else {
			q.configs = append(q.configs, c)
		}
	}
	q.named = namedBy(q.documents, q.namespace)
	for _, name := range services {
		key, err := q.serviceOf(name)
		if err != nil {
			return nil, err
		}
		q.named.service(key)
	}
	if len(q.named.services) > servicesMost {
		return nil, fmt.Errorf("the policies name %d services, more than the %d allowed", len(q.named.services), servicesMost)
	}
	missing, names := q.named.missing()
	q.kubernetes, q.assumed = kubernetesText(q.documents)+missing, names
	return q, nil
}

// "payments", or "payments.shop" of the namespace shop.
func (q *question) serviceOf(text string) (serviceKey, error) {
	name, namespace, said := strings.Cut(text, ".")
	if !serviceName.MatchString(name) || (said && !serviceName.MatchString(namespace)) {
		return serviceKey{}, fmt.Errorf("%q is no name of a service", text)
	}
	if said {
		return serviceKey{namespace, name}, nil
	}
	return q.named.find(name, q.namespace), nil
}

func (q *question) client(s *xds.FakeDiscoveryServer) *model.Proxy {
	labels := map[string]string{"app": "client"}
	return s.SetupProxy(&model.Proxy{ConfigNamespace: q.namespace, Labels: labels, IPAddresses: []string{"127.0.0.9"},
		Metadata: &model.NodeMetadata{Namespace: q.namespace, Labels: labels, IstioVersion: istioVersion + ".0"}})
}

// The module of Istio that go.sum pins.
func pinned() string {
	about, has := debug.ReadBuildInfo()
	for i := 0; has && i < len(about.Deps); i++ {
		if about.Deps[i].Path == "istio.io/istio" {
			return about.Deps[i].Version
		}
	}
	return ""
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

func virtualHost(all []*routev3.RouteConfiguration, host string, port int) *routev3.VirtualHost {
	for _, configuration := range all {
		if configuration.GetName() != strconv.Itoa(port) {
			continue
		}
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

// What a sidecar is programmed with.
type programmed struct {
	routes   []*routev3.RouteConfiguration
	clusters []*clusterv3.Cluster
}

func (k serviceKey) host() string { return k.name + "." + k.namespace + ".svc.cluster.local" }

// What the driver runs of it for one port of a service.
func (p programmed) of(key serviceKey, port int) (object, error) {
	host := key.host()
	v := virtualHost(p.routes, host, port)
	if v == nil {
		return nil, fmt.Errorf("Istio programs no route of HTTP for %s, port %d", host, port)
	}
	routes, wanted := []json.RawMessage{}, map[string]bool{}
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
	main := fmt.Sprintf("outbound|%d||%s", port, host)
	clusters := object{}
	for _, c := range p.clusters {
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
	return object{"routes": routes, "clusters": clusters, "main": main, "namespace": key.namespace, "port": port}, nil
}

func (q *question) translate(sidecar programmed, name string) (object, error) {
	key, err := q.serviceOf(name)
	if err != nil {
		return nil, err
	}
	return sidecar.of(key, q.named.portOf(key, q.documents))
}

// The first object that Istio refuses.
func (q *question) refusal() error {
	for _, d := range q.documents {
		if why, is := q.refused[d.key()]; is {
			return fmt.Errorf("%s: Istio refuses %s %s: %s", d.place(), d.kind, d.name, why)
		}
	}
	return nil
}

// With ${strict} what Istio refuses, and a service for which it programs nothing, is the error; else it is told.
func translateAll(services, paths []string, strict bool) error {
	q, err := ask(paths, services)
	if err != nil {
		return err
	}
	if err := q.refusal(); err != nil && strict {
		return err
	}
	told := object{}
	var said []object
	var failed error
	err = test.Wrap(func(t test.Failer) {
		s := xds.NewFakeDiscoveryServer(t, q.options(t))
		proxy := q.client(s)
		sidecar := programmed{s.Routes(proxy), s.Clusters(proxy)}
		for _, name := range services {
			one, err := q.translate(sidecar, name)
			if err != nil && strict {
				failed = err
				return
			}
			if err != nil {
				one = object{"nothing": err.Error()}
			}
			told[name] = one
		}
		said, failed = q.status(t, s) // at last: it adds objects of its own
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return err
	}
	line, err := json.Marshal(object{"istio": istioVersion, "module": pinned(), "services": told, "objects": said, "assumed": q.assumed})
	if err == nil {
		fmt.Println(strings.TrimSpace(string(line)))
	}
	return err
}
