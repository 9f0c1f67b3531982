package cluster

import (
	"encoding/binary"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// sighting is one look at a pod: all of it that is read here. The rest, some 19 KB, is dropped as soon
// as it is decoded. It is a Kubernetes object because a reflector handles nothing else.
type sighting struct {
	metav1.TypeMeta
	// ObjectMeta has the identity, the creation and the controlling owner, if there is one.
	metav1.ObjectMeta
	shape      *Shape
	containers []status
}

var (
	_ metav1.Object  = (*sighting)(nil)
	_ runtime.Object = (*sighting)(nil)
)

// DeepCopyObject implements runtime.Object. Sightings are read only, so that a copy may share.
func (s *sighting) DeepCopyObject() runtime.Object {
	same := *s
	return &same
}

// state is what a container does, as far as it matters here.
type state uint8

const (
	waiting state = iota
	running
	terminated
)

// status is a container's status in one sighting.
type status struct {
	instance
	// killed and killedBefore say that it ended, and that the one before it ended, for want of memory,
	// and ended and endedBefore when.
	killed, killedBefore bool
	ended, endedBefore   time.Time
}

// instance is what is kept of a status until the pod is seen again.
type instance struct {
	name     string
	state    state
	restarts int32
	memory   usage.Amount // requested
}

// instances are those of one pod; most pods of a template share them.
type instances struct{ list []instance }

// eyes make sightings of pods.
type eyes struct {
	mu        sync.Mutex
	shapes    shapes
	instances pool[instances]
	scratch   []byte
}

// see returns what is read of a pod.
func (e *eyes) see(pod *corev1.Pod) *sighting {
	s := &sighting{ObjectMeta: metav1.ObjectMeta{
		Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID,
		ResourceVersion: pod.ResourceVersion, CreationTimestamp: pod.CreationTimestamp,
	}}
	if owner := metav1.GetControllerOfNoCopy(pod); owner != nil {
		s.OwnerReferences = []metav1.OwnerReference{*owner}
	}
	e.mu.Lock()
	s.shape = e.shapes.of(pod)
	e.mu.Unlock()
	s.containers = make([]status, 0, len(pod.Status.ContainerStatuses))
	for i := range pod.Status.ContainerStatuses {
		s.containers = append(s.containers, statusOf(pod, &pod.Status.ContainerStatuses[i]))
	}
	return s
}

func statusOf(pod *corev1.Pod, c *corev1.ContainerStatus) status {
	s := status{instance: instance{name: c.Name, restarts: c.RestartCount, memory: requestedMemory(pod, c.Name)}}
	if c.State.Running != nil {
		s.state = running
	}
	if t := c.State.Terminated; t != nil {
		s.state, s.killed, s.ended = terminated, t.Reason == oomKilled, t.FinishedAt.UTC()
	}
	if t := c.LastTerminationState.Terminated; t != nil {
		s.killedBefore, s.endedBefore = t.Reason == oomKilled, t.FinishedAt.UTC()
	}
	return s
}

// requestedMemory is what a container has: as its status says, which follows a resize in place, else
// its spec.
func requestedMemory(pod *corev1.Pod, container string) usage.Amount {
	for i := range pod.Status.ContainerStatuses {
		if c := &pod.Status.ContainerStatuses[i]; c.Name == container {
			if c.Resources != nil {
				return memoryOf(c.Resources.Requests)
			}
			break // As upstream: of two statuses of one name the first counts.
		}
	}
	for i := range pod.Spec.Containers {
		if c := &pod.Spec.Containers[i]; c.Name == container {
			return memoryOf(c.Resources.Requests)
		}
	}
	return 0
}

func memoryOf(list corev1.ResourceList) usage.Amount {
	quantity := list[corev1.ResourceMemory]
	return amountOf(&quantity)
}

// amountOf returns q in bytes, within what an Amount can be.
func amountOf(q *resource.Quantity) usage.Amount {
	return min(max(usage.Amount(q.Value()), 0), usage.MaxAmount)
}

// keep returns what the next sighting of the pod will be compared with; nil for a pod without statuses.
func (e *eyes) keep(seen []status) *instances {
	if len(seen) == 0 {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	key := e.scratch[:0]
	for i := range seen {
		key = appendText(key, seen[i].name)
		key = append(key, byte(seen[i].state))
		key = binary.AppendVarint(key, int64(seen[i].restarts))
		key = binary.AppendVarint(key, int64(seen[i].memory))
	}
	e.scratch = key
	return e.instances.get(key, func() instances {
		list := make([]instance, len(seen))
		for i := range seen {
			list[i] = seen[i].instance
		}
		return instances{list: list}
	})
}
