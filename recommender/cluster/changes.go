package cluster

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/target"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// StartedPod is what a recommendation depends on of a pod whose phase is not Pending. It is never
// changed: when the pod changes, another one takes its place.
type StartedPod struct {
	Name types.NamespacedName
	// Controller is the topmost. Equal controllers are one pointer, as long as anybody holds it.
	Controller *target.Controller
	// Created is in seconds since 1970.
	Created int64
	Shape   *Shape
}

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

// OOM is a container that ended, or a pod that was evicted, for want of memory.
type OOM struct {
	Container usage.Container
	// Memory is the container's request at that time; of an eviction, what it used.
	Memory usage.Amount
	// At is when the container ended, or when the eviction was reported.
	At      time.Time
	Evicted bool
}

// Changes are what became of the pods. A pod is in Pods or in Gone, never in both: one that was
// deleted and came again under its name is in Pods, with another Created.
type Changes struct {
	// Pods are new or have changed.
	Pods []*StartedPod
	// Gone are no more. OOMs may still be about them.
	Gone []types.NamespacedName
	// OOMs are in the order in which they were seen. A container of a pod that never was in Pods may be among them.
	OOMs []OOM
	// Waiting is how many pods are left out until their owners can be read.
	Waiting int
}

// PodChanges returns all that happened since the last call, one entry a pod. A pod whose owners
// cannot be read now comes with a later call. It is meant for one caller.
func (c *Cluster) PodChanges(ctx context.Context) (Changes, error) {
	pods, err := c.Pods(ctx)
	if err != nil {
		return Changes{}, err
	}
	var changes Changes
	for _, p := range pods {
		changes.Pods = append(changes.Pods, &StartedPod{
			Name: p.Name, Controller: &p.Controller, Created: p.Created.Unix(),
			Shape: &Shape{Containers: p.Containers, Declared: p.Declared, Guaranteed: p.Guaranteed},
		})
	}
	return changes, nil
}

// PodsSignal gets a value after OOMs were seen that wait for PodChanges.
func (c *Cluster) PodsSignal() <-chan struct{} { return c.pods }
