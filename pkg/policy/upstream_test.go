package policy

import (
	"io"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/admission-controller/resource/pod/recommendation"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	vpautil "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/utils/vpa"
	"k8s.io/klog/v2"
	"pgregory.net/rapid"

	"github.com/sartor-vpa/sartor/pkg/policy/policytest"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// oneRange is upstream's view of a namespace with one LimitRange.
type oneRange struct{ container, pod *corev1.LimitRangeItem }

func (x oneRange) GetContainerLimitRangeItem(string) (*corev1.LimitRangeItem, error) {
	return x.container, nil
}

func (x oneRange) GetPodLimitRangeItem(string) (*corev1.LimitRangeItem, error) { return x.pod, nil }

func (x oneRange) limitRanges() []*corev1.LimitRange {
	one := &corev1.LimitRange{}
	for _, item := range []*corev1.LimitRangeItem{x.container, x.pod} {
		if item != nil {
			one.Spec.Limits = append(one.Spec.Limits, *item)
		}
	}
	return []*corev1.LimitRange{one}
}

// TestProportionalLimitsAreUpstreams compares decisions with `proportional` everywhere to upstream's calculators, where
// at most one of a policy and a LimitRange binds. What upstream does wrong is left out or told apart:
//
//   - Guaranteed pods of whole CPUs lose them, and RequestsOnly takes the class itself.
//   - Under a LimitRange, RequestsOnly bounds requests as if their limits followed.
//   - Init containers and native sidecars are not counted, nor are the pod's own resources and ratios looked at.
//   - Where no legal result exists it gives an illegal one; there ours has to be legal, or as declared.
//   - Memory is scaled up to a pod's minimum rounding down, so that some bytes are missing.
//   - Hostile amounts are patched, and limits beyond all machines lowered only where a LimitRange says so.
func TestProportionalLimitsAreUpstreams(t *testing.T) {
	quiet(t)
	compared := 0
	rapid.Check(t, func(t *rapid.T) {
		m := maker(t)
		m.Tame = true
		pod, x := anyTamePod(m), oneRange{}
		vpa := &vpav1.VerticalPodAutoscaler{Status: vpav1.VerticalPodAutoscalerStatus{Recommendation: &vpav1.RecommendedPodResources{}}}
		for _, c := range pod.Spec.Containers {
			target := corev1.ResourceList{corev1.ResourceCPU: m.Amount(corev1.ResourceCPU), corev1.ResourceMemory: m.Amount(corev1.ResourceMemory)}
			vpa.Status.Recommendation.ContainerRecommendations = append(vpa.Status.Recommendation.ContainerRecommendations, vpav1.RecommendedContainerResources{ContainerName: c.Name, Target: target})
		}
		switch m.IntN(4) {
		case 0:
			policy := vpav1.ContainerResourcePolicy{ContainerName: "*", MinAllowed: m.List(2), MaxAllowed: m.List(2)}
			if m.One(4) {
				policy.ControlledValues = &requestsOnly
			}
			vpa.Spec.ResourcePolicy = &vpav1.PodResourcePolicy{ContainerPolicies: []vpav1.ContainerResourcePolicy{policy}}
		case 1:
			x.container = anyItem(m, corev1.LimitTypeContainer)
		case 2:
			x.pod = anyItem(m, corev1.LimitTypePod)
		}
		ranges := x.limitRanges()
		arrive(pod, ranges)
		if compare(t, pod, vpa, x, ranges) {
			compared++
		}
	})
	require.Greater(t, compared, 10, "most are")
}

// anyTamePod is one of one to three containers alone, without whole CPUs in a Guaranteed pod.
func anyTamePod(m policytest.Maker) *corev1.Pod {
	pod := m.Pod()
	pod.Spec.InitContainers, pod.Spec.Resources = nil, nil
	return pod
}

func anyItem(m policytest.Maker, kind corev1.LimitType) *corev1.LimitRangeItem {
	item := &corev1.LimitRangeItem{Type: kind, Min: m.List(2), Max: m.List(2)}
	for name, lowest := range item.Min {
		if highest, ok := item.Max[name]; ok && lowest.Cmp(highest) > 0 {
			item.Min[name], item.Max[name] = highest, lowest
		}
	}
	if kind == corev1.LimitTypeContainer && item.Max != nil {
		item.Default = item.Max.DeepCopy()
		item.DefaultRequest = item.Max.DeepCopy()
	}
	return item
}

// compare reports whether upstream's answer was one to compare with.
func compare(t *rapid.T, pod *corev1.Pod, vpa *vpav1.VerticalPodAutoscaler, x oneRange, ranges []*corev1.LimitRange) bool {
	vpa.Annotations = map[string]string{CPULimitAnnotation: "proportional", MemoryLimitAnnotation: "proportional"}
	merged := RangesOf(ranges)
	asking := PodOf(pod, merged)
	if asking.Guaranteed && keepsMore(&asking, vpa) {
		return false
	}
	provider := recommendation.NewProvider(x, vpautil.NewCappingRecommendationProcessor(x))
	theirs, _, err := provider.GetContainersResourcesForPod(pod, vpa.DeepCopy())
	require.NoError(t, err)
	ours := Decide(&asking, RulesOf(vpa, vpa.Status.Recommendation, byDefault), merged)

	upstreams := pod.DeepCopy()
	for i := range theirs {
		for name, q := range theirs[i].Requests {
			setIn(&upstreams.Spec.Containers[i].Resources.Requests, name, q)
		}
		for name, q := range theirs[i].Limits {
			setIn(&upstreams.Spec.Containers[i].Resources.Limits, name, q)
		}
	}
	after := patch(pod, &asking, ours)
	if refused(upstreams, ranges) != "" || absurd(upstreams) || skipsAbsurd(ours) {
		if refused(pod, ranges) == "" {
			require.Empty(t, refused(after, ranges))
		}
		return false
	}
	for i := range after.Spec.Containers {
		mine, yours := ResourcesOf(after.Spec.Containers[i].Resources), ResourcesOf(upstreams.Spec.Containers[i].Resources)
		for _, r := range usage.Resources {
			if mine.Requests[r].amount != yours.Requests[r].amount || mine.Limits[r].amount != yours.Limits[r].amount {
				t.Fatalf("%s of %s: %v becomes %v, upstream has %v, of %v\n%s", r, pod.Spec.Containers[i].Name, resourcesOf(pod), resourcesOf(after), resourcesOf(upstreams), vpa.Status.Recommendation, all(ours))
			}
		}
	}
	return true
}

// keepsMore reports whether we keep something for a Guaranteed pod that upstream takes from it.
func keepsMore(asking *Pod, vpa *vpav1.VerticalPodAutoscaler) bool {
	for i := range asking.Containers {
		if whole(asking.Containers[i].First.Limits[usage.CPU]) {
			return true
		}
	}
	return vpa.Spec.ResourcePolicy != nil && vpa.Spec.ResourcePolicy.ContainerPolicies[0].ControlledValues != nil
}

func skipsAbsurd(d Decision) bool {
	return slices.ContainsFunc(d.Steps, func(s Step) bool { return s.Skipped && s.Reason == ByAbsurdity })
}

func absurd(pod *corev1.Pod) bool {
	for _, c := range allContainers(pod) {
		for _, list := range []corev1.ResourceList{c.Resources.Requests, c.Resources.Limits} {
			for name, q := range list {
				if !Sane(name, q) {
					return true
				}
			}
		}
	}
	return false
}

// quiet keeps upstream from logging.
func quiet(t *testing.T) {
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	t.Cleanup(func() { klog.LogToStderr(true) })
}
