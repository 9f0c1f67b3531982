package policy

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// Pod is what a decision reads of a pod: all that asks for CPU or memory in it.
type Pod struct {
	// Containers are spec.containers, in their order.
	Containers []PodContainer
	// Init are spec.initContainers, in their order. They are counted, and left as they are.
	Init []InitContainer
	// Level is what the pod asks for as a whole (spec.resources), nil if it says nothing.
	Level *Resources
	// Guaranteed is set when it was declared with QoS class Guaranteed by its containers; Recall sets it.
	Guaranteed bool
}

// PodContainer is one of spec.containers.
type PodContainer struct {
	Name string
	// Now is what it asks for in the spec as it is.
	Now Resources
	// First is what it asked for when the webhook saw it first, defaults included. Recall sets it.
	First Resources
	// defaulted tells which of First the LimitRanger only filled in.
	defaulted marks
}

// InitContainer is one of spec.initContainers.
type InitContainer struct {
	Now Resources
	// Sidecar is set when its restartPolicy is Always: then it runs beside the containers.
	Sidecar bool
}

// Annotations are those of a pod's that tell what it had declared; empty where it does not have them.
type Annotations struct {
	Declared, Updates, LimitRanger string
}

// AnnotationsOf picks them.
func AnnotationsOf(all map[string]string) Annotations {
	if len(all) == 0 {
		return Annotations{}
	}
	return Annotations{Declared: all[DeclaredAnnotation], Updates: all[UpdatesAnnotation], LimitRanger: all[LimitRangerAnnotation]}
}

// PodOf returns what a decision reads of pod. ranges are those of its namespace; nil if they are not known.
func PodOf(pod *corev1.Pod, ranges *Ranges) Pod {
	p := Pod{Containers: make([]PodContainer, len(pod.Spec.Containers))}
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		p.Containers[i] = PodContainer{Name: c.Name, Now: ResourcesOf(c.Resources)}
	}
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		p.Init = append(p.Init, InitContainer{
			Now:     ResourcesOf(c.Resources),
			Sidecar: c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways,
		})
	}
	if r := pod.Spec.Resources; r != nil && len(r.Requests)+len(r.Limits) > 0 {
		level := ResourcesOf(*r)
		p.Level = &level
	}
	p.Recall(AnnotationsOf(pod.Annotations), ranges)
	return p
}

// Recall finds out what the pod had declared: for a pod that was patched before what the webhook recorded then, else
// its spec, less what the LimitRanger says it only filled in, and may have by ranges (nil: it is believed). Call it
// when all else of the pod is known.
func (p *Pod) Recall(a Annotations, ranges *Ranges) {
	for i := range p.Containers {
		c := &p.Containers[i]
		c.First, c.defaulted = c.Now, 0
	}
	if a.Declared == "" || a.Updates == "" || !p.recallRecord(a.Declared, a.LimitRanger, ranges) {
		p.recallDefaults(a.LimitRanger, ranges)
	}
	p.Guaranteed = p.guaranteed()
}

func (p *Pod) recallDefaults(text string, ranges *Ranges) {
	if text == "" {
		return
	}
	said := parseLimitRanger(text)
	for i := range p.Containers {
		p.Containers[i].defaults(said, ranges)
	}
}

// defaults marks what was only defaulted. What the marked amount cannot come from was declared, and the annotation
// copied from a live pod. Absurd amounts are not marked, for they are not recorded either.
func (c *PodContainer) defaults(said []defaulted, ranges *Ranges) {
	m := marksOf(said, c.Name)
	if m == 0 {
		return
	}
	for _, r := range usage.Resources {
		if v := c.First.Requests[r]; m&requestMark(r) != 0 && v.is == exact && ranges.filled(requestMark(r), r, v) {
			c.defaulted |= requestMark(r)
		}
		if v := c.First.Limits[r]; m&limitMark(r) != 0 && v.is == exact && ranges.filled(limitMark(r), r, v) {
			c.defaulted |= limitMark(r)
		}
	}
}

// Declared is what the container asked for before any webhook changed it, less what was only defaulted.
func (c *PodContainer) Declared() Resources {
	declared := c.First
	for _, r := range usage.Resources {
		if c.defaulted&requestMark(r) != 0 {
			declared.Requests[r] = Value{}
		}
		if c.defaulted&limitMark(r) != 0 {
			declared.Limits[r] = Value{}
		}
	}
	return declared
}

// asks reports whether the pod, or anything in it, requests r. One that asks for another resource as a whole and not for
// this had better be left alone: the API server would make what we request first the request of the pod, which a
// sidecar that comes later would not fit into.
func (p *Pod) asks(r usage.Resource) bool {
	return p.Level.Requests[r].IsSet() ||
		slices.ContainsFunc(p.Containers, func(c PodContainer) bool { return c.Now.Requests[r].IsSet() }) ||
		slices.ContainsFunc(p.Init, func(c InitContainer) bool { return c.Now.Requests[r].IsSet() })
}

// Container returns the container called name, nil if there is none.
func (p *Pod) Container(name string) *PodContainer {
	for i := range p.Containers {
		if p.Containers[i].Name == name {
			return &p.Containers[i]
		}
	}
	return nil
}

// ContainerNames are those of the containers, as upstream's annotation vpaObservedContainers lists them.
func (p *Pod) ContainerNames() string {
	size := 0
	for i := range p.Containers {
		size += len(p.Containers[i].Name) + len(", ")
	}
	var names strings.Builder
	names.Grow(size)
	for i := range p.Containers {
		if i > 0 {
			names.WriteString(", ")
		}
		names.WriteString(p.Containers[i].Name)
	}
	return names.String()
}

// guaranteed reports whether the pod was declared with QoS class Guaranteed: every container declared limits of cpu
// and memory, and requests that equal them; init containers have them, declared or not. A request that is missing
// counts as equal, as the API server defaults it. Where the pod asks for resources as a whole these decide on its
// class, whatever its containers ask for.
func (p *Pod) guaranteed() bool {
	if p.Level != nil {
		return false
	}
	for i := range p.Containers {
		if declared := p.Containers[i].Declared(); !declared.guaranteed() {
			return false
		}
	}
	for i := range p.Init {
		if !p.Init[i].Now.guaranteed() {
			return false
		}
	}
	return len(p.Containers) > 0
}

// guaranteed goes by amounts that cannot be computed with, too: a container that has one is left alone, and the others keep
// the class.
func (x *Resources) guaranteed() bool {
	for _, r := range usage.Resources {
		limit, request := x.Limits[r], x.Requests[r]
		if !limit.IsSet() || limit.amount == 0 || (request.IsSet() && request.amount != limit.amount) {
			return false
		}
	}
	return true
}
