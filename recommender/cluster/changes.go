package cluster

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

// Changes are what became of the pods. A pod is in Pods or in Gone, never in both: one that was
// deleted and came again under its name is in Pods, with another Created.
type Changes struct {
	// Pods are new or have changed, by name.
	Pods []*StartedPod
	// Gone are no more, by name. OOMs may still be about them.
	Gone []types.NamespacedName
	// OOMs are in the order in which they were seen. A container of a pod that never was in Pods may be among them.
	OOMs []OOM
	// Waiting is how many pods are left out until their owners can be read.
	Waiting int
}

// PodChanges returns all that happened since the last call, one entry a pod. A pod whose owners
// cannot be read now comes with a later call. It is meant for one caller. An error is ctx's; nothing
// is lost by it.
func (c *Cluster) PodChanges(ctx context.Context) (Changes, error) {
	waiting := c.resolve(ctx)
	if err := ctx.Err(); err != nil {
		return Changes{}, err
	}
	changes, lost := c.pods.take()
	changes.Waiting = waiting
	if lost > 0 {
		c.log.Info("OOMs were dropped, since nobody asked for them in time", "dropped", lost)
	}
	return changes, nil
}

// PodsSignal gets a value after OOMs were seen that wait for PodChanges.
func (c *Cluster) PodsSignal() <-chan struct{} { return c.pods.oomed }

// take returns what has changed, and how many OOMs were dropped, and forgets both.
func (p *pods) take() (Changes, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	changes := Changes{OOMs: p.ooms}
	for _, name := range distinct(p.changed) {
		if r, known := p.known[name]; known && r.owner.controller != nil {
			changes.Pods = append(changes.Pods, p.hand(r))
		}
	}
	for _, name := range distinct(p.gone) {
		if !p.known[name].told {
			changes.Gone = append(changes.Gone, name)
		}
	}
	lost := p.lost
	p.changed, p.gone, p.ooms, p.lost = nil, nil, nil, 0
	return changes, lost
}

// hand returns a pod with its controller, to be told.
func (p *pods) hand(r record) *StartedPod {
	switch r.pod.Controller {
	case r.owner.controller:
	case nil:
		r.pod.Controller = r.owner.controller
	default: // The pod has been told with another controller, and whoever got it may have it still.
		moved := *r.pod
		moved.Controller = r.owner.controller
		r.pod = &moved
	}
	r.told = true
	p.known[r.pod.Name] = r
	return r.pod
}

// distinct sorts names, and drops what is there twice.
func distinct(names []types.NamespacedName) []types.NamespacedName {
	slices.SortFunc(names, func(a, b types.NamespacedName) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	return slices.Compact(names)
}
