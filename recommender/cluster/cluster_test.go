package cluster

import (
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/target"
)

func TestVPAsBelongToTheRecommenderThatTheyName(t *testing.T) {
	selects := func(names ...string) []*vpav1.VerticalPodAutoscalerRecommenderSelector {
		var list []*vpav1.VerticalPodAutoscalerRecommenderSelector
		for _, n := range names {
			list = append(list, &vpav1.VerticalPodAutoscalerRecommenderSelector{Name: n})
		}
		return list
	}
	for name, tc := range map[string]struct {
		recommender string
		named       []*vpav1.VerticalPodAutoscalerRecommenderSelector
		want        bool
	}{
		"none named is the default's":      {DefaultRecommender, nil, true},
		"none named is nobody else's":      {"trial", nil, false},
		"named":                            {"trial", selects("trial"), true},
		"another named":                    {DefaultRecommender, selects("trial"), false},
		"the default named":                {DefaultRecommender, selects("default"), true},
		"one of several":                   {"trial", selects("default", "trial"), true},
		"an empty entry stands for nobody": {DefaultRecommender, []*vpav1.VerticalPodAutoscalerRecommenderSelector{nil}, false},
	} {
		t.Run(name, func(t *testing.T) {
			vpa := &vpav1.VerticalPodAutoscaler{Spec: vpav1.VerticalPodAutoscalerSpec{Recommenders: tc.named}}
			require.Equal(t, tc.want, (&Cluster{recommender: tc.recommender}).ours(vpa))
		})
	}
}

func TestATrimmedPodTellsWhatAFullOneDoes(t *testing.T) {
	controls := true
	full := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: "shop-7d9f8b6c5-x2x4z", Namespace: "store", UID: "1", CreationTimestamp: metav1.NewTime(time.Unix(1e9, 0)),
			Labels:          map[string]string{"app": "shop"},
			ManagedFields:   []metav1.ManagedFieldsEntry{{Manager: "kubelet"}},
			OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "shop-7d9f8b6c5", Controller: &controls}},
			Annotations: map[string]string{
				policy.DeclaredAnnotation: `{"shop":{"requests":{"cpu":"100m"},"limits":{"cpu":"2"}}}`,
				"sidecar.istio.io/status": "much text",
			},
		},
		Spec: corev1.PodSpec{
			NodeName: "n1",
			Containers: []corev1.Container{
				{Name: "shop", Image: "shop:1", Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{"cpu": resource.MustParse("3")}}},
				{Name: "istio-proxy", Env: []corev1.EnvVar{{Name: "A"}}},
			},
			InitContainers: []corev1.Container{{Name: "init"}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodRunning},
	}
	controller := target.Controller{Group: "apps", Kind: "Deployment", Namespace: "store", Name: "shop"}
	want := podOf(full.DeepCopy(), controller)
	limit := want.Declared["shop"].Limits["cpu"]
	require.Equal(t, "2", limit.String(), "what was declared, not what the webhook made of it")

	trimmed, err := trim(full)
	require.NoError(t, err)
	pod := trimmed.(*corev1.Pod)
	require.Equal(t, want, podOf(pod, controller))
	require.Equal(t, full.OwnerReferences, pod.OwnerReferences)
	require.Empty(t, pod.ManagedFields)
	require.Empty(t, pod.Labels)
	require.NotContains(t, pod.Annotations, "sidecar.istio.io/status")
	require.Empty(t, pod.Spec.Containers[0].Image)
}

func TestWhatIsNoObjectPassesTheCacheUnchanged(t *testing.T) {
	tombstone := toolscache.DeletedFinalStateUnknown{Key: "store/shop"}
	got, err := trim(tombstone)
	require.NoError(t, err)
	require.Equal(t, tombstone, got)
}

func TestManyChangesAreOneSignal(t *testing.T) {
	c := New(nil, nil, DefaultRecommender, logr.Discard())
	for range 1000 {
		c.signal()
	}
	<-c.Changed()
	select {
	case <-c.Changed():
		t.Fatal("a second signal")
	default:
	}
}
