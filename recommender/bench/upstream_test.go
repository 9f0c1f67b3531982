package bench

import (
	"context"
	"fmt"
	"io"
	"maps"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	vpaclient "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/client/clientset/versioned/typed/autoscaling.k8s.io/v1"
	vpalisters "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/client/listers/autoscaling.k8s.io/v1"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/input"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/input/metrics"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/input/oom"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/logic"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/model"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/routines"
	controllerfetcher "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/target/controller_fetcher"
	listersv1 "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/sartor-vpa/sartor/pkg/upstreamtest"
)

func init() {
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
}

// upstreamModel is upstream's model of a cluster with these objects, with 8 days behind it of a sample each so often; 0: none.
//
// Its own way is quadratic: every VPA is held against every pod and aggregate. Here it is only against those of its namespace,
// as VPAs can be made elsewhere, and the map of them that the model hands out is its own. It is the same in the end.
func upstreamModel(vpas []*vpav1.VerticalPodAutoscaler, pods []*corev1.Pod, each time.Duration) model.ClusterState {
	cluster := model.NewClusterState(time.Hour)
	done := map[model.VpaID]*model.Vpa{}
	for first := 0; first < len(vpas); first += vpasPerNamespace {
		last := min(first+vpasPerNamespace, len(vpas))
		elsewhere := model.NewClusterState(time.Hour)
		for v := first; v < last; v++ {
			need(elsewhere.AddOrUpdateVpa(vpas[v], selectorOf(v)))
		}
		maps.Copy(cluster.VPAs(), elsewhere.VPAs())
		for i := first * podsPerVPA; i < last*podsPerVPA; i++ {
			addUpstreamPod(cluster, i, pods[i], each)
		}
		maps.Copy(done, cluster.VPAs())
		clear(cluster.VPAs())
	}
	maps.Copy(cluster.VPAs(), done)
	cluster.SetObservedVPAs(vpas)
	return cluster
}

func addUpstreamPod(cluster model.ClusterState, i int, pod *corev1.Pod, each time.Duration) {
	id := model.PodID{Namespace: pod.Namespace, PodName: pod.Name}
	cluster.AddOrUpdatePod(id, pod.Labels, pod.Status.Phase)
	for c := range pod.Spec.Containers {
		container := model.ContainerID{PodID: id, ContainerName: pod.Spec.Containers[c].Name}
		need(cluster.AddOrUpdateContainer(container, model.Resources{model.ResourceCPU: 100, model.ResourceMemory: 256 << 20}))
		if each > 0 {
			history(i*containersPerPod+c, each, func(at time.Time, millicores, bytes int64) {
				addUpstream(cluster, container, at, millicores, bytes)
			})
		}
	}
}

func addUpstream(cluster model.ClusterState, container model.ContainerID, at time.Time, millicores, bytes int64) {
	sample := model.ContainerUsageSampleWithKey{Container: container, ContainerUsageSample: model.ContainerUsageSample{
		MeasureStart: at, Resource: model.ResourceCPU, Usage: model.ResourceAmount(millicores)}}
	need(cluster.AddSample(&sample))
	sample.Resource, sample.Usage = model.ResourceMemory, model.ResourceAmount(bytes)
	need(cluster.AddSample(&sample))
}

// upstreamEstimator has upstream's default flags.
func upstreamEstimator() logic.PodResourceRecommender {
	return logic.CreatePodResourceRecommender(upstreamtest.Defaults())
}

var upstreamFormat = logic.RecommendationFormat{RoundCPUMillicores: 1, RoundMemoryBytes: 1}

func upstreamCapping() routines.RecommendationPostProcessor {
	return routines.NewCappingRecommendationProcessor(corev1.ResourceList{})
}

// writesCounted stands for an API server that takes all patches. Its interfaces are nil but for that.
type writesCounted struct{ status, checkpoints atomic.Int64 }

func (w *writesCounted) VerticalPodAutoscalers(string) vpaclient.VerticalPodAutoscalerInterface {
	return statusWrites{counted: &w.status}
}

func (w *writesCounted) VerticalPodAutoscalerCheckpoints(string) vpaclient.VerticalPodAutoscalerCheckpointInterface {
	return checkpointWrites{counted: &w.checkpoints}
}

func (w *writesCounted) total() float64 { return float64(w.status.Load() + w.checkpoints.Load()) }

type statusWrites struct {
	vpaclient.VerticalPodAutoscalerInterface
	counted *atomic.Int64
}

func (w statusWrites) Patch(context.Context, string, types.PatchType, []byte, metav1.PatchOptions, ...string) (*vpav1.VerticalPodAutoscaler, error) {
	w.counted.Add(1)
	return nil, nil
}

type checkpointWrites struct {
	vpaclient.VerticalPodAutoscalerCheckpointInterface
	counted *atomic.Int64
}

func (w checkpointWrites) Patch(context.Context, string, types.PatchType, []byte, metav1.PatchOptions, ...string) (*vpav1.VerticalPodAutoscalerCheckpoint, error) {
	w.counted.Add(1)
	return nil, nil
}

// upstreamObjects is what the informers of upstream's feeder hold.
type upstreamObjects struct {
	vpas, pods, checkpoints cache.Indexer
	selectors               selectors
}

func newUpstreamObjects(vpas []*vpav1.VerticalPodAutoscaler, pods []*corev1.Pod, checkpoints []*vpav1.VerticalPodAutoscalerCheckpoint) upstreamObjects {
	index := func() cache.Indexer {
		return cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	}
	o := upstreamObjects{vpas: index(), pods: index(), checkpoints: index(), selectors: selectors{}}
	for v, vpa := range vpas {
		need(o.vpas.Add(vpa))
		o.selectors[types.NamespacedName{Namespace: vpa.Namespace, Name: vpa.Name}] = selectorOf(v)
	}
	for _, pod := range pods {
		need(o.pods.Add(pod))
	}
	for _, c := range checkpoints {
		need(o.checkpoints.Add(c))
	}
	return o
}

func (o upstreamObjects) feeder(cluster model.ClusterState, live metrics.MetricsClient) input.ClusterStateFeeder {
	return input.ClusterStateFeederFactory{
		ClusterState: cluster, MetricsClient: live, VpaCheckpointClient: &writesCounted{},
		VpaCheckpointLister: vpalisters.NewVerticalPodAutoscalerCheckpointLister(o.checkpoints),
		VpaLister:           vpalisters.NewVerticalPodAutoscalerLister(o.vpas),
		PodLister:           listersv1.NewPodLister(o.pods),
		OOMObserver:         oom.NewObserver(),
		SelectorFetcher:     o.selectors, ControllerFetcher: topmost{},
		RecommenderName: input.DefaultRecommenderName, IgnoredNamespaces: []string{""},
	}.Make()
}

// selectors are those of the VPAs' targets.
type selectors map[types.NamespacedName]labels.Selector

func (s selectors) Fetch(_ context.Context, vpa *vpav1.VerticalPodAutoscaler) (labels.Selector, error) {
	selector, ok := s[types.NamespacedName{Namespace: vpa.Namespace, Name: vpa.Name}]
	if !ok {
		return nil, fmt.Errorf("no target of %s/%s", vpa.Namespace, vpa.Name)
	}
	return selector, nil
}

// topmost finds every target to be the topmost controller.
type topmost struct{}

func (topmost) FindTopMostWellKnownOrScalable(_ context.Context, key *controllerfetcher.ControllerKeyWithAPIVersion) (*controllerfetcher.ControllerKeyWithAPIVersion, error) {
	return key, nil
}

// upstreamLive is a live round as upstream's fold gets it.
type upstreamLive struct {
	snapshots []*metrics.ContainerMetricsSnapshot
	loads     []*load
}

func newUpstreamLive(vpas int) *upstreamLive {
	l := &upstreamLive{}
	for i := range vpas * containersPerVPA {
		pod := i / containersPerPod
		l.loads = append(l.loads, newLoad(i))
		l.snapshots = append(l.snapshots, &metrics.ContainerMetricsSnapshot{
			ID: model.ContainerID{
				PodID:         model.PodID{Namespace: namespaceOf(pod / podsPerVPA), PodName: podOf(pod/podsPerVPA, pod%podsPerVPA)},
				ContainerName: containerNames[i%containersPerPod],
			},
			SnapshotWindow: time.Minute,
		})
	}
	return l
}

// advance makes it the round of that time.
func (l *upstreamLive) advance(at time.Time) {
	for i, s := range l.snapshots {
		millicores, bytes := l.loads[i].next()
		s.SnapshotTime = at
		s.Usage = model.Resources{model.ResourceCPU: model.ResourceAmount(millicores), model.ResourceMemory: model.ResourceAmount(bytes)}
	}
}

func (l *upstreamLive) GetContainersMetrics(context.Context) ([]*metrics.ContainerMetricsSnapshot, error) {
	return l.snapshots, nil
}

func TestTheShortWayToUpstreamsModelLeadsToTheSame(t *testing.T) {
	const n = 2*vpasPerNamespace + 1
	vpas, pods := newVPAs(n), newPods(n)
	long := model.NewClusterState(time.Hour)
	feeder := newUpstreamObjects(vpas, pods, nil).feeder(long, nil)
	feeder.LoadVPAs(t.Context())
	feeder.LoadPods()
	short := upstreamModel(vpas, pods, 0)
	require.Len(t, short.VPAs(), n)
	require.Equal(t, long.StateMapSize(), short.StateMapSize())
	require.Len(t, short.Pods(), len(long.Pods()))
	for id, want := range long.VPAs() {
		got := short.VPAs()[id]
		require.Equal(t, podsPerVPA, got.PodCount)
		require.Equal(t, want.PodCount, got.PodCount)
		require.Len(t, got.AggregateStateByContainerName(), containersPerPod)
		require.Equal(t, want.AsStatus(), got.AsStatus())
		require.Equal(t, want.ResourcePolicy, got.ResourcePolicy)
	}
}
