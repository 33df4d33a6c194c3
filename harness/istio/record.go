package main

// `record BASE POLICY...` prints, for each file, one line of JSON with the routes and the cluster that the sidecar of
// client.shop gets for payments.shop, or why Istio refuses the policy. Only the fields that our own reader claims to know
// are kept, as Envoy's configuration names them.

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"sort"
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/test"
)

const (
	service = "payments.shop.svc.cluster.local"
	port    = "8080"
)

type object map[string]any

func set(to object, name string, value any) {
	switch v := value.(type) {
	case *durationpb.Duration:
		if v != nil {
			to[name] = v.AsDuration().Nanoseconds()
		}
	case *wrapperspb.UInt32Value:
		if v != nil {
			to[name] = v.GetValue()
		}
	case *wrapperspb.BoolValue:
		if v != nil {
			to[name] = v.GetValue()
		}
	default:
		to[name] = value
	}
}

func retry(p *routev3.RetryPolicy) object {
	if p == nil {
		return nil
	}
	to := object{}
	set(to, "retry_on", p.GetRetryOn())
	set(to, "num_retries", p.GetNumRetries())
	set(to, "per_try_timeout", p.GetPerTryTimeout())
	set(to, "base_interval", p.GetRetryBackOff().GetBaseInterval())
	set(to, "max_interval", p.GetRetryBackOff().GetMaxInterval())
	codes := append([]uint32{}, p.GetRetriableStatusCodes()...)
	sort.Slice(codes, func(i, j int) bool { return codes[i] < codes[j] })
	set(to, "retriable_status_codes", codes)
	hosts := []string{}
	for _, h := range p.GetRetryHostPredicate() {
		hosts = append(hosts, h.GetName())
	}
	set(to, "retry_host_predicate", hosts)
	set(to, "host_selection_retry_max_attempts", p.GetHostSelectionRetryMaxAttempts())
	return to
}

func match(m *routev3.RouteMatch) object {
	to := object{}
	switch {
	case m.GetPath() != "":
		to["path"] = m.GetPath()
	case m.GetPathSeparatedPrefix() != "":
		to["segments"] = m.GetPathSeparatedPrefix()
	case m.GetSafeRegex() != nil:
		to["regex"] = m.GetSafeRegex().GetRegex()
	default:
		to["prefix"] = m.GetPrefix()
	}
	to["headers"] = len(m.GetHeaders())
	return to
}

func routes(all []*routev3.RouteConfiguration) []object {
	found := []object{}
	for _, configuration := range all {
		if configuration.GetName() != port {
			continue
		}
		for _, host := range configuration.GetVirtualHosts() {
			mine := false
			for _, domain := range host.GetDomains() {
				mine = mine || domain == service
			}
			for _, r := range host.GetRoutes() {
				if !mine {
					continue
				}
				a := r.GetRoute()
				to := object{"match": match(r.GetMatch()), "kind": fmt.Sprintf("%T", r.GetAction())}
				if a != nil {
					to["cluster"] = a.GetCluster()
					set(to, "timeout", a.GetTimeout())
					to["retry"] = retry(a.GetRetryPolicy())
				}
				found = append(found, to)
			}
		}
	}
	return found
}

func outlier(o *clusterv3.OutlierDetection) object {
	if o == nil {
		return nil
	}
	to := object{}
	set(to, "consecutive_5xx", o.GetConsecutive_5Xx())
	set(to, "enforcing_consecutive_5xx", o.GetEnforcingConsecutive_5Xx())
	set(to, "consecutive_gateway_failure", o.GetConsecutiveGatewayFailure())
	set(to, "enforcing_consecutive_gateway_failure", o.GetEnforcingConsecutiveGatewayFailure())
	set(to, "interval", o.GetInterval())
	set(to, "base_ejection_time", o.GetBaseEjectionTime())
	set(to, "max_ejection_percent", o.GetMaxEjectionPercent())
	set(to, "split_external_local_origin_errors", o.GetSplitExternalLocalOriginErrors())
	set(to, "consecutive_local_origin_failure", o.GetConsecutiveLocalOriginFailure())
	set(to, "enforcing_consecutive_local_origin_failure", o.GetEnforcingConsecutiveLocalOriginFailure())
	return to
}

func cluster(c *clusterv3.Cluster) object {
	to := object{"lb_policy": c.GetLbPolicy().String()}
	set(to, "connect_timeout", c.GetConnectTimeout())
	to["outlier_detection"] = outlier(c.GetOutlierDetection())
	if panic := c.GetCommonLbConfig().GetHealthyPanicThreshold(); panic != nil {
		to["healthy_panic_threshold"] = panic.GetValue()
	}
	for _, t := range c.GetCircuitBreakers().GetThresholds() {
		set(to, "max_connections", t.GetMaxConnections())
		set(to, "max_pending_requests", t.GetMaxPendingRequests())
		set(to, "max_requests", t.GetMaxRequests())
		set(to, "max_retries", t.GetMaxRetries())
		if b := t.GetRetryBudget(); b != nil {
			budget := object{"budget_percent": b.GetBudgetPercent().GetValue()}
			set(budget, "min_retry_concurrency", b.GetMinRetryConcurrency())
			set(budget, "budget_interval", b.GetBudgetInterval())
			to["retry_budget"] = budget
		}
	}
	options := &httpv3.HttpProtocolOptions{}
	if any := c.GetTypedExtensionProtocolOptions()["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]; any != nil {
		if any.UnmarshalTo(options) == nil {
			set(to, "max_requests_per_connection", options.GetCommonHttpProtocolOptions().GetMaxRequestsPerConnection())
			set(to, "idle_timeout", options.GetCommonHttpProtocolOptions().GetIdleTimeout())
		}
	}
	return to
}

func record(base, policy []document) object {
	configs := []config.Config{}
	for _, d := range policy {
		if !d.isIstio() {
			continue
		}
		c, _, err := d.config()
		if err != nil {
			return object{"refused": err.Error()}
		}
		configs = append(configs, c)
	}
	told := object{}
	err := test.Wrap(func(t test.Failer) {
		s := xds.NewFakeDiscoveryServer(t, xds.FakeOptions{Configs: configs, KubernetesObjectString: kubernetesText(base) + kubernetesText(policy)})
		labels := map[string]string{"app": "client"}
		proxy := s.SetupProxy(&model.Proxy{ConfigNamespace: "shop", Labels: labels, IPAddresses: []string{"127.0.0.9"},
			Metadata: &model.NodeMetadata{Namespace: "shop", Labels: labels, IstioVersion: istioVersion + ".0"}})
		found := routes(s.Routes(proxy))
		told["routes"] = found
		led := "outbound|" + port + "||" + service // the service's own, or the subset's that the first route leads to
		if len(found) > 0 {
			if to, ok := found[0]["cluster"].(string); ok && strings.HasPrefix(to, "outbound|"+port+"|") && strings.HasSuffix(to, "|"+service) {
				led = to
			}
		}
		for _, c := range s.Clusters(proxy) {
			if c.GetName() == led {
				told["cluster"] = cluster(c)
			}
		}
	})
	if err != nil {
		return object{"refused": err.Error()}
	}
	return told
}

func recordAll(base string, policies []string) error {
	services, err := readFile(base)
	if err != nil {
		return err
	}
	for _, path := range policies {
		policy, err := readFile(path)
		if err != nil {
			return err
		}
		told := record(services, policy)
		told["policy"] = strings.TrimSuffix(filepath.Base(path), ".yaml")
		line, err := json.Marshal(told)
		if err != nil {
			return err
		}
		fmt.Println(string(line))
	}
	return nil
}
