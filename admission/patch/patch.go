// Package patch writes the JSON patch (RFC 6902) that takes a pod from what it is to what was
// decided for it. It is pure: the same pod and decision give the same bytes, and a pod that already
// is as decided gives none.
package patch

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Pod is the part of a pod that a patch touches, as the pod is now. What is nil is absent from the
// pod's JSON, and is created where something has to go into it.
type Pod struct {
	Annotations map[string]string
	// Containers are all of spec.containers, in order.
	Containers []Container
}

// Container is one of spec.containers, and what it shall ask for.
type Container struct {
	Resources *corev1.ResourceRequirements
	// Requests and Limits are what was decided. Resources that they do not name stay as they are.
	Requests, Limits corev1.ResourceList
}

// operation is one step of the patch. "add" replaces a member that is there already, so that
// nothing else is needed.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// Build returns the smallest patch that gives pod these annotations and its containers what was
// decided; nil if there is nothing to change. The order is fixed: annotations by key, then
// containers as in the pod, limits before requests, resources by name.
func Build(pod Pod, annotations map[string]string) ([]byte, error) {
	operations := annotate(pod.Annotations, annotations)
	for i := range pod.Containers {
		operations = append(operations, pod.Containers[i].operations(fmt.Sprintf("/spec/containers/%d/resources", i))...)
	}
	if len(operations) == 0 {
		return nil, nil
	}
	patch, err := json.Marshal(operations)
	if err != nil {
		return nil, fmt.Errorf("encoding the patch: %w", err)
	}
	return patch, nil
}

func annotate(have, want map[string]string) []operation {
	const parent = "/metadata/annotations"
	if have == nil {
		if len(want) == 0 {
			return nil
		}
		return []operation{add(parent, want)}
	}
	var operations []operation
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if value, ok := have[key]; !ok || value != want[key] {
			operations = append(operations, add(parent+"/"+escape(key), want[key]))
		}
	}
	return operations
}

func (c *Container) operations(parent string) []operation {
	if c.Resources == nil {
		if len(c.Requests) == 0 && len(c.Limits) == 0 {
			return nil
		}
		return []operation{add(parent, corev1.ResourceRequirements{Limits: c.Limits, Requests: c.Requests})}
	}
	return append(change(parent+"/limits", c.Resources.Limits, c.Limits), change(parent+"/requests", c.Resources.Requests, c.Requests)...)
}

func change(parent string, have, want corev1.ResourceList) []operation {
	if have == nil {
		if len(want) == 0 {
			return nil
		}
		return []operation{add(parent, want)}
	}
	var operations []operation
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if value, ok := have[name]; !ok || value.Cmp(want[name]) != 0 {
			operations = append(operations, add(parent+"/"+escape(string(name)), want[name]))
		}
	}
	return operations
}

func add(path string, value any) operation {
	return operation{Op: "add", Path: path, Value: value}
}

// pointer escapes what has a meaning of its own in a JSON pointer (RFC 6901).
var pointer = strings.NewReplacer("~", "~0", "/", "~1")

func escape(member string) string { return pointer.Replace(member) }
