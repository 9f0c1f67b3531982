package policy

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/updater/priority"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/utils/limitrange"
	vpautil "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/utils/vpa"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/sartor-vpa/sartor/pkg/policy/policytest"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// calculatorOf is how upstream sees LimitRanges.
func calculatorOf(t require.TestingT, ranges []*corev1.LimitRange) limitrange.LimitRangeCalculator {
	factory := informers.NewSharedInformerFactory(fake.NewClientset(), 0)
	for _, one := range ranges {
		require.NoError(t, factory.Core().V1().LimitRanges().Informer().GetIndexer().Add(one))
	}
	calculator, err := limitrange.NewLimitsRangeCalculator(factory)
	require.NoError(t, err)
	return calculator
}

// evicts reports whether upstream's updater, with its defaults, would evict a pod that has run for a day.
func evicts(t require.TestingT, pod *corev1.Pod, vpa *vpav1.VerticalPodAutoscaler, ranges []*corev1.LimitRange) bool {
	now := time.Unix(1e9, 0)
	pod = pod.DeepCopy()
	pod.Status.StartTime = &metav1.Time{Time: now.Add(-24 * time.Hour)}
	updates := priority.NewUpdatePriorityCalculator(vpa, priority.UpdateConfig{MinChangePriority: 0.1, PodLifetimeUpdateThreshold: 12 * time.Hour},
		vpautil.NewCappingRecommendationProcessor(calculatorOf(t, ranges)), priority.NewProcessor())
	updates.AddPod(pod, now, nil)
	return len(updates.GetSortedPods(priority.NewDefaultPodEvictionAdmission())) > 0
}

// ranged is a pod under LimitRanges of which only a part is left, and a VPA that recommends for all of its containers,
// without a policy of its own: where that and a LimitRange contradict each other upstream's updater follows the policy.
func ranged(m policytest.Maker, keep func(*corev1.LimitRangeItem)) scene {
	m.Tame = true
	s := scene{pod: m.Pod(), ranges: m.LimitRanges(), cluster: byDefault}
	s.pod.Spec.InitContainers, s.pod.Spec.Resources = nil, nil // which it does not count
	s.vpa = &vpav1.VerticalPodAutoscaler{Status: vpav1.VerticalPodAutoscalerStatus{Recommendation: &vpav1.RecommendedPodResources{}}}
	for _, c := range s.pod.Spec.Containers {
		target := corev1.ResourceList{corev1.ResourceCPU: m.Amount(corev1.ResourceCPU), corev1.ResourceMemory: m.Amount(corev1.ResourceMemory)}
		s.vpa.Status.Recommendation.ContainerRecommendations = append(s.vpa.Status.Recommendation.ContainerRecommendations, vpav1.RecommendedContainerResources{
			ContainerName: c.Name, Target: target, LowerBound: times(target, 1, int64(1+m.IntN(4))), UpperBound: times(target, int64(1+m.IntN(4)), 1),
		})
	}
	for _, one := range s.ranges {
		for i := range one.Spec.Limits {
			keep(&one.Spec.Limits[i])
		}
	}
	arrive(s.pod, s.ranges)
	return s
}

func times(list corev1.ResourceList, n, of int64) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewMilliQuantity(max(1, list.Cpu().MilliValue()*n/of), resource.DecimalSI),
		corev1.ResourceMemory: *resource.NewQuantity(max(1, list.Memory().Value()*n/of), resource.BinarySI),
	}
}

// announce makes what pods are going to request what is recommended, as the recommender does.
func (s *scene) announce(d Decision) {
	for i := range d.Containers {
		rec := &s.vpa.Status.Recommendation.ContainerRecommendations[i]
		for _, r := range usage.Resources {
			request, name := d.Containers[i].Requests[r], resourceName(r)
			if !request.IsSet() {
				continue
			}
			q := request.Quantity(r)
			rec.Target[name] = q
			if lower := rec.LowerBound[name]; lower.Cmp(q) > 0 {
				rec.LowerBound[name] = q
			}
			if upper := rec.UpperBound[name]; upper.Cmp(q) < 0 {
				rec.UpperBound[name] = q
			}
		}
	}
}

// skipped reports whether something is left as declared, because nothing is legal.
func skipped(d Decision) bool {
	for i := range d.Steps {
		if d.Steps[i].Skipped {
			return true
		}
	}
	return false
}

func requestsOf(pod *corev1.Pod) (all []string) {
	for i := range pod.Spec.Containers {
		r := pod.Spec.Containers[i].Resources.Requests
		all = append(all, r.Cpu().String(), r.Memory().String())
	}
	return all
}

// TestUpstreamsUpdaterEvictsNoPodForLimitRangesForEver: of bounds for containers it knows itself what becomes of a
// recommendation. Ratios it does not know, so that the recommender has to; and what it makes of bounds for pods supposes
// upstream's limits. With several containers it evicts for those whatever the recommender does, upstream's own pods, too: it
// scales the bounds of a recommendation apart from its target.
func TestUpstreamsUpdaterEvictsNoPodForLimitRangesForEver(t *testing.T) {
	quiet(t)
	bounds := func(kind corev1.LimitType) func(*corev1.LimitRangeItem) {
		return func(item *corev1.LimitRangeItem) {
			if item.MaxLimitRequestRatio = nil; item.Type != kind {
				*item = corev1.LimitRangeItem{Type: item.Type}
			}
		}
	}
	ratios := func(item *corev1.LimitRangeItem) {
		*item = corev1.LimitRangeItem{Type: item.Type, MaxLimitRequestRatio: item.MaxLimitRequestRatio}
	}
	for name, tc := range map[string]struct {
		keep              func(*corev1.LimitRangeItem)
		containers        int
		announced, evicts bool
	}{
		"bounds of containers":               {bounds(corev1.LimitTypeContainer), 3, false, false},
		"bounds of containers that it knows": {bounds(corev1.LimitTypeContainer), 3, true, false},
		"ratios that it ignores":             {ratios, 3, false, true},
		"ratios that it knows":               {ratios, 3, true, false},
		"bounds of pods that it ignores":     {bounds(corev1.LimitTypePod), 1, false, true},
		"bounds of pods that it knows":       {bounds(corev1.LimitTypePod), 1, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			judged, evicted := 0, 0
			random := rand.New(rand.NewPCG(1, 2))
			for range 2000 {
				s := ranged(policytest.Maker{Source: random}, tc.keep)
				asking, decision := s.decide(s.pod)
				if len(s.ranges) == 0 || len(s.pod.Spec.Containers) > tc.containers || asking.Guaranteed || refused(s.pod, s.ranges) != "" || skipped(decision) {
					continue
				}
				after := patch(s.pod, asking, decision)
				if tc.announced {
					s.announce(decision)
					again, given := s.decide(s.pod)
					require.Equal(t, requestsOf(after), requestsOf(patch(s.pod, again, given)), "what is announced is what is given")
					after = patch(s.pod, again, given)
				}
				judged++
				if evicts(t, after, s.vpa, s.ranges) {
					evicted++
					require.True(t, tc.evicts, "%v -> %v\n%s", resourcesOf(s.pod), resourcesOf(after), all(decision))
				}
			}
			t.Logf("%d of %d", evicted, judged)
			require.Greater(t, judged, 50)
			require.Equal(t, tc.evicts, evicted > 0)
		})
	}
}
