package cluster

import (
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sartor-vpa/sartor/pkg/target"
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

// maxOOMs bounds what waits for PodChanges, which nobody calls in a replica that is not the leader.
// The oldest go first. Upstream keeps 5 000, and then stops watching.
const maxOOMs = 10_000

// pods is all that is kept of a cluster's pods: some 200 bytes each, where an informer has 19 KB. It
// is filled by a reflector and read by PodChanges.
//
//	pod 1 ─ record ─ StartedPod ─ Shape ──────┐  one for all pods of a template
//	            └─── instances ────────────┐  │  one for all that are in the same state
//	pod 2 ─ record ─ ...                   ┴──┘
//	            └─── owner ─ target.Controller   one for each ReplicaSet, Job, ...
type pods struct {
	eyes        eyes
	controllers pool[target.Controller]
	// oomed gets a value when an OOM is added.
	oomed chan struct{}

	mu     sync.Mutex
	known  map[types.NamespacedName]record
	owners map[ownerKey]*owner
	// words are those that many owners have in common.
	words map[string]string
	// unresolved are the owners to be asked for, in turn.
	unresolved []*owner
	// changed and gone are what PodChanges will tell. Names may be in there more than once, and may be wrong by now.
	changed, gone []types.NamespacedName
	ooms          []OOM
	lost          int // OOMs beyond maxOOMs
	round         uint32
}

// record is what is known of one pod.
type record struct {
	// pod's Controller is nil until it is returned for the first time.
	pod   *StartedPod
	owner *owner
	seen  *instances
	// round is the last Replace in which the pod was seen.
	round uint32
	// told says that a pod of this name was returned by PodChanges, and has not been gone since.
	told bool
}

func newPods() *pods {
	return &pods{
		oomed:  make(chan struct{}, 1),
		known:  map[types.NamespacedName]record{},
		owners: map[ownerKey]*owner{},
	}
}

// set takes in a pod that is new or has changed.
func (p *pods) set(s *sighting) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.put(s)
}

// drop takes out a pod that is gone.
func (p *pods) drop(s *sighting) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remove(types.NamespacedName{Namespace: s.Namespace, Name: s.Name})
}

// replace makes all the pods that there are. Those that are known are compared like any change:
// OOMs happen while a watch is broken, too.
func (p *pods) replace(all []*sighting) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.round++
	if len(p.known) == 0 {
		p.known = make(map[types.NamespacedName]record, len(all))
	}
	for _, s := range all {
		p.put(s)
	}
	for name, r := range p.known {
		if r.round != p.round {
			p.remove(name)
		}
	}
}

func (p *pods) put(s *sighting) {
	name := types.NamespacedName{Namespace: s.Namespace, Name: s.Name}
	if len(s.OwnerReferences) == 0 {
		p.remove(name) // A bare pod, or one that was orphaned: nothing controls it.
		return
	}
	was, known := p.known[name]
	if known {
		p.add(oomsBetween(name, was.seen, s.containers))
	}
	now := record{pod: was.pod, owner: was.owner, told: was.told, round: p.round, seen: p.eyes.keep(s.containers)}
	created := s.CreationTimestamp.Unix()
	if known {
		name = was.pod.Name // The strings that are held already.
	}
	if !known || was.owner.key != keyOf(s) || was.pod.Created != created || was.pod.Shape != s.shape {
		now.owner = p.own(s)
		p.disown(was.owner)
		name.Namespace = now.owner.key.namespace // One string for all of an owner's pods.
		now.pod = &StartedPod{Name: name, Controller: now.owner.controller, Created: created, Shape: s.shape}
		p.tell(&now)
	}
	p.known[name] = now
}

// tell makes a pod be told by the next PodChanges, or once its controller is known; until then it is
// gone for those who knew it.
func (p *pods) tell(r *record) {
	o, name := r.owner, r.pod.Name
	if o.controller != nil {
		p.changed = append(p.changed, name)
		return
	}
	if r.told {
		r.told = false
		p.gone = append(p.gone, name)
	}
	if len(o.waiting) > 2*o.pods { // Its pods come and go, and it never gets a controller.
		o.waiting = slices.DeleteFunc(o.waiting, func(name types.NamespacedName) bool { return p.known[name].owner != o })
	}
	o.waiting = append(o.waiting, name)
}

func (p *pods) remove(name types.NamespacedName) {
	r, known := p.known[name]
	if !known {
		return
	}
	delete(p.known, name)
	p.disown(r.owner)
	if r.told {
		p.gone = append(p.gone, name)
	}
}

// add is called with the lock held.
func (p *pods) add(ooms []OOM) {
	if len(ooms) == 0 {
		return
	}
	p.ooms = append(p.ooms, ooms...)
	if over := len(p.ooms) - maxOOMs; over > 0 {
		p.ooms = p.ooms[over:]
		p.lost += over
	}
	select {
	case p.oomed <- struct{}{}:
	default: // one is waiting already
	}
}

// addOOMs takes in OOMs that were not seen by comparing pods.
func (p *pods) addOOMs(ooms []OOM) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.add(ooms)
}

func keyOf(s *sighting) ownerKey {
	ref := &s.OwnerReferences[0]
	return ownerKey{namespace: s.Namespace, apiVersion: ref.APIVersion, kind: ref.Kind, name: ref.Name, uid: ref.UID}
}

// own returns the record of a pod's owner, which has one pod more now.
func (p *pods) own(s *sighting) *owner {
	key := keyOf(s)
	o, known := p.owners[key]
	if !known {
		key.namespace, key.apiVersion, key.kind = p.word(key.namespace), p.word(key.apiVersion), p.word(key.kind)
		o = &owner{key: key}
		p.owners[key] = o
		p.unresolved = append(p.unresolved, o)
	}
	o.pods++
	return o
}

// maxWords bounds words, for pods may name any kind of owner. Beyond that all are forgotten.
const maxWords = 10_000

func (p *pods) word(text string) string {
	if known, ok := p.words[text]; ok {
		return known
	}
	if p.words == nil || len(p.words) >= maxWords {
		p.words = map[string]string{}
	}
	p.words[text] = text
	return text
}

func (p *pods) disown(o *owner) {
	if o == nil {
		return
	}
	if o.pods--; o.pods == 0 {
		delete(p.owners, o.key)
	}
}

// reference returns what the resolver is asked for.
func (k ownerKey) reference() []metav1.OwnerReference {
	controls := true
	return []metav1.OwnerReference{{APIVersion: k.apiVersion, Kind: k.kind, Name: k.name, UID: k.uid, Controller: &controls}}
}
