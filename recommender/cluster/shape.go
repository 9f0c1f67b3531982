package cluster

import (
	"encoding/binary"

	corev1 "k8s.io/api/core/v1"

	"github.com/sartor-vpa/sartor/pkg/policy"
)

// Shape is what the pods of one template have in common: equal shapes are one pointer, as long as
// anybody holds it. It is read only.
type Shape struct {
	// Containers are the names of those that run as long as the pod, in their order. As upstream, init
	// containers are none of them, native sidecars neither.
	Containers []string
	// Declared is what they asked for before the webhook changed it, and Guaranteed the pod's QoS class then.
	Declared   policy.Declaration
	Guaranteed bool
}

// maxLists bounds how many lists of resources are kept to be shared, of some 700 bytes each. Beyond
// that all are forgotten, and sharing begins anew.
const maxLists = 4096

// shapes make shapes of pods, for one goroutine at a time. Templates that differ ask for the same
// resources often enough.
type shapes struct {
	pool    pool[Shape]
	lists   map[string]corev1.ResourceList
	scratch []byte
}

// of returns the pod's shape.
func (s *shapes) of(pod *corev1.Pod) *Shape {
	s.scratch = shapeKey(s.scratch[:0], pod)
	return s.pool.get(s.scratch, func() Shape {
		shape := newShape(pod)
		for name, resources := range shape.Declared {
			resources.Requests, resources.Limits = s.shared(resources.Requests), s.shared(resources.Limits)
			shape.Declared[name] = resources
		}
		return shape
	})
}

func (s *shapes) shared(list corev1.ResourceList) corev1.ResourceList {
	if list == nil {
		return nil
	}
	key := appendList(nil, list)
	if known, ok := s.lists[string(key)]; ok {
		return known
	}
	if s.lists == nil || len(s.lists) >= maxLists {
		s.lists = map[string]corev1.ResourceList{}
	}
	s.lists[string(key)] = list
	return list
}

func newShape(pod *corev1.Pod) Shape {
	s := Shape{
		Containers: make([]string, 0, len(pod.Spec.Containers)),
		Declared:   policy.Declared(pod.Annotations, pod.Spec.Containers),
	}
	s.Guaranteed = policy.Guaranteed(s.Declared, pod.Spec.InitContainers)
	for i := range pod.Spec.Containers {
		s.Containers = append(s.Containers, pod.Spec.Containers[i].Name)
	}
	return s
}

// shapeKey appends everything that newShape reads, so that pods with equal keys have equal shapes.
// It is much cheaper than a shape: most pods are of a template that is known.
func shapeKey(key []byte, pod *corev1.Pod) []byte {
	key = appendText(key, pod.Annotations[policy.DeclaredAnnotation])
	key = appendContainers(key, pod.Spec.Containers)
	return appendContainers(key, pod.Spec.InitContainers)
}

func appendContainers(key []byte, containers []corev1.Container) []byte {
	key = binary.AppendUvarint(key, uint64(len(containers)))
	for i := range containers {
		c := &containers[i]
		key = appendText(key, c.Name)
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
