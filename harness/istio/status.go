package main

// What Istio itself says of each object: whether it has such a kind and reads it, what its admission webhook answers, what its
// Gateway API controller writes into the object's status, and what its analyzers (istioctl analyze) find.

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	clienttesting "k8s.io/client-go/testing"

	"istio.io/istio/pilot/pkg/config/kube/gateway"
	"istio.io/istio/pilot/pkg/features"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/status"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/analysis/analyzers"
	"istio.io/istio/pkg/config/analysis/local"
	"istio.io/istio/pkg/config/resource"
	"istio.io/istio/pkg/config/schema/collections"
	"istio.io/istio/pkg/config/schema/gvr"
	"istio.io/istio/pkg/kube"
	"istio.io/istio/pkg/kube/kclient/clienttest"
	"istio.io/istio/pkg/test"
)

const (
	statusWithin = 30 * time.Second
	lastName     = "meshproof-last"
)

func keyOf(kind, namespace, name string) string { return kind + "/" + namespace + "/" + name }

func (d document) key() string {
	return keyOf(d.groupVersionKind().GroupKind().String(), d.namespace, d.name)
}

func (q *question) options(t test.Failer) xds.FakeOptions {
	return xds.FakeOptions{Configs: q.configs, KubernetesObjectString: q.kubernetes, KubeClientModifier: func(c kube.Client) {
		for _, more := range []schema.GroupVersionResource{gvr.BackendTLSPolicy, gvr.ListenerSet, gvr.XBackendTrafficPolicy} {
			clienttest.MakeCRD(t, c, more)
		}
	}}
}

// Takes what Istio would write into the cluster. Its status manager reads and writes by these two alone.
type statusStore struct {
	model.ConfigStore
	lock    sync.Mutex
	written map[string]any
	last    chan string // the kind of each object of lastName that was written
}

func (s *statusStore) Get(kind config.GroupVersionKind, name, namespace string) *config.Config {
	return &config.Config{Meta: config.Meta{GroupVersionKind: kind, Name: name, Namespace: namespace}}
}

func (s *statusStore) UpdateStatus(c config.Config) (string, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if c.Name == lastName {
		s.last <- c.GroupVersionKind.Kind
		return "", nil
	}
	kind := schema.GroupKind{Group: c.GroupVersionKind.Group, Kind: c.GroupVersionKind.Kind}
	s.written[keyOf(kind.String(), c.Namespace, c.Name)] = c.Status
	return "", nil
}

// An object of each kind that Istio surely writes a status for. Added when all others were, it is told last.
var lastSpecs = map[string]string{
	"HTTPRoute":             "{parentRefs: [{group: '', kind: Service, name: %[1]s}], rules: [{backendRefs: [{name: %[1]s, port: 1}]}]}",
	"GRPCRoute":             "{parentRefs: [{group: '', kind: Service, name: %[1]s}], rules: [{backendRefs: [{name: %[1]s, port: 1}]}]}",
	"TCPRoute":              "{parentRefs: [{group: '', kind: Service, name: %[1]s}], rules: [{backendRefs: [{name: %[1]s, port: 1}]}]}",
	"TLSRoute":              "{parentRefs: [{group: '', kind: Service, name: %[1]s}], rules: [{backendRefs: [{name: %[1]s, port: 1}]}]}",
	"Gateway":               "{gatewayClassName: istio, listeners: [{name: a, port: 80, protocol: HTTP}]}",
	"ListenerSet":           "{parentRef: {name: " + lastName + "}, listeners: [{name: a, port: 80, protocol: HTTP}]}",
	"XBackendTrafficPolicy": "{targetRefs: [{group: '', kind: Service, name: %[1]s}]}",
	"BackendTLSPolicy":      "{targetRefs: [{group: '', kind: Service, name: %[1]s}], validation: {hostname: a, wellKnownCACertificates: System}}",
}

// The kinds of the user's objects that Istio writes a status for.
func (q *question) statusKinds() map[string]string {
	kinds := map[string]string{}
	for _, d := range q.documents {
		_, known := lastSpecs[d.kind]
		if known && d.isKubernetes() && !(d.kind == "XBackendTrafficPolicy" && !features.EnableAlphaGatewayAPI) {
			kinds[d.kind] = d.apiVersion
		}
	}
	return kinds
}

func addLast(s *xds.FakeDiscoveryServer, kind, apiVersion string, service serviceKey) error {
	spec := lastSpecs[kind]
	if strings.Contains(spec, "%[1]s") {
		spec = fmt.Sprintf(spec, service.name)
	}
	text := fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata: {name: %s, namespace: %s}\nspec: %s\n", apiVersion, kind, lastName,
		service.namespace, spec)
	o, gvk, err := kube.IstioCodec.UniversalDeserializer().Decode([]byte(text), nil, nil)
	if err != nil {
		return err
	}
	for _, schema := range collections.All.All() {
		if schema.GroupVersionKind().Kubernetes() == *gvk {
			fake, isFake := s.KubeClient().GatewayAPI().(interface {
				Tracker() clienttesting.ObjectTracker
			})
			if !isFake {
				return fmt.Errorf("the API server is no fake one")
			}
			return fake.Tracker().Create(schema.GroupVersionResource(), o, service.namespace)
		}
	}
	return fmt.Errorf("Istio reads no %s of %s", kind, apiVersion)
}

// What Istio writes into the status of the user's Gateway API objects.
func (q *question) written(t test.Failer, s *xds.FakeDiscoveryServer) (map[string]any, error) {
	kinds := q.statusKinds()
	controller, isGateway := s.Env().GatewayAPIController.(*gateway.Controller)
	if len(kinds) == 0 {
		return nil, nil
	}
	if !isGateway {
		return nil, fmt.Errorf("Istio's Gateway API controller is another one than go.sum pins")
	}
	service := serviceKey{q.namespace, "kubernetes"}
	for key := range q.named.services {
		service = key
	}
	store := &statusStore{written: map[string]any{}, last: make(chan string, len(lastSpecs))}
	features.StatusMaxWorkers = 1 // one writes in the order of the queue: what is told last is last
	manager := status.NewManager(store)
	manager.Start(test.NewStop(t))
	controller.SetStatusWrite(true, manager)
	for kind, version := range kinds {
		if err := addLast(s, kind, version, service); err != nil {
			return nil, err
		}
	}
	deadline := time.After(statusWithin)
	for left := len(kinds); left > 0; {
		select {
		case kind := <-store.last:
			if _, waited := kinds[kind]; waited {
				delete(kinds, kind)
				left--
			}
		case <-deadline:
			return nil, fmt.Errorf("Istio wrote no status within %v", statusWithin)
		}
	}
	store.lock.Lock()
	defer store.lock.Unlock()
	return store.written, nil
}

// When a condition came to be is when we asked: no fact of the object.
func withoutTimes(value any) any {
	switch v := value.(type) {
	case map[string]any:
		delete(v, "lastTransitionTime")
		for _, inner := range v {
			withoutTimes(inner)
		}
	case []any:
		for _, inner := range v {
			withoutTimes(inner)
		}
	}
	return value
}

func statusJSON(written any) (any, error) {
	var status any
	text, err := json.Marshal(written)
	if err == nil {
		err = json.Unmarshal(text, &status)
	}
	if status == nil {
		status = object{} // Istio writes none: it is not for Istio
	}
	return withoutTimes(status), err
}

type finding struct {
	Code  string `json:"code"`
	Level string `json:"level"`
	Text  string `json:"text"`
}

// What istioctl analyze finds, by object.
func (q *question) analysis() (map[string][]finding, error) {
	text, found := "", map[string][]finding{}
	for _, d := range q.documents {
		if _, refused := q.refused[d.key()]; !refused && (d.isIstio() || d.isKubernetes()) {
			text += d.text + "\n---\n"
		}
	}
	missing, _ := q.named.missing()
	a := local.NewIstiodAnalyzer(analyzers.AllCombined(), resource.Namespace(q.namespace), "istio-system", nil)
	if err := a.AddReaderKubeSource([]local.ReaderSource{{Name: "", Reader: strings.NewReader(text + missing)}}); err != nil {
		return nil, err
	}
	stop := make(chan struct{})
	defer close(stop)
	result, err := a.Analyze(stop)
	if err != nil {
		return nil, err
	}
	for _, m := range result.Messages {
		if m.Resource == nil {
			continue
		}
		about := m.Resource.Metadata
		kind := schema.GroupKind{Group: about.Schema.Group(), Kind: about.Schema.Kind()}
		key := keyOf(kind.String(), about.FullName.Namespace.String(), about.FullName.Name.String())
		found[key] = append(found[key], finding{m.Type.Code(), m.Type.Level().String(), fmt.Sprintf(m.Type.Template(), m.Parameters...)})
	}
	return found, nil
}

// Each object with what Istio says of it, in the order of the files.
func (q *question) status(t test.Failer, s *xds.FakeDiscoveryServer) ([]object, error) {
	written, err := q.written(t, s)
	if err != nil {
		return nil, err
	}
	found, err := q.analysis()
	if err != nil {
		return nil, err
	}
	all, kinds := []object{}, q.statusKinds()
	for _, d := range q.documents {
		one := object{"file": d.file, "line": d.line, "api_version": d.apiVersion, "kind": d.kind, "name": d.name,
			"namespace": d.namespace, "known": d.isKnown(), "read": d.isIstio() || d.isKubernetes()}
		if d.kind == "XBackendTrafficPolicy" && !features.EnableAlphaGatewayAPI {
			one["read"], one["needs"] = false, features.EnableAlphaGatewayAPIName
		}
		if why, is := q.refused[d.key()]; is {
			one["refused"] = why
		}
		if warnings := q.warned[d.key()]; len(warnings) > 0 {
			one["warnings"] = warnings
		}
		if _, hasStatus := kinds[d.kind]; hasStatus && d.isKubernetes() {
			if one["status"], err = statusJSON(written[d.key()]); err != nil {
				return nil, err
			}
		}
		if findings := found[d.key()]; len(findings) > 0 {
			one["analysis"] = findings
		}
		all = append(all, one)
	}
	return all, nil
}
