package main

// `fetch ADDRESS SERVICE,... FILE...` prints what translate does, of the sidecar that an istiod which runs already programs: it is
// asked over xDS in plaintext, as the sidecar's agent would. The files are read for the names alone: the client's namespace, the
// services' namespaces and ports. Of the objects the istiod says nothing.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sort"
	"strconv"
	"strings"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"
)

const (
	fetchWithin    = 15 * time.Second
	fetchMostBytes = 256 << 20
	clusterType    = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
	routeType      = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
)

// The istiod's doing, not the user's files'.
type surroundings struct{ error }

// The sidecar that asks: of a workload "client" in the namespace.
func nodeOf(namespace string) (*corev3.Node, error) {
	metadata, err := structpb.NewStruct(map[string]any{"NAMESPACE": namespace, "LABELS": map[string]any{"app": "client"},
		"CLUSTER_ID": "Kubernetes", "ISTIO_VERSION": istioVersion + ".0"})
	return &corev3.Node{Id: "sidecar~127.0.0.9~client." + namespace + "~" + namespace + ".svc.cluster.local", Cluster: "client." + namespace,
		Metadata: metadata}, err
}

type stream struct {
	discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesClient
	node *corev3.Node // of the first request; then nil
	who  string       // what the istiod calls itself
}

// Asks for resources, and takes the first answer of that type: what else comes is of types that were asked for before.
func (s *stream) ask(kind string, names []string) ([]*anypb.Any, error) {
	request := &discoveryv3.DiscoveryRequest{Node: s.node, TypeUrl: kind, ResourceNames: names}
	if err := s.Send(request); err != nil && !errors.Is(err, io.EOF) { // io.EOF: Recv says why
		return nil, err
	}
	s.node = nil
	for {
		answer, err := s.Recv()
		if err != nil {
			return nil, err
		}
		s.who = answer.GetControlPlane().GetIdentifier()
		if answer.GetTypeUrl() != kind {
			continue
		}
		taken := &discoveryv3.DiscoveryRequest{TypeUrl: kind, ResourceNames: names, VersionInfo: answer.GetVersionInfo(), ResponseNonce: answer.GetNonce()}
		if err := s.Send(taken); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		return answer.GetResources(), nil
	}
}

func unpacked[T proto.Message](all []*anypb.Any, fresh func() T) ([]T, error) {
	list := []T{}
	for _, one := range all {
		m := fresh()
		if err := one.UnmarshalTo(m); err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

// The ports of the host that the sidecar knows, from the names of its clusters: "outbound|8080||payments.shop.svc.cluster.local".
func knownPorts(clusters []*clusterv3.Cluster, host string) []int {
	ports := []int{}
	for _, c := range clusters {
		parts := strings.Split(c.GetName(), "|")
		if len(parts) != 4 || parts[0] != "outbound" || parts[2] != "" || parts[3] != host {
			continue
		}
		if port, err := strconv.Atoi(parts[1]); err == nil {
			ports = append(ports, port)
		}
	}
	sort.Ints(ports)
	return ports
}

// The port that the client is taken to call, of those with a route of HTTP: the one that the files say, else the only one.
func (q *question) portAmong(p programmed, key serviceKey) (int, error) {
	known, found := knownPorts(p.clusters, key.host()), []int{}
	for _, port := range known {
		if virtualHost(p.routes, key.host(), port) != nil {
			found = append(found, port)
		}
	}
	said := q.named.ports[key]
	if held := heldPorts(q.documents, key); len(held) > 0 {
		said = []int{q.named.portOf(key, q.documents)}
	}
	for _, wanted := range said {
		for _, port := range found {
			if port == wanted {
				return port, nil
			}
		}
	}
	switch {
	case len(known) == 0:
		return 0, fmt.Errorf("it programs nothing for %s: it has no such Service, or a Sidecar hides it from the namespace %s", key.host(), q.namespace)
	case len(said) > 0:
		return 0, fmt.Errorf("it programs no route of HTTP for %s at port %d, which the files name: it has %v", key.host(), said[0], known)
	case len(found) == 0:
		return 0, fmt.Errorf("it programs no route of HTTP for %s at its ports %v", key.host(), known)
	case len(found) > 1:
		return 0, fmt.Errorf("%s has the ports %v, and no file says which of them is called: give its Service beside the policies", key.host(), found)
	}
	return found[0], nil
}

func (q *question) fetch(s *stream, services []string) (object, error) {
	p, keys, names := programmed{}, map[string]serviceKey{}, map[string]bool{}
	all, err := s.ask(clusterType, nil)
	if err != nil {
		return nil, err
	}
	if p.clusters, err = unpacked(all, func() *clusterv3.Cluster { return &clusterv3.Cluster{} }); err != nil {
		return nil, err
	}
	for _, name := range services {
		if keys[name], err = q.serviceOf(name); err != nil {
			return nil, err
		}
		for _, port := range knownPorts(p.clusters, keys[name].host()) {
			names[strconv.Itoa(port)] = true
		}
	}
	wanted := []string{}
	for name := range names {
		wanted = append(wanted, name)
	}
	sort.Strings(wanted)
	if len(wanted) > 0 { // asked for none it would send nothing
		if all, err = s.ask(routeType, wanted); err != nil {
			return nil, err
		}
		if p.routes, err = unpacked(all, func() *routev3.RouteConfiguration { return &routev3.RouteConfiguration{} }); err != nil {
			return nil, err
		}
	}
	told := object{}
	for _, name := range services {
		port, err := q.portAmong(p, keys[name])
		if err != nil {
			return nil, err
		}
		if told[name], err = p.of(keys[name], port); err != nil {
			return nil, err
		}
	}
	return told, nil
}

// Why a call failed, as one sentence of which only what the system said is theirs.
func sentence(address string, err error) error {
	said, isCall := status.FromError(err)
	switch {
	case errors.Is(err, context.DeadlineExceeded) || (isCall && said.Code() == codes.DeadlineExceeded):
		return fmt.Errorf("the istiod at %s did not answer within %d s", address, int(fetchWithin.Seconds()))
	case isCall && said.Code() == codes.Unimplemented:
		return fmt.Errorf("what listens at %s is no istiod: it has no xDS (Istio's plaintext port is 15010)", address)
	case isCall && (said.Code() == codes.Unauthenticated || said.Code() == codes.PermissionDenied):
		return fmt.Errorf("the istiod at %s refuses a sidecar without credentials (its plaintext port, 15010, asks for none): %s", address, said.Message())
	case isCall && strings.Contains(said.Message(), "while dialing"):
		text := said.Message()
		return fmt.Errorf("cannot reach the istiod at %s: %s", address, strings.Trim(text[strings.LastIndex(text, ": ")+2:], "\""))
	case isCall && strings.Contains(said.Message(), "server preface"):
		return fmt.Errorf("what listens at %s does not speak xDS in plaintext (Istio's plaintext port is 15010)", address)
	case isCall && said.Code() == codes.Unavailable:
		return fmt.Errorf("the istiod at %s ended the connection: %s", address, said.Message())
	case isCall:
		return fmt.Errorf("the istiod at %s: %s", address, said.Message())
	}
	return fmt.Errorf("the istiod at %s: %w", address, err)
}

// "1.31.0" of {"Component":"istiod","ID":"istiod-1","Info":{"version":"1.31.0",...}}; else what a sidecar of ours says it is.
func versionOf(who string) string {
	about := struct{ Info struct{ Version string } }{}
	if json.Unmarshal([]byte(who), &about) != nil || about.Info.Version == "" {
		return istioVersion
	}
	return about.Info.Version
}

func open(ctx context.Context, address, namespace string) (*grpc.ClientConn, *stream, error) {
	node, err := nodeOf(namespace)
	if err != nil {
		return nil, nil, err
	}
	c, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(fetchMostBytes)))
	if err != nil {
		return nil, nil, err
	}
	s, err := discoveryv3.NewAggregatedDiscoveryServiceClient(c).StreamAggregatedResources(ctx)
	if err != nil {
		c.Close()
		return nil, nil, err
	}
	return c, &stream{s, node, ""}, nil
}

func fetchAll(address string, services, paths []string) error {
	if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
		return fmt.Errorf("%q is no address of an istiod: HOST:PORT, such as 127.0.0.1:15010", address)
	}
	q, err := ask(paths, services)
	if err != nil {
		return err
	}
	ctx, end := context.WithTimeout(context.Background(), fetchWithin)
	defer end()
	c, s, err := open(ctx, address, q.namespace)
	if err != nil {
		return surroundings{sentence(address, err)}
	}
	defer c.Close()
	told, err := q.fetch(s, services)
	if err != nil {
		return surroundings{sentence(address, err)}
	}
	line, err := json.Marshal(object{"istio": versionOf(s.who), "istiod": address, "services": told, "objects": []object{}, "assumed": []string{}})
	if err == nil {
		fmt.Println(string(line))
	}
	return err
}
