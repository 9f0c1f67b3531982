package bench

import (
	"context"
	"encoding/json"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/estimate"
	"github.com/sartor-vpa/sartor/pkg/lineage"
	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/target"
	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/cluster"
	"github.com/sartor-vpa/sartor/recommender/loop"
	"github.com/sartor-vpa/sartor/recommender/podmetrics"
)

// ourOptions are the defaults of the flags, without what goes on beside the loop.
func ourOptions() loop.Options {
	return loop.Options{
		Interval: time.Minute, HistoryLength: historyLength, ForgetAfter: historyLength, CheckpointInterval: 10 * time.Minute,
		WriteTimeout: time.Minute, Workers: 10, CandidateSuffix: lineage.DefaultSuffix,
		Aggregate: aggregate.DefaultOptions(), Estimate: estimate.DefaultOptions(), Limits: policy.DefaultLimitPolicy(),
	}
}

// world stands for Kubernetes and metrics-server. The checkpoints are written by the real thing, into an API server that
// counts.
type world struct {
	*cluster.Cluster
	api         *apiServer
	live        ourLive
	clock       time.Time
	vpas        []*vpav1.VerticalPodAutoscaler
	pods        []*cluster.StartedPod // that were not told yet
	checkpoints []*vpav1.VerticalPodAutoscalerCheckpoint
	statuses    atomic.Int64
}

// newWorld is a cluster when its history begins, or empty of pods where those come from elsewhere.
func newWorld(vpas int, pods []*cluster.StartedPod) *world {
	api := &apiServer{}
	return &world{
		Cluster: cluster.New(api, nil, cluster.DefaultRecommender, logr.Discard()), api: api,
		clock: historyStart, vpas: newVPAs(vpas), pods: pods,
	}
}

// newStartedPods are what the recommender's store of pods gives: what pods have in common is shared.
func newStartedPods(vpas int) []*cluster.StartedPod {
	shape := &cluster.Shape{Containers: containerNames[:], Pod: policy.PodOf(newPod(0, 0), nil)}
	pods := make([]*cluster.StartedPod, 0, vpas*podsPerVPA)
	for v := range vpas {
		controller := &target.Controller{Group: "apps", Kind: "Deployment", Namespace: namespaceOf(v), Name: serviceOf(v)}
		for p := range podsPerVPA {
			name := types.NamespacedName{Namespace: controller.Namespace, Name: podOf(v, p)}
			pods = append(pods, &cluster.StartedPod{Name: name, Controller: controller, Created: historyStart.Unix(), Shape: shape})
		}
	}
	return pods
}

// parts are those of a recommender in this world.
func (w *world) parts(o loop.Options) loop.Parts {
	return loop.New(o, w, w, nil, loop.NewMeter(prometheus.NewRegistry()), func() time.Time { return w.clock }, logr.Discard()).Parts()
}

// begin takes up pods and VPAs.
func begin(parts loop.Parts) {
	parts.Match(context.Background())
	parts.Track(context.Background())
}

// fed is a recommender with 8 days behind it of a sample each so often, which has published. Its world has live metrics.
func (w *world) fed(each time.Duration) loop.Parts {
	parts := w.parts(ourOptions())
	begin(parts)
	w.live = newOurLive(len(w.vpas))
	for end := w.clock.Add(historyLength); w.clock.Before(end); w.clock = w.clock.Add(each) {
		w.live.advance(w.clock)
		parts.Fold(context.Background())
	}
	parts.Review()
	parts.Write(context.Background())
	needCount(int(w.statuses.Load()), len(w.vpas))
	return parts
}

// minute folds in a sample of each container, a minute after the last.
func (w *world) minute(parts loop.Parts) {
	w.clock = w.clock.Add(time.Minute)
	w.live.advance(w.clock)
	parts.Fold(context.Background())
}

var _ loop.Cluster = (*world)(nil)

func (w *world) VPAs(context.Context) ([]*vpav1.VerticalPodAutoscaler, error) { return w.vpas, nil }

func (w *world) PodChanges(context.Context) (cluster.Changes, error) {
	changes := cluster.Changes{Pods: w.pods}
	w.pods = nil
	return changes, nil
}

func (w *world) HPAs(target.Controller) []cluster.HPA                       { return nil }
func (w *world) LimitRanges(string) *policy.Ranges                          { return nil }
func (w *world) Exists(types.NamespacedName) bool                           { return true }
func (w *world) Owns(*vpav1.VerticalPodAutoscaler) bool                     { return true }
func (w *world) Event(*vpav1.VerticalPodAutoscaler, string, string, string) {}

func (w *world) Checkpoints(_ context.Context, f func(*vpav1.VerticalPodAutoscalerCheckpoint)) error {
	for _, cp := range w.checkpoints {
		f(cp)
	}
	return nil
}

// WriteStatus changes the object in place: it is the informer's.
func (w *world) WriteStatus(_ context.Context, vpa *vpav1.VerticalPodAutoscaler, status vpav1.VerticalPodAutoscalerStatus) (*vpav1.VerticalPodAutoscaler, error) {
	vpa.Status = status
	vpa.ResourceVersion = strconv.FormatInt(w.statuses.Add(1), 10)
	return vpa, nil
}

var _ loop.Metrics = (*world)(nil)

// Each is a live round.
func (w *world) Each(_ context.Context, f func(usage.Sample)) (podmetrics.Round, error) {
	for _, s := range w.live.samples {
		f(s)
	}
	return podmetrics.Round{Pods: len(w.vpas) * podsPerVPA, Newest: w.live.at}, nil
}

// ourLive is what all containers use, with names of its own, as they come with each answer.
type ourLive struct {
	at      time.Time
	loads   []*load
	samples []usage.Sample // of each container its CPU, then its memory
}

func newOurLive(vpas int) ourLive {
	var l ourLive
	for pod := range vpas * podsPerVPA {
		v := pod / podsPerVPA
		namespace, name := namespaceOf(v), podOf(v, pod%podsPerVPA)
		for c, container := range containerNames {
			l.loads = append(l.loads, newLoad(pod*containersPerPod+c))
			for _, r := range usage.Resources {
				l.samples = append(l.samples, usage.Sample{Container: usage.Container{Namespace: namespace, Pod: name, Name: container}, Resource: r})
			}
		}
	}
	return l
}

func (l *ourLive) advance(at time.Time) {
	l.at = at
	for i, load := range l.loads {
		millicores, bytes := load.next()
		cpu, memory := &l.samples[2*i], &l.samples[2*i+1]
		cpu.Time, cpu.Amount = at, usage.Amount(millicores)
		memory.Time, memory.Amount = at, usage.Amount(bytes)
	}
}

// apiServer takes all that is written as bytes, and counts it. Nothing else of the interface is there.
type apiServer struct {
	client.Client
	written atomic.Int64
}

func (a *apiServer) Create(_ context.Context, object client.Object, _ ...client.CreateOption) error {
	a.written.Add(1)
	_, err := json.Marshal(object)
	return err
}

func (a *apiServer) Patch(_ context.Context, object client.Object, patch client.Patch, _ ...client.PatchOption) error {
	a.written.Add(1)
	_, err := patch.Data(object)
	return err
}
