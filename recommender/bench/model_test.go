package bench

import (
	"context"
	"runtime"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/checkpoint"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/input"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/logic"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/model"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/routines"

	"github.com/sartor-vpa/sartor/pkg/sidebyside"
)

// upstreamHeap counts what the model holds beside the API objects, which both programs have anyway.
func upstreamHeap(vpas int) operation {
	objects, pods := newVPAs(vpas), newPods(vpas)
	return func(r reading) {
		before := sidebyside.LiveHeap()
		cluster := upstreamModel(objects, pods, time.Hour)
		upstreamRecommender(cluster, nil, &writesCounted{}).UpdateVPAs() // the model has each recommendation, too
		r[value] = (sidebyside.LiveHeap() - before) / float64(vpas*containersPerVPA)
		runtime.KeepAlive(cluster)
		runtime.KeepAlive(objects)
		runtime.KeepAlive(pods)
	}
}

func upstreamComputePass(vpas int) operation {
	objects := newVPAs(vpas)
	cluster, live := upstreamModel(objects, newPods(vpas), time.Hour), newUpstreamLive(vpas)
	feeder := newUpstreamObjects(nil, nil, nil).feeder(cluster, live)
	byID := map[model.VpaID]*vpav1.VerticalPodAutoscaler{}
	for _, vpa := range objects {
		byID[model.VpaID{Namespace: vpa.Namespace, VpaName: vpa.Name}] = vpa
	}
	estimator, capping, at := upstreamEstimator(), upstreamCapping(), historyStart.Add(historyLength)
	return func(r reading) {
		at = at.Add(time.Minute)
		live.advance(at)
		feeder.LoadRealTimeMetrics(context.Background())
		containers := 0
		r.Measure(1, func() {
			for id, vpa := range cluster.VPAs() {
				estimate := estimator.GetRecommendedPodResources(routines.GetContainerNameToAggregateStateMap(vpa))
				listed := logic.MapToListOfRecommendedContainerResources(estimate, upstreamFormat)
				containers += len(capping.Process(byID[id], listed).ContainerRecommendations)
			}
		})
		needCount(containers, vpas*containersPerPod)
	}
}

func upstreamCheckpointStore(vpas int) operation {
	cluster := upstreamModel(newVPAs(vpas), newPods(vpas), time.Hour)
	return func(r reading) {
		client := &writesCounted{}
		writer := checkpoint.NewCheckpointWriter(cluster, client)
		r.Measure(1, func() { writer.StoreCheckpoints(context.Background(), upstreamWorkers) })
		needCount(int(client.checkpoints.Load()), vpas*containersPerPod)
	}
}

// upstreamWorkers is the default of its flag.
const upstreamWorkers = 10

func upstreamPodLoad(vpas int) operation {
	objects := newUpstreamObjects(newVPAs(vpas), newPods(vpas), nil)
	return func(r reading) {
		cluster := model.NewClusterState(time.Hour)
		feeder := objects.feeder(cluster, nil)
		feeder.LoadVPAs(context.Background())
		r.Measure(1, feeder.LoadPods)
		needCount(len(cluster.Pods()), vpas*podsPerVPA)
	}
}

func upstreamCheckpointsLoad(vpas int) operation {
	objects := newUpstreamObjects(newVPAs(vpas), nil, newCheckpoints(vpas))
	return func(r reading) {
		cluster := model.NewClusterState(time.Hour)
		feeder := objects.feeder(cluster, nil)
		r.Measure(1, func() { feeder.InitFromCheckpoints(context.Background()) })
		loaded := 0
		for _, vpa := range cluster.VPAs() {
			loaded += len(vpa.ContainersInitialAggregateState)
		}
		needCount(loaded, vpas*containersPerPod)
	}
}

// newCheckpoints are those of all VPAs, as upstream writes them. A few histories serve all.
func newCheckpoints(vpas int) []*vpav1.VerticalPodAutoscalerCheckpoint {
	const different = vpasPerNamespace
	var statuses [different][containersPerPod]*vpav1.VerticalPodAutoscalerCheckpointStatus
	for v := range statuses {
		for c := range statuses[v] {
			state := model.NewAggregateContainerState()
			history(v*containersPerVPA+c, time.Hour, func(at time.Time, millicores, bytes int64) {
				state.AddSample(&model.ContainerUsageSample{MeasureStart: at, Resource: model.ResourceCPU, Usage: model.ResourceAmount(millicores)})
				if at.Sub(historyStart)%(24*time.Hour) == 0 {
					state.AddSample(&model.ContainerUsageSample{MeasureStart: at, Resource: model.ResourceMemory, Usage: model.ResourceAmount(bytes)})
				}
			})
			status, err := state.SaveToCheckpoint()
			need(err)
			statuses[v][c] = status
		}
	}
	var list []*vpav1.VerticalPodAutoscalerCheckpoint
	for v := range vpas {
		for c, name := range containerNames {
			list = append(list, &vpav1.VerticalPodAutoscalerCheckpoint{
				ObjectMeta: metav1.ObjectMeta{Namespace: namespaceOf(v), Name: serviceOf(v) + "-" + name, CreationTimestamp: metav1.NewTime(historyStart)},
				Spec:       vpav1.VerticalPodAutoscalerCheckpointSpec{VPAObjectName: serviceOf(v), ContainerName: name},
				Status:     *statuses[v%different][c],
			})
		}
	}
	return list
}

func upstreamRecommender(cluster model.ClusterState, feeder input.ClusterStateFeeder, client *writesCounted) routines.Recommender {
	return routines.RecommenderFactory{
		ClusterState: cluster, ClusterStateFeeder: feeder, ControllerFetcher: topmost{},
		CheckpointWriter: checkpoint.NewCheckpointWriter(cluster, client), UseCheckpoints: true,
		CheckpointsGCInterval: 10 * time.Minute, CheckpointsWriteTimeout: time.Minute,
		PodResourceRecommender: upstreamEstimator(), RecommendationFormat: upstreamFormat, VpaClient: client,
		RecommendationPostProcessors: []routines.RecommendationPostProcessor{upstreamCapping()}, UpdateWorkerCount: upstreamWorkers,
	}.Make()
}

// steadyLoops is how many loops writes are counted over.
const steadyLoops = 10

// upstreamWritesSteady counts the writes of loops in which every container goes on as before. The status that is written
// comes back with the next loop, as from the API server.
func upstreamWritesSteady(vpas int) operation {
	return func(r reading) {
		objects, pods := newVPAs(vpas), newPods(vpas)
		cluster, live, client := upstreamModel(objects, pods, time.Minute), newUpstreamLive(vpas), &writesCounted{}
		feeder := newUpstreamObjects(objects, pods, nil).feeder(cluster, live)
		recommender := upstreamRecommender(cluster, feeder, client)
		for i := range steadyLoops {
			live.advance(historyStart.Add(historyLength + time.Duration(i+1)*time.Minute))
			recommender.RunOnce()
			for _, vpa := range objects {
				vpa.Status = *cluster.VPAs()[model.VpaID{Namespace: vpa.Namespace, VpaName: vpa.Name}].AsStatus()
			}
		}
		r[value] = client.total()
	}
}
