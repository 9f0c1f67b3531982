package policy

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// DeclaredAnnotation is where the webhook records, on the pod, what the pod had declared when the
// webhook saw it first. It is JSON: container name to requests and limits of cpu and memory.
const DeclaredAnnotation = "sartor.dev/declared"

// Declaration is what each container of a pod asked for before any webhook changed it: requests and
// limits of cpu and memory, by container name.
type Declaration map[string]corev1.ResourceRequirements

// Declared returns the declaration of a pod with these annotations and containers: what
// DeclaredAnnotation says of a container, else what its spec says (a sidecar that was added since,
// a pod that was never patched). An annotation that cannot be read counts as absent, since it can
// only come from somebody else's hand. Containers that the pod does not have are left out.
func Declared(annotations map[string]string, containers []corev1.Container) Declaration {
	var recorded Declaration
	if text, ok := annotations[DeclaredAnnotation]; ok {
		if err := json.Unmarshal([]byte(text), &recorded); err != nil {
			recorded = nil
		}
	}
	declared := make(Declaration, len(containers))
	for i := range containers {
		resources, ok := recorded[containers[i].Name]
		if !ok {
			resources = containers[i].Resources
		}
		declared[containers[i].Name] = corev1.ResourceRequirements{
			Requests: computeOnly(resources.Requests),
			Limits:   computeOnly(resources.Limits),
		}
	}
	return declared
}

// Annotation returns the value of DeclaredAnnotation: the same bytes for the same declaration.
func (d Declaration) Annotation() (string, error) {
	text, err := json.Marshal(d)
	if err != nil {
		return "", fmt.Errorf("encoding %s: %w", DeclaredAnnotation, err)
	}
	return string(text), nil
}

// computeOnly is list's cpu and memory; nil if it has neither.
func computeOnly(list corev1.ResourceList) corev1.ResourceList {
	var kept corev1.ResourceList
	for _, name := range resources {
		if q, ok := list[name]; ok {
			if kept == nil {
				kept = make(corev1.ResourceList, len(resources))
			}
			kept[name] = q
		}
	}
	return kept
}

// Guaranteed reports whether a pod with this declaration and these init containers is of the QoS
// class Guaranteed: every container has limits of cpu and memory, and requests equal to them. A
// missing request counts as equal, as the API server defaults it.
func Guaranteed(declared Declaration, initContainers []corev1.Container) bool {
	for _, resources := range declared {
		if !guaranteed(resources) {
			return false
		}
	}
	for i := range initContainers {
		if !guaranteed(initContainers[i].Resources) {
			return false
		}
	}
	return len(declared) > 0
}

func guaranteed(r corev1.ResourceRequirements) bool {
	for _, name := range resources {
		limit, ok := r.Limits[name]
		if !ok || limit.IsZero() {
			return false
		}
		if request, ok := r.Requests[name]; ok && request.Cmp(limit) != 0 {
			return false
		}
	}
	return true
}
