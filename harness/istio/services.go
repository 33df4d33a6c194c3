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

// What the files name: Services, and ports.
type named struct {
	services map[serviceKey]bool // held true, named false
	ports    []int               // in order of appearance
}

var fullHost = regexp.MustCompile(`^([a-z0-9]([-a-z0-9]*[a-z0-9])?)\.([a-z0-9]([-a-z0-9]*[a-z0-9])?)\.svc(\.|$)`)
var shortHost = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

func (n *named) host(text, namespace string) {
	key := serviceKey{namespace, text}
	if parts := fullHost.FindStringSubmatch(text); parts != nil {
		key = serviceKey{parts[3], parts[1]}
	} else if !shortHost.MatchString(text) {
		return
	}
	n.services[key] = n.services[key]
}

func (n *named) port(value any) {
	number, isNumber := value.(float64)
	if !isNumber || number < 1 || number > 65535 {
		return
	}
	for _, have := range n.ports {
		if have == int(number) {
			return
		}
	}
	n.ports = append(n.ports, int(number))
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
		n.services[key] = n.services[key]
		n.port(r["port"])
	}
}

func (n *named) list(word string, items []any, namespace string) {
	for _, item := range items {
		text, isText := item.(string)
		if fields, isObject := item.(map[string]any); isObject {
			if word == "backendRefs" || word == "parentRefs" || word == "targetRefs" {
				n.reference(fields, namespace, word == "backendRefs")
			}
			n.walk(fields, namespace)
		} else if isText && word == "hosts" {
			n.host(text, namespace)
		}
	}
}

func (n *named) walk(fields map[string]any, namespace string) {
	words := make([]string, 0, len(fields))
	for word := range fields {
		words = append(words, word)
	}
	sort.Strings(words)
	for _, word := range words {
		switch v := fields[word].(type) {
		case string:
			if word == "host" {
				n.host(v, namespace)
			}
		case []any:
			n.list(word, v, namespace)
		case map[string]any:
			if word == "port" {
				n.port(v["number"])
			}
			n.walk(v, namespace)
		}
	}
}

func namedBy(all []document, namespace string) *named {
	n := &named{services: map[serviceKey]bool{}}
	for _, d := range all {
		own := d.namespace
		if own == "" {
			own = namespace
		}
		if d.kind == "Service" && d.apiVersion == "v1" {
			n.services[serviceKey{own, d.name}] = true
		} else if spec, has := d.content["spec"].(map[string]any); has && (d.isIstio() || d.isKubernetes()) && d.kind != "ServiceEntry" {
			n.walk(spec, own)
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
	ports := []string{}
	for _, port := range n.portList() {
		ports = append(ports, fmt.Sprintf("{name: http-%d, port: %d}", port, port))
	}
	for i, key := range keys {
		text += fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: %s}\nspec:\n  clusterIP: 10.96.%d.%d\n"+
			"  ports: [%s]\n  selector: {app: %s}\n---\n", key.name, key.namespace, 1+i/250, 1+i%250, strings.Join(ports, ", "), key.name)
		names = append(names, key.name+"."+key.namespace)
	}
	return text, names
}

func (n *named) portList() []int {
	if len(n.ports) == 0 {
		return []int{defaultPort}
	}
	return n.ports
}

// The port of a service that a client is taken to call: the first that a policy names and the Service has, else its first.
func (n *named) portOf(key serviceKey, all []document, namespace string) int {
	for _, d := range all {
		own := d.namespace
		if own == "" {
			own = namespace
		}
		if d.kind != "Service" || d.apiVersion != "v1" || d.name != key.name || own != key.namespace {
			continue
		}
		spec, _ := d.content["spec"].(map[string]any)
		ports, _ := spec["ports"].([]any)
		has, first := map[int]bool{}, 0
		for _, one := range ports {
			fields, _ := one.(map[string]any)
			number, _ := fields["port"].(float64)
			has[int(number)] = true
			if first == 0 {
				first = int(number)
			}
		}
		for _, port := range n.ports {
			if has[port] {
				return port
			}
		}
		return first
	}
	return n.portList()[0]
}
