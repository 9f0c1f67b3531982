package target

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
)

func vpaOn(ref *autoscalingv1.CrossVersionObjectReference) *vpav1.VerticalPodAutoscaler {
	return &vpav1.VerticalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: "store", Name: "shop"},
		Spec:       vpav1.VerticalPodAutoscalerSpec{TargetRef: ref},
	}
}

func TestTheVersionOfATargetDoesNotMatter(t *testing.T) {
	for name, tc := range map[string]struct {
		apiVersion, kind string
		want             Controller
	}{
		"today's":               {"apps/v1", "Deployment", Controller{"apps", "Deployment", "store", "shop"}},
		"an older version":      {"apps/v1beta1", "Deployment", Controller{"apps", "Deployment", "store", "shop"}},
		"the oldest group":      {"extensions/v1beta1", "DaemonSet", Controller{"apps", "DaemonSet", "store", "shop"}},
		"no version, by kind":   {"", "CronJob", Controller{"batch", "CronJob", "store", "shop"}},
		"the core group":        {"v1", "ReplicationController", Controller{"", "ReplicationController", "store", "shop"}},
		"another group's Job":   {"batch.volcano.sh/v1alpha1", "Job", Controller{"batch.volcano.sh", "Job", "store", "shop"}},
		"a custom resource":     {"argoproj.io/v1alpha1", "Rollout", Controller{"argoproj.io", "Rollout", "store", "shop"}},
		"an unknown old object": {"extensions/v1beta1", "Ingress", Controller{"extensions", "Ingress", "store", "shop"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Of(vpaOn(&autoscalingv1.CrossVersionObjectReference{APIVersion: tc.apiVersion, Kind: tc.kind, Name: "shop"}))
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
	require.Equal(t, "Deployment store/shop", Controller{"apps", "Deployment", "store", "shop"}.String())
}

func TestABadTargetRefIsNamedWithItsRemedy(t *testing.T) {
	for name, tc := range map[string]struct {
		ref  *autoscalingv1.CrossVersionObjectReference
		want []string
	}{
		"missing":       {nil, []string{"spec.targetRef is missing"}},
		"no kind":       {&autoscalingv1.CrossVersionObjectReference{Name: "shop"}, []string{"spec.targetRef.kind", "Deployment"}},
		"no name":       {&autoscalingv1.CrossVersionObjectReference{Kind: "Deployment"}, []string{"spec.targetRef.name"}},
		"bad version":   {&autoscalingv1.CrossVersionObjectReference{APIVersion: "a/b/c", Kind: "Deployment", Name: "shop"}, []string{"spec.targetRef.apiVersion", `"a/b/c"`, "apps/v1"}},
		"version wants": {&autoscalingv1.CrossVersionObjectReference{Kind: "Rollout", Name: "shop"}, []string{"spec.targetRef.apiVersion is empty", "Rollout"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Of(vpaOn(tc.ref))
			require.Error(t, err)
			for _, part := range tc.want {
				require.ErrorContains(t, err, part)
			}
		})
	}
}

func TestTheOldestVPAControlsThenTheFirstByName(t *testing.T) {
	born := func(name string, second int64) *vpav1.VerticalPodAutoscaler {
		v := vpaOn(nil)
		v.Name, v.CreationTimestamp = name, metav1.NewTime(time.Unix(second, 0))
		return v
	}
	require.Nil(t, Controlling(nil))
	for name, vpas := range map[string][]*vpav1.VerticalPodAutoscaler{
		"oldest first": {born("winner", 1), born("a", 2)},
		"oldest last":  {born("a", 2), born("b", 3), born("winner", 1)},
		"equal age":    {born("x", 1), born("winner", 1), born("zz", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, "winner", Controlling(vpas).Name)
		})
	}
}

func TestTheUpdateModeDefaultsToRecreate(t *testing.T) {
	empty, off := vpav1.UpdateMode(""), vpav1.UpdateModeOff
	v := vpaOn(nil)
	require.Equal(t, vpav1.UpdateModeRecreate, UpdateMode(v))
	v.Spec.UpdatePolicy = &vpav1.PodUpdatePolicy{}
	require.Equal(t, vpav1.UpdateModeRecreate, UpdateMode(v))
	v.Spec.UpdatePolicy.UpdateMode = &empty
	require.Equal(t, vpav1.UpdateModeRecreate, UpdateMode(v))
	v.Spec.UpdatePolicy.UpdateMode = &off
	require.Equal(t, vpav1.UpdateModeOff, UpdateMode(v))
}
