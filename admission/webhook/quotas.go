package webhook

import (
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"github.com/sartor-vpa/sartor/pkg/mirror"
	"github.com/sartor-vpa/sartor/pkg/policy"
)

// Quotas knows what the ResourceQuotas of all namespaces leave. It is fed by a mirror.
type Quotas struct {
	mu         sync.RWMutex
	namespaces map[string]*quotas
}

// quotas are those of a namespace.
type quotas struct {
	byName map[string]policy.Quota
	// sorted are the same by name. They are replaced, and never changed.
	sorted []policy.Quota
}

var _ ResourceQuotas = (*Quotas)(nil)

// NewQuotas returns Quotas that know no ResourceQuota.
func NewQuotas() *Quotas { return &Quotas{namespaces: map[string]*quotas{}} }

// Of implements ResourceQuotas.
func (x *Quotas) Of(namespace string) []policy.Quota {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if q, ok := x.namespaces[namespace]; ok {
		return q.sorted
	}
	return nil
}

// Into is what a mirror of ResourceQuotas fills.
func (x *Quotas) Into() mirror.Into[*corev1.ResourceQuota] {
	return mirror.Into[*corev1.ResourceQuota]{Set: x.set, Drop: x.drop, Replace: x.replace}
}

func (x *Quotas) set(q *corev1.ResourceQuota) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.put(q)
}

func (x *Quotas) drop(q *corev1.ResourceQuota) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.remove(q)
}

func (x *Quotas) replace(all []*corev1.ResourceQuota) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.namespaces = map[string]*quotas{}
	for _, q := range all {
		x.put(q)
	}
}

func (x *Quotas) put(q *corev1.ResourceQuota) {
	one, bounds := policy.QuotaOf(q)
	if !bounds {
		x.remove(q)
		return
	}
	here, ok := x.namespaces[q.Namespace]
	if !ok {
		here = &quotas{byName: map[string]policy.Quota{}}
		x.namespaces[q.Namespace] = here
	}
	here.byName[q.Name] = one
	here.sort()
}

func (x *Quotas) remove(q *corev1.ResourceQuota) {
	here, ok := x.namespaces[q.Namespace]
	if !ok {
		return
	}
	if delete(here.byName, q.Name); len(here.byName) == 0 {
		delete(x.namespaces, q.Namespace)
		return
	}
	here.sort()
}

func (q *quotas) sort() {
	q.sorted = make([]policy.Quota, 0, len(q.byName))
	for _, name := range slices.Sorted(maps.Keys(q.byName)) {
		q.sorted = append(q.sorted, q.byName[name])
	}
}
