package cluster

import (
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/sartor-vpa/sartor/pkg/target"
)

// resolveTime bounds how long one PodChanges asks for owners. Almost all are in the cache, where a
// thousand take milliseconds; what is not costs a read each, and the loop has other things to do.
const resolveTime = 5 * time.Second

// ownerKey names the direct owner of pods. The uid is part of it: another owner may have had the name.
type ownerKey struct {
	namespace, apiVersion, kind, name string
	uid                               types.UID
}

// owner is the direct owner of pods: what is above it is asked once for all of them.
type owner struct {
	key ownerKey
	// controller is the topmost above; nil if that is not known, or if there is none that a VPA could name.
	controller *target.Controller
	// pods is how many there are.
	pods int
	// unread says that the last attempt to ask failed, or that there was no time for one.
	unread bool
	// waiting are pods that will be told when there is a controller.
	waiting []types.NamespacedName
}

// answer is what the resolver said of an owner.
type answer struct {
	owner      *owner
	controller target.Controller
	found      bool
	err        error
}

// resolve asks for the owners that have no controller, and for all if owners have changed above
// them. An owner without a controller is asked for again each time: it may be a custom resource
// that is about to be scalable. It returns how many pods wait because of errors.
func (c *Cluster) resolve(ctx context.Context) (waiting int) {
	ctx, cancel := context.WithTimeout(ctx, resolveTime)
	defer cancel()
	asked := c.pods.takeUnresolved(c.regrouped.Swap(false))
	answers := make([]answer, 0, len(asked))
	for i, o := range asked {
		if ctx.Err() != nil {
			return c.pods.settle(answers, asked[i:])
		}
		a := answer{owner: o}
		a.controller, a.found, a.err = c.resolver.Topmost(ctx, o.key.namespace, o.key.reference())
		if a.err != nil && !o.unread {
			c.log.V(1).Info("Pods left out until their owners can be read", "owner", o.key.kind+" "+o.key.namespace+"/"+o.key.name, "reason", a.err.Error())
		}
		answers = append(answers, a)
	}
	return c.pods.settle(answers, nil)
}

// takeUnresolved returns the owners to ask for, and forgets those whose pods are gone.
func (p *pods) takeUnresolved(all bool) []*owner {
	p.mu.Lock()
	defer p.mu.Unlock()
	if all {
		p.unresolved = p.unresolved[:0]
		for _, o := range p.owners {
			p.unresolved = append(p.unresolved, o)
		}
	}
	taken := slices.DeleteFunc(p.unresolved, func(o *owner) bool { return o.pods == 0 })
	p.unresolved = nil
	return taken
}

// settle takes in the answers, and returns how many pods wait because owners could not be read. Those
// that were not asked for come first the next time, those without a controller last.
func (p *pods) settle(answers []answer, unasked []*owner) (waiting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range unasked {
		o.unread = true
	}
	again := unasked
	moved := map[*owner]bool{}
	for i := range answers {
		a := &answers[i]
		a.owner.unread = a.err != nil
		if a.err != nil || !a.found {
			again = append(again, a.owner)
		}
		if a.err == nil && p.place(a) {
			moved[a.owner] = true
		}
	}
	for _, o := range again {
		if o.unread && o.controller == nil {
			waiting += o.pods
		}
	}
	p.unresolved = append(again, p.unresolved...)
	p.move(moved)
	return waiting
}

// place gives an owner the controller that was found. The pods that waited for one are told now. It
// reports whether the owner had another one.
func (p *pods) place(a *answer) (moved bool) {
	o, before := a.owner, a.owner.controller
	o.controller = nil
	if a.found {
		key := a.controller.Group + " " + a.controller.String()
		o.controller = p.controllers.get([]byte(key), func() target.Controller { return a.controller })
		p.changed = append(p.changed, o.waiting...)
		o.waiting = nil
	}
	return before != nil && before != o.controller
}

// move tells anew all pods of owners that have another controller now, or none. That happens when
// somebody adopts or orphans a ReplicaSet.
func (p *pods) move(moved map[*owner]bool) {
	if len(moved) == 0 {
		return
	}
	for name, r := range p.known {
		if moved[r.owner] {
			p.tell(&r)
			p.known[name] = r
		}
	}
}
