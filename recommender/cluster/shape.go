package cluster

import (
	"encoding/binary"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/sartor-vpa/sartor/pkg/policy"
)

// Shape is what the pods of one template have in common: equal shapes are one pointer, as long as
// anybody holds it. It is read only.
type Shape struct {
	// Containers are the names of those that run as long as the pod, in their order. As upstream, init
	// containers are none of them, native sidecars neither.
	Containers []string
	// Pod is what they asked for before the webhook changed it, and what else decides on what the next pod is given.
	Pod policy.Pod
}

// shapes make shapes of pods, for one goroutine at a time.
type shapes struct {
	pool    pool[Shape]
	scratch []byte
}

// of returns the pod's shape.
func (s *shapes) of(pod *corev1.Pod) *Shape {
	s.scratch = shapeKey(s.scratch[:0], pod)
	return s.pool.get(s.scratch, func() Shape { return newShape(pod) })
}

func newShape(pod *corev1.Pod) Shape {
	s := Shape{Containers: make([]string, 0, len(pod.Spec.Containers)), Pod: policy.PodOf(pod, nil)}
	for i := range pod.Spec.Containers {
		s.Containers = append(s.Containers, pod.Spec.Containers[i].Name)
	}
	return s
}

// shapeKey appends everything that newShape reads, so that pods with equal keys have equal shapes.
// It is much cheaper than a shape: most pods are of a template that is known.
func shapeKey(key []byte, pod *corev1.Pod) []byte {
	a := policy.AnnotationsOf(pod.Annotations)
	key = appendText(appendText(appendText(key, a.Declared), a.Updates), a.LimitRanger)
	key = appendContainers(key, pod.Spec.Containers)
	key = appendContainers(key, pod.Spec.InitContainers)
	if r := pod.Spec.Resources; r != nil {
		key = appendList(appendList(key, r.Requests), r.Limits)
	}
	return key
}

func appendContainers(key []byte, containers []corev1.Container) []byte {
	key = binary.AppendUvarint(key, uint64(len(containers)))
	for i := range containers {
		c := &containers[i]
		key = appendText(key, c.Name)
		sidecar := c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
		key = strconv.AppendBool(key, sidecar)
		key = appendList(key, c.Resources.Requests)
		key = appendList(key, c.Resources.Limits)
	}
	return key
}

// appendList appends cpu and memory in their canonical form: 1Gi and 1024Mi are the same. A semicolon,
// which no quantity has, ends each.
func appendList(key []byte, list corev1.ResourceList) []byte {
	for _, name := range [...]corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		if quantity, ok := list[name]; ok {
			number, suffix := quantity.CanonicalizeBytes(key[len(key):])
			key = append(append(key, number...), suffix...)
		}
		key = append(key, ';')
	}
	return key
}

// appendText appends text so that no two lists of texts look alike.
func appendText(key []byte, text string) []byte {
	return append(binary.AppendUvarint(key, uint64(len(text))), text...)
}
