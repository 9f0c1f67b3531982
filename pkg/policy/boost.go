package policy

import (
	"encoding/json"
	"math"

	corev1 "k8s.io/api/core/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/utils/annotations"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// boosts are what a VPA says of CPU while its pods start.
type boosts struct {
	policies *vpav1.PodResourcePolicy
	pod      *vpav1.StartupBoost
	// most is 0 where nothing bounds a boosted request.
	most int64
}

// boostsOf returns nil where the gate is closed or the VPA boosts nothing.
func boostsOf(vpa *vpav1.VerticalPodAutoscaler, cluster Cluster) *boosts {
	if !cluster.StartupBoost {
		return nil
	}
	b := &boosts{policies: vpa.Spec.ResourcePolicy, pod: vpa.Spec.StartupBoost}
	any := b.pod != nil
	if b.policies != nil {
		for i := range b.policies.ContainerPolicies {
			any = any || b.policies.ContainerPolicies[i].StartupBoost != nil
		}
	}
	if !any {
		return nil
	}
	if v := ValueOf(usage.CPU, cluster.MaxBoost); v.is == exact {
		b.most = v.amount
	}
	return b
}

// of returns what base, in milli-CPU, is boosted to for the container called name: a multiple of it, or so much more.
// As upstream, a container's own boost replaces the pod's, and mode Off keeps a container from it. False if it is not
// boosted: also where the VPA asks for what makes no sense.
func (b *boosts) of(name string, base int64) (int64, bool) {
	if b == nil {
		return 0, false
	}
	boost, policy := b.pod, find(b.policies, name)
	if policy != nil {
		if policy.StartupBoost != nil {
			boost = policy.StartupBoost
		}
		if policy.Mode != nil && *policy.Mode == vpav1.ContainerScalingModeOff {
			return 0, false
		}
	}
	if boost == nil || boost.CPU == nil {
		return 0, false
	}
	boosted := int64(0)
	switch cpu := boost.CPU; {
	case cpu.Type == vpav1.QuantityStartupBoostType && cpu.Quantity != nil:
		more := ValueOf(usage.CPU, *cpu.Quantity)
		if more.amount < 0 || more.amount > math.MaxInt64-MaxCPU {
			return 0, false
		}
		boosted = base + more.amount
	case (cpu.Type == vpav1.FactorStartupBoostType || cpu.Type == "") && cpu.Factor != nil && *cpu.Factor >= 1:
		boosted = mulDiv(base, int64(*cpu.Factor), 1, false)
	}
	if b.most > 0 {
		boosted = min(boosted, b.most)
	}
	return boosted, saneAmount(usage.CPU, boosted)
}

// BoostAnnotation returns the annotation that tells upstream's updater what a boosted container of the pod asked for
// before, so that it takes the boost back when the pod has started.
func (c *PodContainer) BoostAnnotation() (key, value string, err error) {
	text, err := json.Marshal(annotations.OriginalResources{Requests: listOrEmpty(c.First.Requests), Limits: listOrEmpty(c.First.Limits)})
	return annotations.GetStartupCPUBoostAnnotationKey(c.Name), string(text), err
}

func listOrEmpty(a Amounts) corev1.ResourceList {
	if list := a.List(); list != nil {
		return list
	}
	return corev1.ResourceList{}
}
