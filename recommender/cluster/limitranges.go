package cluster

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sartor-vpa/sartor/pkg/policy"
)

// LimitRanges returns what those of a namespace allow, if they allow it of pods as a whole or bound ratios; nil if not.
// It belongs to the cluster: read only.
//
// By such LimitRanges the webhook gives pods requests that upstream's updater would evict them for, again and again, if
// they were not what is recommended: it knows no ratios, and what it makes of a bound of a pod supposes upstream's
// limits. All that bounds containers it applies to recommendations by itself, and comes to what the webhook gives.
func (c *Cluster) LimitRanges(namespace string) *policy.Ranges {
	c.limitRanges.mu.RLock()
	defer c.limitRanges.mu.RUnlock()
	return c.limitRanges.merged[namespace]
}

// limitRanges are those of all namespaces.
type limitRanges struct {
	mu     sync.RWMutex
	byName map[string]map[string]*corev1.LimitRange // by namespace and name
	merged map[string]*policy.Ranges                // by namespace, where LimitRanges returns any
}

func newLimitRanges() *limitRanges {
	return &limitRanges{byName: map[string]map[string]*corev1.LimitRange{}, merged: map[string]*policy.Ranges{}}
}

func (l *limitRanges) set(r *corev1.LimitRange) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put(r)
	l.merge(r.Namespace)
}

func (l *limitRanges) drop(r *corev1.LimitRange) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.byName[r.Namespace], r.Name)
	l.merge(r.Namespace)
}

func (l *limitRanges) replace(all []*corev1.LimitRange) {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.byName)
	clear(l.merged)
	for _, r := range all {
		l.put(r)
	}
	for namespace := range l.byName {
		l.merge(namespace)
	}
}

func (l *limitRanges) put(r *corev1.LimitRange) {
	if l.byName[r.Namespace] == nil {
		l.byName[r.Namespace] = map[string]*corev1.LimitRange{}
	}
	l.byName[r.Namespace][r.Name] = r
}

// merge makes one of all that the namespace has. The caller holds the lock.
func (l *limitRanges) merge(namespace string) {
	all := slices.SortedFunc(maps.Values(l.byName[namespace]), func(a, b *corev1.LimitRange) int { return cmp.Compare(a.Name, b.Name) })
	if len(all) == 0 {
		delete(l.byName, namespace)
	}
	if delete(l.merged, namespace); slices.ContainsFunc(all, beyondUpdater) {
		l.merged[namespace] = policy.RangesOf(all)
	}
}

// beyondUpdater reports whether a LimitRange bounds what upstream's updater does not, or not as the webhook does.
func beyondUpdater(r *corev1.LimitRange) bool {
	return slices.ContainsFunc(r.Spec.Limits, func(item corev1.LimitRangeItem) bool {
		return item.Type == corev1.LimitTypePod || item.Type == corev1.LimitTypeContainer && len(item.MaxLimitRequestRatio) > 0
	})
}

// cutLimitRange leaves of a LimitRange what it allows.
func cutLimitRange(r *corev1.LimitRange) *corev1.LimitRange {
	return &corev1.LimitRange{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: r.Name, ResourceVersion: r.ResourceVersion},
		Spec:       r.Spec,
	}
}
