package cluster

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"

	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/apiserver/guard"
)

// vpas are all VPAs that the API server has.
type vpas struct {
	// changed is called after VPAs were created, changed in what somebody wants of them, or deleted.
	changed func()

	mu     sync.RWMutex
	sorted []*vpav1.VerticalPodAutoscaler // by namespace and name
}

// cutVPA drops what nobody reads.
func (c *Cluster) cutVPA(vpa *vpav1.VerticalPodAutoscaler) *vpav1.VerticalPodAutoscaler {
	vpa.ManagedFields = nil
	if err := guard.UnreadableStatus(vpa); err != nil {
		c.log.V(1).Info("The status of a VPA was not written by a recommender, and what cannot be read of it counts for nothing", "vpa", vpa.Namespace+"/"+vpa.Name, "reason", err.Error())
	}
	return vpa
}

// Unreadable returns what cannot be read of a VPA's spec, with its value and the remedy; nil if all can. Of one that is not readable
// it is known whose it is and what its target is, if that can be read; what is published for it is not.
func Unreadable(vpa *vpav1.VerticalPodAutoscaler) error { return guard.Unreadable(vpa) }

// where returns where the VPA of that name is, or would be.
func where(sorted []*vpav1.VerticalPodAutoscaler, vpa *vpav1.VerticalPodAutoscaler) (int, bool) {
	return slices.BinarySearchFunc(sorted, vpa, compareVPAs)
}

func compareVPAs(a, b *vpav1.VerticalPodAutoscaler) int {
	return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
}

func (v *vpas) set(vpa *vpav1.VerticalPodAutoscaler) {
	if v.put(vpa) {
		v.changed()
	}
}

func (v *vpas) put(vpa *vpav1.VerticalPodAutoscaler) (wanted bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	at, known := where(v.sorted, vpa)
	if !known {
		v.sorted = slices.Insert(v.sorted, at, vpa)
		return true
	}
	wanted = differ(v.sorted[at], vpa)
	v.sorted[at] = vpa
	return wanted
}

func (v *vpas) drop(vpa *vpav1.VerticalPodAutoscaler) {
	v.mu.Lock()
	at, known := where(v.sorted, vpa)
	if known {
		v.sorted = slices.Delete(v.sorted, at, at+1)
	}
	v.mu.Unlock()
	if known {
		v.changed()
	}
}

func (v *vpas) replace(all []*vpav1.VerticalPodAutoscaler) {
	slices.SortFunc(all, compareVPAs)
	v.mu.Lock()
	before := v.sorted
	v.sorted = all
	v.mu.Unlock()
	if !slices.EqualFunc(before, all, func(a, b *vpav1.VerticalPodAutoscaler) bool { return compareVPAs(a, b) == 0 && !differ(a, b) }) {
		v.changed()
	}
}

// differ reports whether somebody wants another thing of a VPA now. Our own writes of the status
// change no generation; annotations (sartor.dev/*, upstream's for whole CPUs) do not either.
func differ(a, b *vpav1.VerticalPodAutoscaler) bool {
	return a.Generation != b.Generation || a.UID != b.UID || !maps.Equal(a.Annotations, b.Annotations)
}

// chosen returns those that choose holds for.
func (v *vpas) chosen(choose func(*vpav1.VerticalPodAutoscaler) bool) []*vpav1.VerticalPodAutoscaler {
	v.mu.RLock()
	defer v.mu.RUnlock()
	chosen := make([]*vpav1.VerticalPodAutoscaler, 0, len(v.sorted))
	for _, vpa := range v.sorted {
		if choose(vpa) {
			chosen = append(chosen, vpa)
		}
	}
	return chosen
}
