package loop

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"sigs.k8s.io/yaml"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/estimate"
	"github.com/sartor-vpa/sartor/pkg/lineage"
	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/target"
	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/cluster"
	"github.com/sartor-vpa/sartor/recommender/history"
	"github.com/sartor-vpa/sartor/recommender/podmetrics"
)

var update = flag.Bool("update", false, "write golden files anew; read the diff before committing it")

// world stands for the cluster, the metrics API and Prometheus: what they hold is what a test puts there.
type world struct {
	t        *testing.T
	loop     *Loop
	clock    time.Time
	vpas     map[string]*vpav1.VerticalPodAutoscaler
	others   map[types.NamespacedName]bool // VPAs of other recommenders
	changes  cluster.Changes
	shapes   map[string]*cluster.Shape
	hpas     map[target.Controller][]cluster.HPA
	ranges   *policy.Ranges
	events   []string
	saved    map[types.NamespacedName]*vpav1.VerticalPodAutoscalerCheckpoint
	saves    int
	lists    int // of all checkpoints
	listErr  error
	samples  []usage.Sample
	liveErr  error
	lost     bool // the lease
	killed   chan struct{}
	wanted   map[types.NamespacedName]history.Window
	recent   map[types.NamespacedName]history.Window
	answers  chan history.Answer
	changed  chan struct{}
	writes   int
	version  int
	writeErr error
}

func newWorld(t *testing.T, withHistory bool) *world {
	w := &world{
		t: t, clock: time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC), vpas: map[string]*vpav1.VerticalPodAutoscaler{},
		others: map[types.NamespacedName]bool{}, shapes: map[string]*cluster.Shape{}, hpas: map[target.Controller][]cluster.HPA{},
		saved:  map[types.NamespacedName]*vpav1.VerticalPodAutoscalerCheckpoint{},
		wanted: map[types.NamespacedName]history.Window{}, recent: map[types.NamespacedName]history.Window{}, answers: make(chan history.Answer), changed: make(chan struct{}, 1), killed: make(chan struct{}),
	}
	var h History
	if withHistory {
		h = w
	}
	w.start(h)
	return w
}

// options are the defaults of the flags, without checkpoints.
func options() Options {
	return Options{
		Interval: time.Minute, HistoryLength: 8 * day, ForgetAfter: 8 * day, CandidateSuffix: lineage.DefaultSuffix, WriteTimeout: time.Minute, Workers: 1,
		Aggregate: aggregate.DefaultOptions(), Estimate: estimate.DefaultOptions(), Limits: policy.DefaultLimitPolicy(),
	}
}

// start is a recommender that has just been started: it knows nothing.
func (w *world) start(h History) { w.startWith(options(), h) }

func (w *world) startWith(o Options, h History) {
	known := w.loop
	w.loop = New(o, w, w, h, NewMeter(prometheus.NewRegistry()), func() time.Time { return w.clock }, testr.New(w.t))
	if known == nil {
		return
	}
	// Another process finds the pods that are there.
	for _, p := range known.pods {
		w.changes.Pods = append(w.changes.Pods, p.pod)
	}
}

func (w *world) VPAs(context.Context) ([]*vpav1.VerticalPodAutoscaler, error) {
	var list []*vpav1.VerticalPodAutoscaler
	for _, v := range w.vpas {
		list = append(list, v.DeepCopy())
	}
	return list, nil
}

func (w *world) PodChanges(context.Context) (cluster.Changes, error) {
	changes := w.changes
	w.changes = cluster.Changes{}
	return changes, nil
}

func (w *world) Each(_ context.Context, f func(usage.Sample)) (podmetrics.Round, error) {
	round := podmetrics.Round{}
	for _, s := range w.samples {
		f(s)
		round.Pods++
		round.Newest = latest(round.Newest, s.Time)
	}
	return round, w.liveErr
}

func (w *world) PodsSignal() <-chan struct{} { return w.killed }

func (w *world) HPAs(c target.Controller) []cluster.HPA { return w.hpas[c] }

func (w *world) LimitRanges(string) *policy.Ranges { return w.ranges }

func (w *world) Exists(name types.NamespacedName) bool {
	return w.vpas[name.Name] != nil || w.others[name]
}

func (w *world) Owns(*vpav1.VerticalPodAutoscaler) bool { return !w.lost }

func (w *world) Checkpoints(_ context.Context, f func(*vpav1.VerticalPodAutoscalerCheckpoint)) error {
	w.lists++
	if w.listErr != nil {
		return w.listErr
	}
	for _, cp := range w.saved {
		f(cp.DeepCopy())
	}
	return nil
}

func (w *world) WriteCheckpoint(_ context.Context, cp *vpav1.VerticalPodAutoscalerCheckpoint) error {
	if w.writeErr != nil {
		return w.writeErr
	}
	w.saves++
	// By way of the API's own form: times lose what it does not keep.
	text, err := json.Marshal(cp)
	require.NoError(w.t, err)
	stored := &vpav1.VerticalPodAutoscalerCheckpoint{}
	require.NoError(w.t, json.Unmarshal(text, stored))
	name := types.NamespacedName{Namespace: cp.Namespace, Name: cp.Name}
	stored.CreationTimestamp = metav1.NewTime(w.clock)
	if was := w.saved[name]; was != nil {
		stored.CreationTimestamp = was.CreationTimestamp
	}
	w.saved[name] = stored
	return nil
}

func (w *world) DeleteCheckpoint(_ context.Context, name types.NamespacedName) error {
	delete(w.saved, name)
	return nil
}

func (w *world) Event(vpa *vpav1.VerticalPodAutoscaler, kind, reason, message string) {
	w.events = append(w.events, fmt.Sprintf("%s %s %s: %s", vpa.Name, kind, reason, message))
}

func (w *world) Changed() <-chan struct{}                           { return w.changed }
func (w *world) Answers() <-chan history.Answer                     { return w.answers }
func (w *world) Want(name types.NamespacedName, win history.Window) { w.wanted[name] = win }
func (w *world) WantRecent(name types.NamespacedName, win history.Window) {
	w.recent[name] = win
}
func (w *world) Forget(name types.NamespacedName) { delete(w.wanted, name) }

func (w *world) WriteStatus(_ context.Context, vpa *vpav1.VerticalPodAutoscaler, s vpav1.VerticalPodAutoscalerStatus) (*vpav1.VerticalPodAutoscaler, error) {
	if w.writeErr != nil {
		return nil, w.writeErr
	}
	w.writes++
	written := vpa.DeepCopy()
	written.Status = *s.DeepCopy()
	w.version++
	written.ResourceVersion = strconv.Itoa(w.version)
	w.vpas[vpa.Name] = written
	return written.DeepCopy(), nil
}

// vpa creates or changes a VPA on the Deployment of the same name.
func (w *world) vpa(name string, change func(*vpav1.VerticalPodAutoscaler)) {
	v := w.vpas[name]
	if v == nil {
		v = &vpav1.VerticalPodAutoscaler{
			ObjectMeta: metav1.ObjectMeta{Namespace: "store", Name: name, UID: types.UID(name)},
			Spec:       vpav1.VerticalPodAutoscalerSpec{TargetRef: &autoscalingv1.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: name}},
		}
		w.vpas[name] = v
	}
	v.Generation++
	w.version++
	v.ResourceVersion = strconv.Itoa(w.version)
	if change != nil {
		change(v)
	}
}

func bounded(lowest, highest corev1.ResourceList) func(*vpav1.VerticalPodAutoscaler) {
	return func(v *vpav1.VerticalPodAutoscaler) {
		v.Spec.ResourcePolicy = &vpav1.PodResourcePolicy{ContainerPolicies: []vpav1.ContainerResourcePolicy{{ContainerName: "*", MinAllowed: lowest, MaxAllowed: highest}}}
	}
}

func list(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
}

const replica = "-7d9f8b6c5-x2x4z"

// pod starts a pod of the Deployment, whose containers declare 100m/512Mi and limits 2/1Gi.
func (w *world) pod(deployment string, containers ...string) {
	w.podNamed(deployment, deployment+replica, containers...)
}

// podNamed starts a pod of that name. Pods with the same containers share their shape.
func (w *world) podNamed(deployment, name string, containers ...string) {
	key := fmt.Sprint(containers)
	if w.shapes[key] == nil {
		var pod corev1.Pod
		for _, c := range containers {
			pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: c, Resources: corev1.ResourceRequirements{Requests: list("100m", "512Mi"), Limits: list("2", "1Gi")}})
		}
		w.shapes[key] = &cluster.Shape{Containers: containers, Pod: policy.PodOf(&pod, nil)}
	}
	w.changes.Gone = slices.DeleteFunc(w.changes.Gone, func(gone types.NamespacedName) bool { return gone.Name == name })
	w.changes.Pods = append(w.changes.Pods, &cluster.StartedPod{
		Name:       types.NamespacedName{Namespace: "store", Name: name},
		Controller: &target.Controller{Group: "apps", Kind: "Deployment", Namespace: "store", Name: deployment},
		Created:    w.clock.Unix(), Shape: w.shapes[key],
	})
}

// kill ends the pod of the Deployment.
func (w *world) kill(deployment string) {
	w.changes.Gone = append(w.changes.Gone, types.NamespacedName{Namespace: "store", Name: deployment + replica})
}

// oom kills a container of the Deployment's pod, which requested so many MiB.
func (w *world) oom(deployment, container string, requested int) {
	w.changes.OOMs = append(w.changes.OOMs, cluster.OOM{
		Container: usage.Container{Namespace: "store", Pod: deployment + replica, Name: container},
		Memory:    usage.Amount(requested) << 20, At: w.clock,
	})
}

// use is what a container of the Deployment's pod uses now, in millicores and MiB.
func (w *world) use(deployment, container string, cpu, memory int) {
	c := usage.Container{Namespace: "store", Pod: deployment + replica, Name: container}
	w.samples = append(w.samples,
		usage.Sample{Container: c, Resource: usage.CPU, Time: w.clock, Amount: usage.Amount(cpu)},
		usage.Sample{Container: c, Resource: usage.Memory, Time: w.clock, Amount: usage.Amount(memory) << 20})
}

// tick is one round of the loop, a minute after the last.
func (w *world) tick() {
	w.loop.tick(context.Background())
	w.drain()
	w.clock, w.samples = w.clock.Add(time.Minute), nil
}

// drain writes all that waits to be written.
func (w *world) drain() {
	for !w.loop.backlog.empty() {
		w.loop.write(context.Background())
	}
}

// answer gives the VPA a history.
func (w *world) answer(name, container string, cpu, memory int) {
	w.hear(w.pastOf(name, container, cpu, memory))
}

// pastOf is a history of steady use by one container of a pod that is gone.
func (w *world) pastOf(name, container string, cpu, memory int) history.Answer {
	key := types.NamespacedName{Namespace: "store", Name: name}
	win, ok := w.wanted[key]
	require.True(w.t, ok, "history of %s was asked for", name)
	learnt := aggregate.NewWorkload(aggregate.DefaultOptions())
	c := usage.Container{Namespace: "store", Pod: name + "-5c4f8bd97d-zqk9w", Name: container}
	n := 0
	for at := win.From; at.Before(win.To); at = at.Add(time.Minute) {
		learnt.Add(usage.Sample{Container: c, Resource: usage.CPU, Time: at, Amount: usage.Amount(cpu)})
		learnt.Add(usage.Sample{Container: c, Resource: usage.Memory, Time: at, Amount: usage.Amount(memory) << 20})
		n += 2
	}
	return history.Answer{VPA: key, Window: win, Usage: learnt, Progress: history.Progress{Done: 9, Total: 9, Samples: n, Resolution: time.Minute, First: win.From, Covered: 100}}
}

// hear has the loop take an answer of history.
func (w *world) hear(a history.Answer) {
	w.loop.review(w.loop.learn(a))
	w.drain()
}

// golden compares the statuses of the named VPAs with a file that reads like a document.
func (w *world) golden(names ...string) {
	w.t.Helper()
	var got []byte
	for _, name := range names {
		status, err := yaml.Marshal(map[string]vpav1.VerticalPodAutoscalerStatus{name: w.vpas[name].Status})
		require.NoError(w.t, err)
		got = append(got, status...)
	}
	w.goldenText(string(got), ".yaml")
}

func (w *world) goldenText(got, extension string) {
	w.t.Helper()
	file := filepath.Join("testdata", w.t.Name()+extension)
	if *update {
		require.NoError(w.t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(w.t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(w.t, err, "run go test -update, then read what it wrote")
	require.Equal(w.t, string(want), got)
}

func (w *world) target(name, container string, r corev1.ResourceName) string {
	if rec := w.vpas[name].Status.Recommendation; rec != nil {
		for i := range rec.ContainerRecommendations {
			if q, ok := rec.ContainerRecommendations[i].Target[r]; ok && rec.ContainerRecommendations[i].ContainerName == container {
				return q.String()
			}
		}
	}
	return "nothing"
}
