package loop

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/checkpoint"
	"github.com/sartor-vpa/sartor/recommender/history"
)

// saving are options with checkpoints.
func saving() Options {
	o := options()
	o.CheckpointInterval, o.CollectInterval = 10*time.Minute, 10*time.Minute
	return o
}

func newSavingWorld(t *testing.T, withHistory bool) *world {
	w := newWorld(t, withHistory)
	w.restart(withHistory)
	return w
}

// restart is a new process after one that was killed.
func (w *world) restart(withHistory bool) {
	var h History
	if withHistory {
		h = w
	}
	w.wanted = map[types.NamespacedName]history.Window{}
	w.startWith(saving(), h)
}

func (w *world) useFor(minutes int, deployment, container string, cpu, memory int) {
	for range minutes {
		w.use(deployment, container, cpu, memory)
		w.tick()
	}
}

// useForHours is useFor with a sample every ten minutes.
func (w *world) useForHours(hours int, deployment, container string, cpu, memory int) {
	for range hours * 6 {
		w.clock = w.clock.Add(9 * time.Minute)
		w.useFor(1, deployment, container, cpu, memory)
	}
}

func TestARestartGoesOnFromCheckpoints(t *testing.T) {
	w := newSavingWorld(t, false)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.useForHours(3*24-2, "shop", "shop", 480, 700)
	w.useFor(15, "shop", "shop", 480, 700)
	before := w.vpas["shop"].Status.Recommendation.DeepCopy()

	w.clock = w.clock.Add(5 * time.Minute)
	w.restart(false)
	w.useFor(5, "shop", "shop", 5, 20)
	require.Equal(t, before, w.vpas["shop"].Status.Recommendation)
	require.NotContains(t, condition(w, "shop", vpav1.RecommendationProvided).Message, "last publication", "a restart is no news")
	w.useFor(20, "shop", "shop", 5, 20)
	require.Equal(t, before.ContainerRecommendations[0].Target, w.vpas["shop"].Status.Recommendation.ContainerRecommendations[0].Target, "20 quiet minutes are little beside three days")
	w.golden("shop")
}

func TestALongTimeWithoutARecommenderIsToldWhileItIsMadeUpFor(t *testing.T) {
	w := newSavingWorld(t, false)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.useForHours(30, "shop", "shop", 480, 700)
	w.useFor(15, "shop", "shop", 480, 700)
	before := w.target("shop", "shop", corev1.ResourceCPU)
	w.clock = w.clock.Add(5 * time.Hour)
	w.restart(false)
	w.useFor(4*60, "shop", "shop", 5, 20)
	require.Equal(t, before, w.target("shop", "shop", corev1.ResourceCPU))
	require.Contains(t, condition(w, "shop", vpav1.RecommendationProvided).Message, "until live metrics cover what a restart missed")
	w.useFor(2*60, "shop", "shop", 5, 20)
	require.NotContains(t, condition(w, "shop", vpav1.RecommendationProvided).Message, "the last publication")
}

func TestNothingMovesWhenTheRecommenderIsKilledAtAnyMoment(t *testing.T) {
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := newSavingWorld(t, false)
		w.vpa("shop", nil)
		w.vpa("till", nil)
		w.vpa("till-rc", nil)
		for _, name := range []string{"shop", "till", "till-rc"} {
			w.pod(name, name, "proxy")
		}
		for range 30 {
			for range r.IntN(30) {
				w.bursts(r)
				w.tick()
			}
			before := targets(w)
			w.clock = w.clock.Add(time.Duration(r.IntN(600)) * time.Second)
			w.restart(false)
			for range 1 + r.IntN(3) {
				if r.IntN(2) == 0 {
					w.bursts(r)
				}
				w.tick()
				requireNear(t, before, targets(w))
			}
		}
	}
}

// bursts is a minute of usage that is anything but steady.
func (w *world) bursts(r *rand.Rand) {
	for _, name := range []string{"shop", "till", "till-rc"} {
		w.use(name, name, 20+int(200*math.Exp(2*r.NormFloat64())), 50+int(300*math.Exp(r.NormFloat64())))
		w.use(name, "proxy", 5+r.IntN(50), 60)
	}
}

// targets are all published values by VPA, container, bound and resource.
func targets(w *world) map[string]float64 {
	all := map[string]float64{}
	for name, vpa := range w.vpas {
		if vpa.Status.Recommendation == nil {
			continue
		}
		for _, rec := range vpa.Status.Recommendation.ContainerRecommendations {
			for bound, list := range map[string]corev1.ResourceList{"target": rec.Target, "lower": rec.LowerBound, "upper": rec.UpperBound} {
				for r, q := range list {
					all[name+"/"+rec.ContainerName+" "+bound+" "+string(r)] = q.AsApproximateFloat64()
				}
			}
		}
	}
	return all
}

// requireNear allows for the bucket of the histogram that a value stands in, or 5 % if that is more. Buckets grow by
// 5 % from a first one of 10m and 10 MB, and values carry a margin of 15 %.
func requireNear(t *testing.T, before, after map[string]float64) {
	t.Helper()
	for key, was := range before {
		is, ok := after[key]
		require.True(t, ok, "%s is gone", key)
		first := 0.01
		if strings.HasSuffix(key, "memory") {
			first = 1e7
		}
		allowed := 1.15*first + 0.05*was
		if strings.Contains(key, " upper ") {
			allowed += 0.1 * was // in the first minutes confidence grows by some percent with each, killed or not
		}
		require.InDelta(t, was, is, allowed, key)
	}
}

func TestCheckpointsAreWrittenOnceInAnIntervalAndOnlyIfSomethingChanged(t *testing.T) {
	w := newSavingWorld(t, false)
	w.vpa("shop", nil)
	w.pod("shop", "shop", "proxy")
	w.use("shop", "shop", 480, 700)
	w.tick()
	require.Equal(t, 1, w.saves, "the first one at once: a kill must not take all")
	w.useFor(60, "shop", "shop", 480, 700)
	require.LessOrEqual(t, w.saves, 1+6)
	require.GreaterOrEqual(t, w.saves, 1+4)
	before := w.saves
	for range 60 {
		w.tick()
	}
	require.LessOrEqual(t, w.saves, before+1, "what came after the last one, and no more")
}

func TestWhatIsUnsavedIsSavedAtTheEnd(t *testing.T) {
	w := newSavingWorld(t, false)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.useFor(3, "shop", "shop", 480, 700)
	before := w.saves
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.NoError(t, w.loop.stop(ctx))
	require.Equal(t, before+1, w.saves)
	require.NoError(t, w.loop.stop(ctx))
	require.Equal(t, before+1, w.saves, "there is nothing more to save")
}

func TestARecreatedVPADoesNotLearnFromItsNamesakesCheckpoint(t *testing.T) {
	for name, change := range map[string]func(*world, *vpav1.VerticalPodAutoscaler){
		"recreated":  func(_ *world, v *vpav1.VerticalPodAutoscaler) { v.UID = "another" },
		"retargeted": func(_ *world, v *vpav1.VerticalPodAutoscaler) { v.Spec.TargetRef.Name = "till" },
		"recreated, and the checkpoint is upstream's": func(w *world, v *vpav1.VerticalPodAutoscaler) {
			for _, cp := range w.saved {
				delete(cp.Annotations, checkpoint.Annotation)
			}
			v.UID, v.CreationTimestamp.Time = "another", w.clock
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newSavingWorld(t, false)
			w.vpa("shop", nil)
			w.pod("shop", "app")
			w.pod("till", "app")
			w.useForHours(2*24, "shop", "app", 3000, 3000)
			w.vpa("shop", func(v *vpav1.VerticalPodAutoscaler) {
				v.Status = vpav1.VerticalPodAutoscalerStatus{}
				change(w, v)
			})
			w.restart(false)
			w.use("shop", "app", 20, 100)
			w.use("till", "app", 20, 100)
			w.tick()
			require.Equal(t, "25m", w.target("shop", "app", corev1.ResourceCPU))
		})
	}
}

func TestARecreatedVPAHasItsOwnCheckpointInTheObjectOfItsNamesake(t *testing.T) {
	w := newSavingWorld(t, false)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.useForHours(1, "shop", "shop", 3000, 3000)
	w.clock = w.clock.Add(time.Hour)
	w.vpa("shop", func(v *vpav1.VerticalPodAutoscaler) {
		v.UID, v.CreationTimestamp.Time, v.Status = "another", w.clock, vpav1.VerticalPodAutoscalerStatus{}
	})
	w.tick()
	w.useForHours(2, "shop", "shop", 480, 700)
	w.vpas["shop"].Status = vpav1.VerticalPodAutoscalerStatus{}
	w.restart(false)
	w.tick()
	require.Equal(t, "587m", w.target("shop", "shop", corev1.ResourceCPU))
}

func TestUpstreamsCheckpointIsTaken(t *testing.T) {
	w := newSavingWorld(t, false)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.useForHours(2*24+1, "shop", "shop", 480, 700)
	for _, cp := range w.saved {
		cp.Annotations = nil
	}
	w.vpas["shop"].Status = vpav1.VerticalPodAutoscalerStatus{}
	w.restart(false)
	w.tick()
	require.Equal(t, "587m", w.target("shop", "shop", corev1.ResourceCPU))
}

func TestWithCheckpointsOnlyTheGapIsReadFromPrometheus(t *testing.T) {
	w := newSavingWorld(t, true)
	key := types.NamespacedName{Namespace: "store", Name: "shop"}
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.tick()
	first := w.wanted[key]
	w.answer("shop", "shop", 480, 700)
	w.useFor(60, "shop", "shop", 480, 700)
	before := w.vpas["shop"].Status.DeepCopy()
	w.clock = w.clock.Add(30 * time.Minute)

	w.restart(true)
	w.tick()
	window := w.wanted[key]
	require.WithinDuration(t, first.From, window.Known.From, 0, "what history brought is in the checkpoint")
	gap := window.To.Sub(window.Known.To)
	require.Greater(t, gap, 29*time.Minute)
	require.LessOrEqual(t, gap, 42*time.Minute)
	require.Equal(t, before, &w.vpas["shop"].Status, "no word of it: a restart is no news")
	w.hear(history.Answer{VPA: key, Window: window, Usage: newWorkload()})
	require.Equal(t, before, &w.vpas["shop"].Status)
}

func TestWhereAContainerHasNoCheckpointHistoryIsReadWhole(t *testing.T) {
	w := newSavingWorld(t, true)
	key := types.NamespacedName{Namespace: "store", Name: "shop"}
	w.vpa("shop", nil)
	w.pod("shop", "shop", "proxy")
	w.tick()
	w.answer("shop", "shop", 480, 700)
	w.useFor(20, "shop", "shop", 480, 700)
	w.restart(true)
	w.tick()
	require.Zero(t, w.wanted[key].Known)
	require.Equal(t, "587m", w.target("shop", "shop", corev1.ResourceCPU), "held meanwhile")
}

func TestCheckpointsOfNobodyAreDeletedAndOthersStay(t *testing.T) {
	w := newSavingWorld(t, false)
	w.vpa("shop", nil)
	w.vpa("theirs", nil)
	for _, name := range []string{"shop", "theirs"} {
		w.pod(name, name)
		w.use(name, name, 480, 700)
	}
	w.tick()
	require.Len(t, w.saved, 2)
	delete(w.vpas, "theirs")
	w.others[types.NamespacedName{Namespace: "store", Name: "theirs"}] = true // another recommender's from now on
	w.useFor(15, "shop", "shop", 480, 700)
	require.Len(t, w.saved, 2)
	delete(w.others, types.NamespacedName{Namespace: "store", Name: "theirs"})
	w.useFor(15, "shop", "shop", 480, 700)
	require.Len(t, w.saved, 1)
}

func TestARenamedContainerIsForgottenWithItsCheckpoint(t *testing.T) {
	w := newSavingWorld(t, false)
	w.vpa("shop", nil)
	w.pod("shop", "web")
	w.useFor(30, "shop", "web", 480, 700)
	w.kill("shop")
	w.tick()
	w.pod("shop", "shop")
	w.useForHours(7*24, "shop", "shop", 480, 700)
	require.Len(t, w.saved, 2, "it may come back")
	w.useForHours(25, "shop", "shop", 480, 700)
	require.Len(t, w.saved, 1)
	require.NotNil(t, w.saved[types.NamespacedName{Namespace: "store", Name: "shop-shop"}])
}

func TestAWorkloadThatIsScaledToZeroKeepsWhatItKnows(t *testing.T) {
	w := newSavingWorld(t, false)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.useFor(30, "shop", "shop", 480, 700)
	w.kill("shop")
	for range 20 * 24 {
		w.clock = w.clock.Add(time.Hour)
		w.tick()
	}
	require.Equal(t, "587m", w.target("shop", "shop", corev1.ResourceCPU))
	require.Len(t, w.saved, 1)
}

func TestACheckpointThatCannotBeReadStopsNobody(t *testing.T) {
	w := newSavingWorld(t, false)
	for _, name := range []string{"broken", "shop"} {
		w.vpa(name, nil)
		w.pod(name, name)
		w.use(name, name, 480, 700)
	}
	w.tick()
	w.saved[types.NamespacedName{Namespace: "store", Name: "broken-broken"}].Status.CPUHistogram.BucketWeights = map[int]uint32{4711: 1}
	w.restart(false)
	w.tick()
	w.use("broken", "broken", 200, 700)
	w.tick()
	require.Equal(t, "587m", w.target("shop", "shop", corev1.ResourceCPU))
	require.Equal(t, "247m", w.target("broken", "broken", corev1.ResourceCPU))
}

func TestAFailedCheckpointIsWrittenInTheNextRound(t *testing.T) {
	w := newSavingWorld(t, false)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.writeErr = context.DeadlineExceeded
	w.use("shop", "shop", 480, 700)
	w.tick()
	require.Empty(t, w.saved)
	w.writeErr = nil
	w.tick()
	require.Len(t, w.saved, 1)
}

func TestACheckpointFromAClockThatWasAheadHidesNothing(t *testing.T) {
	w := newSavingWorld(t, false)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.clock = w.clock.Add(time.Hour)
	w.useFor(2, "shop", "shop", 480, 700)
	w.clock = w.clock.Add(-time.Hour)
	w.restart(false)
	w.useFor(90, "shop", "shop", 900, 700)
	require.Greater(t, w.loop.vpas[types.NamespacedName{Namespace: "store", Name: "shop"}].usage.Aggregate("shop").Samples(), 20)
}

func newWorkload() *aggregate.Workload { return aggregate.NewWorkload(aggregate.DefaultOptions()) }

func TestANewVPACostsNoListOfAllCheckpoints(t *testing.T) {
	w := newSavingWorld(t, false)
	w.vpa("shop", nil)
	w.tick()
	before := w.lists
	w.vpa("till", nil)
	w.loop.options.CollectInterval = 0
	w.tick()
	require.Equal(t, before, w.lists)
	w.vpa("theirs", func(v *vpav1.VerticalPodAutoscaler) { v.Status = w.vpas["shop"].Status })
	w.vpas["theirs"].Status.Recommendation = &vpav1.RecommendedPodResources{ContainerRecommendations: []vpav1.RecommendedContainerResources{{ContainerName: "app"}}}
	w.tick()
	require.Equal(t, before+1, w.lists, "another replica worked on it")
}

func TestCheckpointsThatCannotBeReadAreWaitedForAndNotWrittenOver(t *testing.T) {
	w := newSavingWorld(t, false)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.useForHours(30, "shop", "shop", 480, 700)
	before, saves := w.vpas["shop"].Status.DeepCopy(), w.saves
	w.restart(false)
	w.loop.started.Store(w.clock.Unix())
	w.listErr = errors.New("etcdserver: request timed out")
	w.useFor(4, "shop", "shop", 20, 20)
	require.Equal(t, before, &w.vpas["shop"].Status)
	require.Equal(t, saves, w.saves)
	w.listErr = nil
	w.useFor(30, "shop", "shop", 480, 700)
	require.Equal(t, "587m", w.target("shop", "shop", corev1.ResourceCPU))
	require.Greater(t, w.loop.vpas[types.NamespacedName{Namespace: "store", Name: "shop"}].usage.Aggregate("shop").Samples(), 100)
	require.Greater(t, w.saves, saves)
}

func TestWhereCheckpointsCanNeverBeReadTheRecommenderWorksWithout(t *testing.T) {
	w := newSavingWorld(t, false)
	w.loop.started.Store(w.clock.Unix())
	w.listErr = errors.New("forbidden")
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.useFor(7, "shop", "shop", 480, 700)
	require.Equal(t, "587m", w.target("shop", "shop", corev1.ResourceCPU))
}

func TestAtTheEndWhatWasSavedLongestAgoComesFirst(t *testing.T) {
	w := newSavingWorld(t, false)
	for _, name := range []string{"a", "b", "c"} {
		w.vpa(name, nil)
		w.pod(name, name)
	}
	for _, name := range []string{"c", "a", "b"} {
		w.useFor(1, name, name, 480, 700)
	}
	for _, name := range []string{"a", "b", "c"} {
		w.use(name, name, 480, 700)
	}
	w.loop.fold(context.Background())
	w.loop.saveAll()
	var order []string
	for _, t := range w.loop.backlog.checkpoints {
		order = append(order, t.vpa.Name)
	}
	require.Equal(t, []string{"c", "a", "b"}, order)
}
