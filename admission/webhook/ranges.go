package webhook

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"github.com/sartor-vpa/sartor/pkg/mirror"
	"github.com/sartor-vpa/sartor/pkg/policy"
)

// Ranges knows the LimitRanges of all namespaces, by namespace in one. It is fed by a mirror, and merges when a LimitRange
// changes.
type Ranges struct {
	mu         sync.RWMutex
	namespaces map[string]*bounds
}

// bounds are the LimitRanges of a namespace, and what they are together.
type bounds struct {
	byName map[string]*corev1.LimitRange
	merged *policy.Ranges
}

var _ LimitRanges = (*Ranges)(nil)

// NewRanges returns Ranges that know no LimitRange.
func NewRanges() *Ranges { return &Ranges{namespaces: map[string]*bounds{}} }

// unbounded is what namespaces without LimitRanges have.
var unbounded = policy.RangesOf(nil)

// Of implements LimitRanges.
func (x *Ranges) Of(namespace string) *policy.Ranges {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if b, ok := x.namespaces[namespace]; ok {
		return b.merged
	}
	return unbounded
}

// Into is what a mirror of LimitRanges fills.
func (x *Ranges) Into() mirror.Into[*corev1.LimitRange] {
	return mirror.Into[*corev1.LimitRange]{Set: x.set, Drop: x.drop, Replace: x.replace}
}

func (x *Ranges) set(r *corev1.LimitRange) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.put(r)
	x.namespaces[r.Namespace].merge()
}

func (x *Ranges) drop(r *corev1.LimitRange) {
	x.mu.Lock()
	defer x.mu.Unlock()
	b, ok := x.namespaces[r.Namespace]
	if !ok {
		return
	}
	if delete(b.byName, r.Name); len(b.byName) == 0 {
		delete(x.namespaces, r.Namespace)
		return
	}
	b.merge()
}

func (x *Ranges) replace(all []*corev1.LimitRange) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.namespaces = map[string]*bounds{}
	for _, r := range all {
		x.put(r)
	}
	for _, b := range x.namespaces {
		b.merge()
	}
}

func (x *Ranges) put(r *corev1.LimitRange) {
	b, ok := x.namespaces[r.Namespace]
	if !ok {
		b = &bounds{byName: map[string]*corev1.LimitRange{}}
		x.namespaces[r.Namespace] = b
	}
	b.byName[r.Name] = r
}

func (b *bounds) merge() {
	b.merged = policy.RangesOf(slices.SortedFunc(maps.Values(b.byName), func(a, b *corev1.LimitRange) int { return cmp.Compare(a.Name, b.Name) }))
}
