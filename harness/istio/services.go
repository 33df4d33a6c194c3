package main

// The Services that policies name. A folder of policies seldom holds them, but in a cluster they are there: what is missing
// is made up, with the ports that the policies name.

import (
	"fmt"
	"regexp"
	"sort"
	"strings"
)

type serviceKey struct{ namespace, name string }

// What the files name: Services, and the ports of each, in order of appearance.
type named struct {
	services map[serviceKey]bool // held true, named false
	ports    map[serviceKey][]int
}

var fullHost = regexp.MustCompile(`^([a-z0-9]([-a-z0-9]*[a-z0-9])?)\.([a-z0-9]([-a-z0-9]*[a-z0-9])?)\.svc(\.|$)`)
var shortHost = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// The Service that a host is; false: it is none that can be told by its name alone.
func hostKey(text, namespace string) (serviceKey, bool) {
	if parts := fullHost.FindStringSubmatch(text); parts != nil {
		return serviceKey{parts[3], parts[1]}, true
	}
	return serviceKey{namespace, text}, shortHost.MatchString(text)
}

func (n *named) service(key serviceKey) { n.services[key] = n.services[key] }

func (n *named) port(key serviceKey, value any) {
	number, isNumber := value.(float64)
	if !isNumber || number < 1 || number > 65535 {
		return
	}
	for _, have := range n.ports[key] {
		if have == int(number) {
			return
		}
	}
	n.ports[key] = append(n.ports[key], int(number))
}

// Of a reference of the Gateway API: a Service's, by its group and kind. Unset is a Service's where ${backend}, else a Gateway's.
func (n *named) reference(r map[string]any, namespace string, backend bool) {
	group, hasGroup := r["group"].(string)
	kind, hasKind := r["kind"].(string)
	isService := (kind == "Service" && hasGroup && group == "") || (backend && group == "" && (!hasKind || kind == "Service"))
	if name, _ := r["name"].(string); isService && shortHost.MatchString(name) {
		if own, found := r["namespace"].(string); found {
			namespace = own
		}
		key := serviceKey{namespace, name}
		n.service(key)
		n.port(key, r["port"])
	}
}

func (n *named) list(word string, items []any, namespace string, of *serviceKey) {
	for _, item := range items {
		text, isText := item.(string)
		if fields, isObject := item.(map[string]any); isObject {
			if word == "backendRefs" || word == "parentRefs" || word == "targetRefs" {
				n.reference(fields, namespace, word == "backendRefs")
			}
			n.walk(fields, namespace, of)
		} else if key, isHost := hostKey(text, namespace); isText && isHost && word == "hosts" {
			n.service(key)
		}
	}
}

// ${of}: the Service whose ports are meant below; nil: none is named.
func (n *named) walk(fields map[string]any, namespace string, of *serviceKey) {
	if host, isText := fields["host"].(string); isText {
		of = nil
		if key, isHost := hostKey(host, namespace); isHost {
			n.service(key)
			of = &key
		}
	}
	words := make([]string, 0, len(fields))
	for word := range fields {
		words = append(words, word)
	}
	sort.Strings(words)
	for _, word := range words {
		switch v := fields[word].(type) {
		case []any:
			n.list(word, v, namespace, of)
		case map[string]any:
			if word == "port" && of != nil {
				n.port(*of, v["number"])
			}
			n.walk(v, namespace, of)
		}
	}
}

func namedBy(all []document, namespace string) *named {
	n := &named{services: map[serviceKey]bool{}, ports: map[serviceKey][]int{}}
	for _, d := range all {
		own := d.namespace
		if own == "" {
			own = namespace
		}
		if d.kind == "Service" && d.apiVersion == "v1" {
			n.services[serviceKey{own, d.name}] = true
		} else if spec, has := d.content["spec"].(map[string]any); has && (d.isIstio() || d.isKubernetes()) && d.kind != "ServiceEntry" {
			n.walk(spec, own, nil)
		}
	}
	return n
}

// The Service of a name: one that the files hold, else one that they name, the client's own namespace first.
func (n *named) find(name, namespace string) serviceKey {
	best := serviceKey{namespace, name}
	for _, held := range []bool{true, false} {
		if have, found := n.services[best]; found && have == held {
			return best
		}
		others := []string{}
		for key, have := range n.services {
			if key.name == name && have == held {
				others = append(others, key.namespace)
			}
		}
		if sort.Strings(others); len(others) > 0 {
			return serviceKey{others[0], name}
		}
	}
	return best
}

// The missing Services as YAML, and their names, "payments.shop".
func (n *named) missing() (text string, names []string) {
	keys := []serviceKey{}
	for key, held := range n.services {
		if !held {
			keys = append(keys, key)
		}
	}
	sort.Slice(keys, func(i, k int) bool {
		return keys[i].name < keys[k].name || (keys[i].name == keys[k].name && keys[i].namespace < keys[k].namespace)
	})
	names = []string{}
	for i, key := range keys {
		ports := []string{}
		for _, port := range n.portsOf(key) {
			ports = append(ports, fmt.Sprintf("{name: http-%d, port: %d}", port, port))
		}
		text += fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: %s}\nspec:\n  clusterIP: 10.96.%d.%d\n"+
			"  ports: [%s]\n  selector: {app: %s}\n---\n", key.name, key.namespace, 1+i/250, 1+i%250, strings.Join(ports, ", "), key.name)
		names = append(names, key.name+"."+key.namespace)
	}
	return text, names
}

func (n *named) portsOf(key serviceKey) []int {
	if len(n.ports[key]) == 0 {
		return []int{defaultPort}
	}
	return n.ports[key]
}

// The ports of a Service among the files, in its order; none: it is not there.
func heldPorts(all []document, key serviceKey) []int {
	held := []int{}
	for _, d := range all {
		if d.kind != "Service" || d.apiVersion != "v1" || d.name != key.name || d.namespace != key.namespace {
			continue
		}
		spec, _ := d.content["spec"].(map[string]any)
		ports, _ := spec["ports"].([]any)
		for _, one := range ports {
			fields, _ := one.(map[string]any)
			if number, isNumber := fields["port"].(float64); isNumber {
				held = append(held, int(number))
			}
		}
	}
	return held
}

// The port of a service that a client is taken to call: the first that a policy names for it and it has, else its first.
func (n *named) portOf(key serviceKey, all []document) int {
	held := heldPorts(all, key)
	for _, wanted := range n.ports[key] {
		for _, port := range held {
			if port == wanted {
				return port
			}
		}
	}
	if len(held) > 0 {
		return held[0]
	}
	return n.portsOf(key)[0]
}
