package checkpoint

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	vpaclient "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/client/clientset/versioned/typed/autoscaling.k8s.io/v1"
	upstreamcheckpoint "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/checkpoint"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/model"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// store is the part of the API that upstream's writer needs.
type store struct {
	vpaclient.VerticalPodAutoscalerCheckpointsGetter
	vpaclient.VerticalPodAutoscalerCheckpointInterface
	created []*vpav1.VerticalPodAutoscalerCheckpoint
}

func (s *store) VerticalPodAutoscalerCheckpoints(string) vpaclient.VerticalPodAutoscalerCheckpointInterface {
	return s
}

func (s *store) Patch(_ context.Context, name string, _ types.PatchType, _ []byte, _ metav1.PatchOptions, _ ...string) (*vpav1.VerticalPodAutoscalerCheckpoint, error) {
	return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "verticalpodautoscalercheckpoints"}, name)
}

func (s *store) Create(_ context.Context, cp *vpav1.VerticalPodAutoscalerCheckpoint, _ metav1.CreateOptions) (*vpav1.VerticalPodAutoscalerCheckpoint, error) {
	s.created = append(s.created, cp)
	return cp, nil
}

// Upstream's own writer has no clock but the real one, so this plays in the last two days.
func TestASaveInARunningIntervalIsWhatUpstreamsWriterStores(t *testing.T) {
	now := time.Now()
	cluster, ours := model.NewClusterState(time.Hour), aggregate.NewWorkload(aggregate.DefaultOptions())
	vpa := &vpav1.VerticalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: owner.Namespace, Name: owner.VPA}}
	require.NoError(t, cluster.AddOrUpdateVpa(vpa, labels.SelectorFromSet(labels.Set{"app": "shop"})))
	tell := func(pod string, from, to time.Time) {
		id := model.PodID{Namespace: owner.Namespace, PodName: pod}
		cluster.AddOrUpdatePod(id, labels.Set{"app": "shop"}, corev1.PodRunning)
		container := model.ContainerID{PodID: id, ContainerName: "app"}
		require.NoError(t, cluster.AddOrUpdateContainer(container, nil))
		for at, i := from, 0; at.Before(to); at, i = at.Add(10*time.Minute), i+1 {
			for r, amount := range [2]usage.Amount{usage.CPU: usage.Amount(100 + i), usage.Memory: usage.Amount(2e8 + i*1e6)} {
				s := usage.Sample{Container: usage.Container{Namespace: owner.Namespace, Pod: pod, Name: "app"}, Resource: usage.Resource(r), Time: at, Amount: amount}
				require.True(t, ours.Add(s))
				require.NoError(t, cluster.AddSample(&model.ContainerUsageSampleWithKey{Container: container, ContainerUsageSample: model.ContainerUsageSample{
					MeasureStart: at, Usage: model.ResourceAmount(amount), Resource: model.ResourceName(s.Resource.String()),
				}}))
			}
		}
		require.NoError(t, cluster.RecordOOM(container, to, 3e8))
		_, ok := ours.AddOOM(usage.Container{Namespace: owner.Namespace, Pod: pod, Name: "app"}, 3e8, to)
		require.True(t, ok)
	}
	tell("shop-1", now.Add(-30*time.Hour), now) // its second interval runs
	tell("shop-2", now.Add(-47*time.Hour), now.Add(-25*time.Hour))

	s := &store{}
	upstreamcheckpoint.NewCheckpointWriter(cluster, s).StoreCheckpoints(context.Background(), 1)
	require.Len(t, s.created, 1)
	saved, ok := ours.Save("app", now)
	require.True(t, ok)
	require.True(t, saved.Running[0].Open)
	require.False(t, saved.Running[1].Open)
	got, want := throughAPI(t, Encode(owner, "app", saved, Coverage{}, now)), throughAPI(t, s.created[0])
	require.Equal(t, want.Name, got.Name)
	require.Equal(t, want.Spec, got.Spec)
	want.Status.LastUpdateTime = got.Status.LastUpdateTime
	require.Equal(t, want.Status, got.Status)
}
