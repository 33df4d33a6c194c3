package main

// The user's files as objects, each with the place where it begins; and the Services that they name but do not hold.

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/schema/collections"
	"istio.io/istio/pkg/config/schema/resource"
	"istio.io/istio/pkg/kube"
)

const (
	filesMost   = 10000
	defaultPort = 8080
)

// One object of a file.
type document struct {
	file       string
	line       int
	text       string // YAML
	apiVersion string
	kind       string
	name       string
	namespace  string // "": it names none
	content    map[string]any
}

func (d document) place() string { return fmt.Sprintf("%s:%d", d.file, d.line) }

func (d document) groupVersionKind() schema.GroupVersionKind {
	return schema.FromAPIVersionAndKind(d.apiVersion, d.kind)
}

// Istio's own configuration, of its API groups alone: what it reads from the config store.
func (d document) isIstio() bool {
	k := d.groupVersionKind()
	_, found := collections.Pilot.FindByGroupVersionAliasesKind(resource.FromKubernetesGVK(&k))
	return found && strings.HasSuffix(k.Group, ".istio.io")
}

// What the fake API server holds, and Istio reads from there.
func (d document) isKubernetes() bool {
	switch k := d.groupVersionKind(); {
	case k.Group == "":
		return d.kind == "Service" || d.kind == "Namespace" || d.kind == "Pod" || d.kind == "Endpoints" || d.kind == "Node"
	case k.Group == "discovery.k8s.io":
		return d.kind == "EndpointSlice"
	case k.Group == "gateway.networking.k8s.io" || k.Group == "gateway.networking.x-k8s.io":
		return kube.IstioScheme.Recognizes(k)
	}
	return false
}

// Istio or Kubernetes has such a kind at all.
func (d document) isKnown() bool {
	k := d.groupVersionKind()
	_, found := collections.All.FindByGroupVersionAliasesKind(resource.FromKubernetesGVK(&k))
	return found || kube.IstioScheme.Recognizes(k)
}

var separator = regexp.MustCompile(`^---(\s|$)`)

func readDocument(file string, line int, text string) ([]document, error) {
	d := document{file: file, line: line, text: text}
	if err := yaml.Unmarshal([]byte(text), &d.content); err != nil {
		return nil, fmt.Errorf("%s: %w", d.place(), err)
	}
	if len(d.content) == 0 {
		return nil, nil
	}
	d.apiVersion, _ = d.content["apiVersion"].(string)
	d.kind, _ = d.content["kind"].(string)
	if items, isList := d.content["items"].([]any); isList && strings.HasSuffix(d.kind, "List") {
		all := []document{}
		for _, item := range items {
			one, err := json.Marshal(item)
			if err != nil {
				return nil, err
			}
			inner, err := readDocument(file, line, string(one))
			if err != nil {
				return nil, err
			}
			all = append(all, inner...)
		}
		return all, nil
	}
	if d.apiVersion == "" || d.kind == "" {
		return nil, nil // a values file, say: nothing that a cluster is given
	}
	about, _ := d.content["metadata"].(map[string]any)
	d.name, _ = about["name"].(string)
	d.namespace, _ = about["namespace"].(string)
	return []document{d}, nil
}

// The documents of a text, those that hold no object left out.
func parseDocuments(file, text string) ([]document, error) {
	all, part, begins := []document{}, []string{}, 0
	take := func() error {
		found, err := readDocument(file, begins, strings.Join(part, "\n"))
		all, part, begins = append(all, found...), nil, 0
		return err
	}
	for i, line := range strings.Split(text, "\n") {
		if separator.MatchString(line) {
			if err := take(); err != nil {
				return nil, err
			}
			continue
		}
		if trimmed := strings.TrimSpace(line); begins == 0 && trimmed != "" && trimmed[0] != '#' {
			begins = i + 1
		}
		part = append(part, line)
	}
	return all, take()
}

func readFile(path string) ([]document, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseDocuments(path, string(text))
}

// Of files, and of the folders' *.yaml and *.yml, however deep.
func readAll(paths []string) ([]document, error) {
	all, files := []document{}, 0
	for _, path := range paths {
		err := filepath.WalkDir(path, func(at string, entry os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if at != path && strings.HasPrefix(entry.Name(), ".") {
				if entry.IsDir() {
					return filepath.SkipDir
				}
				return nil
			}
			extension := filepath.Ext(at)
			if entry.IsDir() || (at != path && extension != ".yaml" && extension != ".yml") {
				return nil
			}
			if files++; files > filesMost {
				return fmt.Errorf("%s: more than the %d files allowed", path, filesMost)
			}
			found, err := readFile(at)
			all = append(all, found...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// The namespace that most of the objects are in: the client's, and of what names none.
func namespaceOf(all []document) string {
	counts, best := map[string]int{}, "default"
	for _, d := range all {
		if d.namespace == "" {
			continue
		}
		if counts[d.namespace]++; counts[d.namespace] > counts[best] {
			best = d.namespace
		}
	}
	return best
}

// The version in which Istio reads this kind: a real API server converts what was written in another one.
func (d document) versionRead() string {
	k := d.groupVersionKind()
	for _, schema := range collections.All.All() {
		if schema.Group() != k.Group || schema.Kind() != k.Kind {
			continue
		}
		for _, alias := range schema.GroupVersionAliasKinds() {
			if alias.Version == k.Version {
				return schema.GroupVersionKind().Kubernetes().GroupVersion().String()
			}
		}
	}
	return d.apiVersion
}

// What a cluster has of this object, its namespace and the version that Istio reads written out.
func (d document) asHeld(namespace string) (document, error) {
	clusterWide := d.kind == "Namespace" || d.kind == "GatewayClass" || d.kind == "Node"
	version := d.apiVersion
	if d.isKubernetes() {
		version = d.versionRead()
	}
	if (d.namespace != "" || clusterWide) && version == d.apiVersion {
		return d, nil
	}
	about, _ := d.content["metadata"].(map[string]any)
	if about == nil {
		return d, fmt.Errorf("%s: %s has no metadata", d.place(), d.kind)
	}
	if !clusterWide && d.namespace == "" {
		about["namespace"], d.namespace = namespace, namespace
	}
	d.content["apiVersion"], d.apiVersion = version, version
	text, err := yaml.Marshal(d.content)
	d.text = string(text)
	return d, err
}

// The objects that the fake API server gets, as one text.
func kubernetesText(all []document) string {
	text := ""
	for _, d := range all {
		if d.isKubernetes() {
			text += d.text + "\n---\n"
		}
	}
	return text
}

// Istio's configuration of an object as istiod holds it, after what its admission webhook says. A refusal is the error.
func (d document) config() (config.Config, []string, error) {
	configs, _, err := crd.ParseInputs(d.text)
	if err != nil {
		return config.Config{}, nil, err
	}
	if len(configs) != 1 {
		return config.Config{}, nil, fmt.Errorf("no object")
	}
	c := configs[0]
	c.Domain = "cluster.local" // what short names of hosts are completed by
	if c.Namespace == "" {
		c.Namespace = "default"
	}
	schema, found := collections.Pilot.FindByGroupVersionAliasesKind(c.GroupVersionKind)
	if !found {
		return c, nil, fmt.Errorf("no kind %v", c.GroupVersionKind)
	}
	warning, err := schema.ValidateConfig(c)
	warnings := []string{}
	if warning != nil {
		warnings = strings.Split(warning.Error(), "\n")
	}
	return c, warnings, err
}
