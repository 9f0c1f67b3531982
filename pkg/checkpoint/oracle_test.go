package checkpoint

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/logic"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/model"
	"pgregory.net/rapid"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/estimate"
	"github.com/sartor-vpa/sartor/pkg/upstreamtest"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// A world is a recommender of ours and one made of upstream's parts, which are told the same. Whatever happens, in
// whatever order, and whoever starts from whose checkpoints, both must recommend the same.
type world struct {
	t      require.TestingT
	now    time.Time
	rules  map[string]aggregate.Rules
	ours   *aggregate.Workload
	theirs *upstreamtest.Workload
}

func newWorld(t require.TestingT) *world {
	w := &world{t: t, now: start, rules: map[string]aggregate.Rules{}}
	w.forgetAll()
	return w
}

// forgetAll is what a restart does, before anything is loaded.
func (w *world) forgetAll() {
	w.ours, w.theirs = aggregate.NewWorkload(aggregate.DefaultOptions()), upstreamtest.NewWorkload()
	for name := range w.rules {
		w.applyRules(name)
	}
}

// What a byte of a scenario stands for.
var (
	pods       = []string{"shop-1", "shop-2", "shop-3"}
	containers = []string{"app", "proxy"}
	steps      = []time.Duration{
		0, time.Minute, time.Minute, time.Minute, 0, 700 * time.Millisecond, -time.Second, -90 * time.Minute,
		5 * time.Minute, time.Hour, 7 * time.Hour, 24 * time.Hour, 26 * time.Hour, 9 * 24 * time.Hour, 150 * 24 * time.Hour, -26 * time.Hour,
	}
	intervals = []time.Duration{24 * time.Hour, time.Hour, 10 * time.Minute, 49 * time.Hour}
)

// amountOf spreads a byte over amounts from 0 to beyond what there can be.
func amountOf(b byte) usage.Amount {
	if b == 255 {
		return 2e14
	}
	return usage.Amount(b&15) << (b >> 4 * 3)
}

// run plays a scenario: four bytes for each event, which are what happens, to whom, after what time, and how much.
func (w *world) run(scenario []byte) {
	const most = 400 // 400 of the longest steps end before the year 2200
	for n := 0; len(scenario) >= 4 && n < most; n++ {
		w.event(scenario[0], scenario[1], scenario[2], scenario[3])
		scenario = scenario[4:]
	}
	w.restart()
}

func (w *world) event(what, who, step, amount byte) {
	w.now = w.now.Add(steps[int(step)%len(steps)])
	c := usage.Container{Namespace: "store", Pod: pods[int(who>>1)%len(pods)], Name: containers[who&1]}
	switch what % 12 {
	case 0, 1, 2, 3:
		w.sample(usage.Sample{Container: c, Resource: usage.CPU, Time: w.now, Amount: amountOf(amount)})
	case 4, 5, 6, 7:
		w.sample(usage.Sample{Container: c, Resource: usage.Memory, Time: w.now, Amount: amountOf(amount)})
	case 8:
		_, counted := w.ours.AddOOM(c, amountOf(amount), w.now)
		require.Equal(w.t, w.theirs.AddOOM(c, amountOf(amount), w.now), counted)
	case 9:
		w.rules[c.Name] = aggregate.Rules{
			MemoryInterval: intervals[int(amount)%len(intervals)], OOMBumpUpRatio: 1 + float64(amount)/100, OOMMinBumpUp: usage.Amount(amount) << 22,
		}
		w.applyRules(c.Name)
	case 10:
		w.ours.Forget(c.Pod)
		w.theirs.Forget(c.Pod)
	case 11:
		w.restart()
	}
}

func (w *world) sample(s usage.Sample) {
	require.Equal(w.t, w.theirs.Add(s), w.ours.Add(s))
}

func (w *world) applyRules(name string) {
	r := w.rules[name]
	w.ours.SetRules(name, r)
	w.theirs.SetRules(name, r.MemoryInterval, r.OOMBumpUpRatio, r.OOMMinBumpUp)
}

// save is what upstream's checkpoint writer stores of a container.
func (w *world) save(name string) *vpav1.VerticalPodAutoscalerCheckpoint {
	status, err := w.theirs.Save(name, w.now).SaveToCheckpoint()
	require.NoError(w.t, err)
	return &vpav1.VerticalPodAutoscalerCheckpoint{
		ObjectMeta: metav1.ObjectMeta{Namespace: owner.Namespace, Name: Name(owner.VPA, name)},
		Spec:       vpav1.VerticalPodAutoscalerCheckpointSpec{VPAObjectName: owner.VPA, ContainerName: name},
		Status:     *status,
	}
}

// restart compares what both recommend before and after each has started from what the other has stored: peaks of running
// intervals are there only before.
func (w *world) restart() {
	w.compare()
	w.exchange()
	w.compare()
}

// exchange stores both, compares what was stored, and starts each anew from what the other has stored.
func (w *world) exchange() {
	ours, theirs := map[string]*vpav1.VerticalPodAutoscalerCheckpoint{}, map[string]*vpav1.VerticalPodAutoscalerCheckpoint{}
	for _, name := range w.ours.Containers() {
		saved, ok := w.ours.Save(name, w.now)
		require.True(w.t, ok)
		ours[name] = throughAPI(w.t, Encode(owner, name, saved, Coverage{From: start, To: start.Add(time.Hour)}, w.now))
		theirs[name] = throughAPI(w.t, w.save(name))
		want, got := theirs[name].DeepCopy(), ours[name].DeepCopy()
		want.Status.LastUpdateTime, got.Annotations = got.Status.LastUpdateTime, nil
		require.Equal(w.t, want, got, "what is stored is upstream's to the last bit")
		w.reread(name, ours[name], saved)
	}
	w.forgetAll()
	for name := range ours {
		d, err := Decode(theirs[name], owner)
		require.NoError(w.t, err)
		require.NoError(w.t, w.ours.Load(name, d.Checkpoint))
		require.NoError(w.t, w.theirs.Aggregate(name).LoadFromCheckpoint(&ours[name].Status))
	}
}

// reread reads our own back, which must bring all that was saved.
func (w *world) reread(name string, stored *vpav1.VerticalPodAutoscalerCheckpoint, saved aggregate.Checkpoint) {
	d, err := Decode(stored, owner)
	require.NoError(w.t, err)
	require.Equal(w.t, saved.Running, d.Checkpoint.Running)
	again := aggregate.NewWorkload(aggregate.DefaultOptions())
	require.NoError(w.t, again.Load(name, d.Checkpoint))
	resaved, ok := again.Save(name, w.now)
	require.True(w.t, ok)
	require.Equal(w.t, saved.Running, resaved.Running)
	require.Equal(w.t, saved.CPU.Weights, resaved.CPU.Weights)
	require.Equal(w.t, saved.Samples, resaved.Samples)
}

// compare fails unless both recommend the same.
func (w *world) compare() {
	theirs := model.ContainerNameToAggregateStateMap{}
	for _, name := range w.ours.Containers() {
		theirs[name] = w.theirs.Aggregate(name)
	}
	o := estimate.DefaultOptions()
	want := logic.CreatePodResourceRecommender(upstreamtest.Defaults()).GetRecommendedPodResources(theirs)
	for name := range theirs {
		got := estimate.Recommend(w.ours.Aggregate(name), o.Share(len(theirs)), o)
		for _, r := range usage.Resources {
			if m := model.ResourceName(r.String()); got[r].Known {
				require.EqualValues(w.t, want[name].Target[m], got[r].Target, "%s's target of %s", name, r)
				require.EqualValues(w.t, want[name].LowerBound[m], got[r].LowerBound, "%s's lower bound of %s", name, r)
				require.EqualValues(w.t, want[name].UpperBound[m], got[r].UpperBound, "%s's upper bound of %s", name, r)
			}
		}
		require.Equal(w.t, theirs[name].AggregateCPUUsage.IsEmpty(), !got[usage.CPU].Known)
		require.Equal(w.t, theirs[name].AggregateMemoryPeaks.IsEmpty(), !got[usage.Memory].Known)
	}
}

// scenarios are what fuzzing starts from.
var scenarios = map[string][]byte{
	"a minute": {0, 0, 1, 0x95, 4, 0, 0, 0x99},
	"a peak is raised and stored while its interval runs": {4, 0, 1, 0x91, 4, 0, 1, 0x92, 11, 0, 1, 0, 4, 0, 1, 0x91, 11, 0, 11, 0},
	"a kill, a higher one, usage above both":              {4, 0, 1, 0x93, 8, 0, 1, 0x93, 8, 0, 1, 0x95, 4, 0, 1, 0xa9, 8, 0, 1, 0},
	"a loop of kills":                                     {4, 0, 1, 0x93, 8, 0, 1, 0, 8, 0, 1, 0, 8, 0, 1, 0, 8, 0, 1, 0},
	"a kill of one that was never seen, from the past":    {8, 0, 1, 0, 8, 0, 7, 0x91, 8, 0, 15, 0x91, 4, 0, 1, 0x91},
	"peaks of nothing":                                    {4, 0, 1, 0, 4, 0, 1, 0x95, 4, 0, 11, 0, 11, 0, 0, 0, 4, 0, 1, 0},
	"a clock goes back by a day":                          {0, 0, 1, 0x33, 4, 0, 0, 0x91, 0, 0, 15, 0x35, 4, 0, 0, 0x95, 8, 0, 0, 0x95},
	"a gap of 150 days, twice":                            {0, 0, 1, 0x33, 4, 0, 0, 0x91, 0, 0, 14, 0x35, 4, 0, 0, 0x95, 11, 0, 0, 0, 0, 0, 14, 0x31, 4, 0, 0, 0x81},
	"rules change in an interval":                         {9, 0, 0, 2, 4, 0, 1, 0x91, 4, 0, 8, 0x92, 9, 0, 0, 3, 4, 0, 8, 0x93, 4, 0, 1, 0x92, 8, 0, 0, 0x94},
	"two pods, one is gone":                               {4, 0, 1, 0x91, 4, 2, 1, 0x95, 4, 3, 0, 0x95, 10, 0, 0, 0, 4, 0, 1, 0x93, 11, 0, 0, 0, 4, 2, 1, 0x99},
	"more than there can be":                              {0, 0, 1, 255, 4, 0, 0, 255, 8, 0, 0, 255, 11, 0, 12, 0, 0, 0, 1, 0},
}

func TestWhateverHappensBothRecommendTheSame(t *testing.T) {
	for name, scenario := range scenarios {
		t.Run(name, func(t *testing.T) { newWorld(t).run(scenario) })
	}
	t.Run("drawn", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			newWorld(t).run(rapid.SliceOfN(rapid.Byte(), 100, 600).Draw(t, "scenario"))
		})
	})
}

func FuzzWhateverHappensBothRecommendTheSame(f *testing.F) {
	for _, scenario := range scenarios {
		f.Add(scenario)
	}
	f.Fuzz(func(t *testing.T, scenario []byte) { newWorld(t).run(scenario) })
}
