package policy

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
)

// resources are the ones that a VPA acts on, in the order in which everything is said and done.
var resources = [...]corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory}

// Bound tells which side of a policy bounded a value. The empty Bound: neither.
type Bound string

// The bounds of a container policy, named as in the API.
const (
	MinAllowed Bound = "minAllowed"
	MaxAllowed Bound = "maxAllowed"
)

// Container is what a VPA's resourcePolicy says of one container, with defaults filled in.
type Container struct {
	// Off is set when the container's mode is Off: it is neither recommended for nor patched.
	Off bool
	// Min and Max are minAllowed and maxAllowed; nil if unset. They belong to the VPA: read only.
	Min, Max corev1.ResourceList
	// Controlled lists the resources that are recommended and patched: of cpu and memory only, in
	// that order. Empty if the policy controls nothing.
	Controlled []corev1.ResourceName
	// ControlledLimits is set when controlledValues is RequestsAndLimits, the default: limits
	// follow requests.
	ControlledLimits bool

	// source is what all of this was made from; nil if the VPA has no policy for the container.
	source *vpav1.ContainerResourcePolicy
}

// ForContainer returns the policy of the container called name. As upstream, a policy with its
// exact name replaces "*" entirely, and a nil p says nothing.
func ForContainer(p *vpav1.PodResourcePolicy, name string) Container {
	found := find(p, name)
	if found == nil {
		return Container{Controlled: resources[:], ControlledLimits: true}
	}
	c := Container{
		Off:              found.Mode != nil && *found.Mode == vpav1.ContainerScalingModeOff,
		Min:              found.MinAllowed,
		Max:              found.MaxAllowed,
		Controlled:       resources[:],
		ControlledLimits: found.ControlledValues == nil || *found.ControlledValues == vpav1.ContainerControlledValuesRequestsAndLimits,
		source:           found,
	}
	if found.ControlledResources != nil {
		c.Controlled = nil
		for _, r := range resources {
			if slices.Contains(*found.ControlledResources, r) {
				c.Controlled = append(c.Controlled, r)
			}
		}
	}
	return c
}

func find(p *vpav1.PodResourcePolicy, name string) *vpav1.ContainerResourcePolicy {
	if p == nil {
		return nil
	}
	var fallback *vpav1.ContainerResourcePolicy
	for i := range p.ContainerPolicies {
		switch p.ContainerPolicies[i].ContainerName {
		case name:
			return &p.ContainerPolicies[i]
		case vpav1.DefaultContainerResourcePolicy:
			fallback = &p.ContainerPolicies[i]
		}
	}
	return fallback
}

// Controls reports whether the policy lets the resource called name be changed.
func (c Container) Controls(name corev1.ResourceName) bool {
	return !c.Off && slices.Contains(c.Controlled, name)
}

func boundOf(list corev1.ResourceList, name corev1.ResourceName) (resource.Quantity, bool) {
	q, ok := list[name]
	return q, ok && !q.IsZero()
}
