package loop

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// declare says what the containers of a pod that was started declared: a name, requests and limits each.
func (w *world) declare(all ...any) {
	var pod corev1.Pod
	var names []string
	for i := 0; i < len(all); i += 3 {
		names = append(names, all[i].(string))
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{
			Name: all[i].(string), Resources: corev1.ResourceRequirements{Requests: all[i+1].(corev1.ResourceList), Limits: all[i+2].(corev1.ResourceList)},
		})
	}
	w.shapes[fmt.Sprint(names)].Pod = policy.PodOf(&pod, nil)
}

func TestDeclaredRequestsThatAreFloorsAreRecommended(t *testing.T) {
	w := newWorld(t, false)
	w.vpa("shop", func(v *vpav1.VerticalPodAutoscaler) {
		bounded(list("50m", "1Mi"), list("1500m", "400Mi"))(v)
		annotated(policy.FloorAnnotation, "declared")(v)
	})
	w.pod("shop", "shop")
	w.declare("shop", list("2", "512Mi"), list("4", "1Gi"))
	w.use("shop", "shop", 480, 700)
	w.tick()
	rec := w.vpas["shop"].Status.Recommendation.ContainerRecommendations[0]
	for _, values := range []corev1.ResourceList{rec.LowerBound, rec.Target, rec.UpperBound} {
		require.Equal(t, []string{"2", "512Mi"}, []string{values.Cpu().String(), values.Memory().String()}, "as the webhook gives it, though maxAllowed is less")
	}
	require.Contains(t, condition(w, "shop", vpav1.RecommendationProvided).Message, "raised from 826Mi by the declared request")
}

func TestWhatLimitRangesMakeOfRequestsIsRecommended(t *testing.T) {
	w := newWorld(t, true)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.declare("shop", list("100m", "512Mi"), list("4", "1Gi"))
	w.tick()
	w.answer("shop", "shop", 480, 700)
	require.Equal(t, "587m", w.target("shop", "shop", corev1.ResourceCPU))
	without := w.vpas["shop"].Status.Recommendation.ContainerRecommendations[0]

	w.ranges = policy.RangesOf([]*corev1.LimitRange{{Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{
		{Type: corev1.LimitTypeContainer, MaxLimitRequestRatio: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")}},
		{Type: corev1.LimitTypePod, Max: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("750Mi")}},
	}}}})
	w.tick()
	rec := w.vpas["shop"].Status.Recommendation.ContainerRecommendations[0]
	require.Equal(t, "2", rec.Target.Cpu().String(), "the declared limit is 4")
	require.Equal(t, without.UncappedTarget.Cpu().String(), rec.UncappedTarget.Cpu().String())
	for name, request := range rec.Target {
		lower, upper := rec.LowerBound[name], rec.UpperBound[name]
		require.LessOrEqual(t, lower.Cmp(request), 0, name)
		require.GreaterOrEqual(t, upper.Cmp(request), 0, name)
	}
	require.Contains(t, condition(w, "shop", vpav1.RecommendationProvided).Message, "cpu 2 (p90 + 15%, moved from 587m to what LimitRanges and the pod's own resources allow, limit 4)")
	writes := w.writes
	for range 5 {
		w.use("shop", "shop", 480, 700)
		w.tick()
	}
	require.Equal(t, writes, w.writes)

	w.ranges = nil
	w.tick()
	require.Equal(t, without.Target, w.vpas["shop"].Status.Recommendation.ContainerRecommendations[0].Target)
}

func TestWhatAPodAsksForAsAWholeBoundsWhatIsRecommended(t *testing.T) {
	w := newWorld(t, false)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.declare("shop", list("100m", "512Mi"), list("1", "1Gi"))
	for _, shape := range w.shapes {
		shape.Pod.Level = &policy.Resources{Requests: policy.ResourcesOf(corev1.ResourceRequirements{Requests: list("300m", "2Gi")}).Requests}
	}
	w.use("shop", "shop", 480, 700)
	w.tick()
	rec := w.vpas["shop"].Status.Recommendation.ContainerRecommendations[0]
	require.Equal(t, "587m", rec.UncappedTarget.Cpu().String())
	require.LessOrEqual(t, rec.Target.Cpu().MilliValue(), int64(300), "spec.resources.requests.cpu is 300m")
	require.Greater(t, rec.Target.Cpu().MilliValue(), int64(100))
	require.Equal(t, rec.UncappedTarget.Memory().String(), rec.Target.Memory().String())
	require.Contains(t, condition(w, "shop", vpav1.RecommendationProvided).Message, "the pod's own resources allow")
}

func TestNoPodOfAVPAInModeOffHasRequestsThatLimitRangesMove(t *testing.T) {
	w := newWorld(t, false)
	off := vpav1.UpdateModeOff
	w.vpa("shop", func(v *vpav1.VerticalPodAutoscaler) { v.Spec.UpdatePolicy = &vpav1.PodUpdatePolicy{UpdateMode: &off} })
	w.ranges = policy.RangesOf([]*corev1.LimitRange{{Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{
		{Type: corev1.LimitTypeContainer, MaxLimitRequestRatio: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")}},
	}}}})
	w.pod("shop", "shop")
	w.use("shop", "shop", 480, 700)
	w.tick()
	require.Equal(t, "587m", w.target("shop", "shop", corev1.ResourceCPU))
}

func TestAnnotationsOfLimitsAreFollowedAndNonsenseIsTold(t *testing.T) {
	w := newWorld(t, false)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.use("shop", "shop", 480, 700)
	w.tick()
	says := func(limit string) {
		t.Helper()
		require.Contains(t, condition(w, "shop", vpav1.RecommendationProvided).Message, "cpu 587m (p90 + 15%, limit "+limit+")")
	}
	says("2")
	w.vpa("shop", annotated(policy.CPULimitAnnotation, "multiple=4"))
	w.tick()
	says("3")
	w.vpa("shop", annotated(policy.CPULimitAnnotation, "multiple=lots", policy.FloorAnnotation, "yes"))
	w.tick()
	says("2")
	require.Equal(t, "Until it is corrected the cluster's rule counts: "+
		`annotation sartor.dev/cpu-limit: "multiple=lots": multiple: this is no quantity: use one such as 2, 500m or 1Gi; `+
		`annotation sartor.dev/floor: "yes": use declared or none.`, condition(w, "shop", AnnotationInvalid).Message)
	require.Equal(t, 1, w.told("AnnotationInvalid"))
	w.vpa("shop", annotated())
	w.tick()
	for _, c := range w.vpas["shop"].Status.Conditions {
		require.NotEqual(t, AnnotationInvalid, c.Type)
	}
}

func TestWhatTheWebhookIsGoingToSayIsExplained(t *testing.T) {
	only := vpav1.ContainerControlledValuesRequestsOnly
	w := newWorld(t, false)
	w.vpa("shop", func(v *vpav1.VerticalPodAutoscaler) {
		bounded(list("1m", "1Mi"), list("8", "8Gi"))(v)
		v.Spec.ResourcePolicy.ContainerPolicies[0].ControlledValues = &only
	})
	w.pod("shop", "shop")
	w.use("shop", "shop", 2900, 700)
	w.tick()
	e, err := w.loop.explain(types.NamespacedName{Namespace: "store", Name: "shop"})
	require.NoError(t, err)
	require.Equal(t, []string{"cpu: request 3481m lowered to the limit 2"}, e.Containers[0].Resources[usage.CPU].Warnings)
	require.Empty(t, e.Containers[0].Resources[usage.Memory].Warnings)
}
