package loop

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/lineage"
	"github.com/sartor-vpa/sartor/pkg/target"
	"github.com/sartor-vpa/sartor/recommender/cluster"
)

// annotated sets annotations.
func annotated(pairs ...string) func(*vpav1.VerticalPodAutoscaler) {
	return func(v *vpav1.VerticalPodAutoscaler) {
		v.Annotations = map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			v.Annotations[pairs[i]] = pairs[i+1]
		}
	}
}

func TestAnOOMKillRaisesMemory(t *testing.T) {
	w := newWorld(t, false)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.useFor(30, "shop", "shop", 480, 400)
	w.oom("shop", "shop", 512)
	w.tick()
	// used = max(512Mi requested, 400Mi used); max(512Mi + 100Mi, 512Mi x 1.2) is 614.4Mi; the bucket ends at 634Mi, and 15 % more is asked for
	require.Contains(t, condition(w, "shop", vpav1.RecommendationProvided).Message, "memory 729Mi")
	require.Equal(t, []string{
		"shop Warning OOMKilled: Container shop of pod shop-7d9f8b6c5-x2x4z was killed for memory; it requested 512Mi. It counts as having needed 615Mi.",
	}, w.events)
}

func TestAVPASaysHowItsUsageIsLearntWhereThatIsAllowed(t *testing.T) {
	for name, tc := range map[string]struct {
		allowed bool
		memory  string
	}{
		"allowed":     {true, "memory 1182Mi (p90 of peaks + 15%"},       // 512Mi x 2, in a bucket that ends at 1028Mi
		"not allowed": {false, "memory 729Mi (p90 of daily peaks + 15%"}, // 512Mi x 1.2
	} {
		t.Run(name, func(t *testing.T) {
			o := options()
			o.PerVPAConfig = tc.allowed
			w := newWorld(t, false)
			w.startWith(o, nil)
			w.vpa("shop", func(v *vpav1.VerticalPodAutoscaler) {
				ratio, seconds := resource.MustParse("2"), int32(3600)
				v.Spec.ResourcePolicy = &vpav1.PodResourcePolicy{ContainerPolicies: []vpav1.ContainerResourcePolicy{{
					ContainerName: "shop", OOMBumpUpRatio: &ratio, MemoryAggregationIntervalSeconds: &seconds,
				}}}
			})
			w.pod("shop", "shop")
			w.useFor(5, "shop", "shop", 480, 400)
			w.oom("shop", "shop", 512)
			w.tick()
			require.Contains(t, condition(w, "shop", vpav1.RecommendationProvided).Message, tc.memory)
		})
	}
}

func TestAnOOMKillCountsWithoutWaitingForTheNextRound(t *testing.T) {
	w := newWorld(t, false)
	w.vpa("shop", nil)
	w.vpa("shop-rc", nil)
	w.pod("shop", "shop")
	w.pod("shop-rc", "shop-rc")
	w.useFor(30, "shop", "shop", 480, 400)
	w.oom("shop", "shop", 512)
	w.loop.review(w.loop.match(context.Background()))
	w.drain()
	require.Contains(t, condition(w, "shop", vpav1.RecommendationProvided).Message, "memory 729Mi")
	require.Contains(t, condition(w, "shop-rc", vpav1.RecommendationProvided).Message, "memory 729Mi", "and who inherits has it at once")
}

func TestAnOOMKillCountsThoughItsPodIsGone(t *testing.T) {
	w := newWorld(t, false)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.useFor(30, "shop", "shop", 480, 400)
	w.oom("shop", "shop", 512)
	w.kill("shop")
	w.tick()
	require.Equal(t, 1, w.told("OOMKilled"))
}

func TestAnEvictionThatIsToldAgainAfterARestartCountsOnce(t *testing.T) {
	w := newSavingWorld(t, false)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.useFor(30, "shop", "shop", 480, 400)
	w.oom("shop", "shop", 512)
	evictions := w.changes.OOMs
	w.useFor(15, "shop", "shop", 480, 400)
	before := w.target("shop", "shop", corev1.ResourceMemory)
	w.restart(false)
	w.changes.OOMs = evictions
	w.useFor(60, "shop", "shop", 480, 400)
	require.Equal(t, before, w.target("shop", "shop", corev1.ResourceMemory))
	require.Equal(t, 1, w.told("OOMKilled"))
}

func TestAnOOMKillRaisesWhatIsHeld(t *testing.T) {
	w := newWorld(t, true)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.tick()
	w.answer("shop", "shop", 480, 400)
	w.start(w)
	w.tick()
	before := w.target("shop", "shop", corev1.ResourceCPU)
	w.oom("shop", "shop", 1024)
	w.tick()
	require.Equal(t, before, w.target("shop", "shop", corev1.ResourceCPU))
	require.Contains(t, condition(w, "shop", vpav1.RecommendationProvided).Message, "memory 1484Mi (held")
}

func TestAnOOMLoopUnderMaxAllowedIsToldOnceAndDoesNotRunAway(t *testing.T) {
	w := newWorld(t, false)
	w.vpa("shop", bounded(nil, list("4", "1Gi")))
	w.pod("shop", "shop")
	w.useFor(10, "shop", "shop", 480, 900)
	for range 40 {
		w.oom("shop", "shop", 1024)
		w.useFor(5, "shop", "shop", 480, 1000)
	}
	capped := condition(w, "shop", Capped)
	require.Equal(t, "OOMLoop", capped.Reason)
	require.Equal(t, "shop's memory needs 1484Mi and maxAllowed is 1Gi; it is killed for memory again and again, and will be until the maximum is raised.", capped.Message)
	require.Equal(t, 1, w.told("OOMLoop"))
	require.Equal(t, 1, w.told("OOMKilled"), "the same kill at the same size")
	uncapped := w.vpas["shop"].Status.Recommendation.ContainerRecommendations[0].UncappedTarget[corev1.ResourceMemory]
	require.Less(t, uncapped.Value(), int64(1500<<20))

	w.start(nil)
	w.useFor(5, "shop", "shop", 480, 1000)
	w.oom("shop", "shop", 1024)
	w.useFor(5, "shop", "shop", 480, 1000)
	require.Equal(t, 1, w.told("OOMLoop"), "nor again after a restart")
	w.useFor(25*60, "shop", "shop", 480, 1000)
	require.Equal(t, "MaxAllowed", condition(w, "shop", Capped).Reason, "a day without a kill ends it")
}

// told counts events of a reason.
func (w *world) told(reason string) int {
	n := 0
	for _, e := range w.events {
		if strings.Contains(e, " "+reason+": ") {
			n++
		}
	}
	return n
}

func TestAnOOMKillIsSavedBeforeItIsPublished(t *testing.T) {
	w := newSavingWorld(t, false)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.useFor(12, "shop", "shop", 480, 400)
	w.oom("shop", "shop", 512)
	w.loop.saveAll() // its checkpoint may wait already, behind statuses
	w.loop.review(w.loop.match(context.Background()))
	saves, writes := w.saves, w.writes
	w.loop.write(context.Background())
	require.Equal(t, []int{saves + 1, writes}, []int{w.saves, w.writes}, "the checkpoint comes first")
	w.drain()
	after := w.target("shop", "shop", corev1.ResourceMemory)
	require.Greater(t, w.writes, writes)

	w.restart(false) // killed
	w.useFor(30, "shop", "shop", 480, 400)
	require.Equal(t, after, w.target("shop", "shop", corev1.ResourceMemory))
}

func TestWholeCPUsOfAGuaranteedPodAreRecommendedWhole(t *testing.T) {
	w := newWorld(t, false)
	w.vpa("shop", bounded(list("1500m", "1Mi"), list("3500m", "8Gi")))
	w.pod("shop", "shop", "proxy")
	w.declare("shop", list("1", "1Gi"), list("1", "1Gi"), "proxy", list("500m", "1Gi"), list("500m", "1Gi"))
	for _, mode := range []vpav1.UpdateMode{vpav1.UpdateModeOff, vpav1.UpdateModeRecreate} {
		w.vpa("shop", func(v *vpav1.VerticalPodAutoscaler) { v.Spec.UpdatePolicy = &vpav1.PodUpdatePolicy{UpdateMode: &mode} })
		w.use("shop", "shop", 3000, 700)
		w.use("shop", "proxy", 3000, 700)
		w.tick()
		whole := map[vpav1.UpdateMode]string{vpav1.UpdateModeOff: "3481m", vpav1.UpdateModeRecreate: "3"}[mode]
		require.Equal(t, whole, w.target("shop", "shop", corev1.ResourceCPU))
		require.Equal(t, "3481m", w.target("shop", "proxy", corev1.ResourceCPU), "it declared none")
	}
	rec := w.vpas["shop"].Status.Recommendation.ContainerRecommendations[1]
	require.Equal(t, "shop", rec.ContainerName)
	require.Equal(t, "2", rec.LowerBound.Cpu().String(), "minAllowed in whole CPUs")
	require.Equal(t, "3", rec.UpperBound.Cpu().String(), "maxAllowed in whole CPUs")
}

func TestAnOOMKillOfWhatNobodyRecommendsForIsNothing(t *testing.T) {
	w := newWorld(t, false)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.tick()
	w.oom("shop", "init-db", 512)
	w.oom("till", "till", 512)
	w.tick()
	require.Empty(t, w.events)
	require.Equal(t, "nothing", w.target("shop", "init-db", corev1.ResourceMemory))
}

func TestAnHPAOnTheSameResourceIsTold(t *testing.T) {
	w := newWorld(t, false)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	shop := target.Controller{Group: "apps", Kind: "Deployment", Namespace: "store", Name: "shop"}
	w.hpas[shop] = []cluster.HPA{{Name: "keda-hpa-shop", CPU: true}}
	w.useFor(5, "shop", "shop", 480, 700)
	require.Equal(t, "587m", w.target("shop", "shop", corev1.ResourceCPU))
	require.Equal(t, 1, w.told("HPAConflict"))
	w.golden("shop")

	o := options()
	o.SkipHPAConflicts = true
	w.startWith(o, nil)
	w.useFor(5, "shop", "shop", 480, 700)
	require.Equal(t, "nothing", w.target("shop", "shop", corev1.ResourceCPU))
	require.NotEqual(t, "nothing", w.target("shop", "shop", corev1.ResourceMemory))
	require.Equal(t, "ResourceSkipped", condition(w, "shop", HPAConflict).Reason)

	w.vpa("shop", func(v *vpav1.VerticalPodAutoscaler) {
		v.Spec.ResourcePolicy = &vpav1.PodResourcePolicy{ContainerPolicies: []vpav1.ContainerResourcePolicy{{
			ContainerName: "*", ControlledResources: &[]corev1.ResourceName{corev1.ResourceMemory},
		}}}
	})
	w.useFor(1, "shop", "shop", 480, 700)
	for _, c := range w.vpas["shop"].Status.Conditions {
		require.NotEqual(t, HPAConflict, c.Type, "who leaves the resource to the HPA has no conflict")
	}

	delete(w.hpas, shop)
	w.vpa("shop", func(v *vpav1.VerticalPodAutoscaler) { v.Spec.ResourcePolicy = nil })
	w.useFor(1, "shop", "shop", 480, 700)
	require.Equal(t, "587m", w.target("shop", "shop", corev1.ResourceCPU))
	for _, c := range w.vpas["shop"].Status.Conditions {
		require.NotEqual(t, HPAConflict, c.Type)
	}
}

func TestAnnotationsSayWhoInherits(t *testing.T) {
	w := newWorld(t, true)
	w.vpa("shop", nil)
	w.vpa("canary", annotated(lineage.FromAnnotation, "shop", lineage.ContainersAnnotation, "web=shop"))
	w.vpa("shop-rc", annotated(lineage.OptAnnotation, "false"))
	w.vpa("greedy", annotated(lineage.FromAnnotation, "shop", lineage.ContainersAnnotation, "web=shop", lineage.ModeAnnotation, "max"))
	w.vpa("wrong", annotated(lineage.FromAnnotation, "Not A Name"))
	w.pod("shop", "shop")
	for _, name := range []string{"canary", "greedy"} {
		w.pod(name, "web", "proxy")
	}
	w.pod("shop-rc", "shop-rc")
	w.pod("wrong", "wrong")
	w.tick()
	w.answer("shop", "shop", 480, 700)
	w.answer("canary", "web", 20, 3000)
	w.answer("shop-rc", "shop-rc", 20, 3000)
	w.answer("greedy", "web", 20, 3000)
	w.answer("wrong", "wrong", 20, 3000)
	require.Equal(t, "587m", w.target("canary", "web", corev1.ResourceCPU))
	require.Equal(t, w.target("shop", "shop", corev1.ResourceMemory), w.target("canary", "web", corev1.ResourceMemory))
	require.Equal(t, "25m", w.target("shop-rc", "shop-rc", corev1.ResourceCPU))
	require.Equal(t, "587m", w.target("greedy", "web", corev1.ResourceCPU))
	require.Equal(t, w.target("shop-rc", "shop-rc", corev1.ResourceMemory), w.target("greedy", "web", corev1.ResourceMemory), "its own is larger")
	w.golden("canary", "greedy", "wrong")
}

func TestACandidateThatIsPromotedHasItsOwnAndLeaksNothing(t *testing.T) {
	w := newWorld(t, true)
	w.vpa("shop", nil)
	w.vpa("shop-rc", nil)
	w.pod("shop", "shop")
	w.pod("shop-rc", "shop-rc")
	w.tick()
	w.answer("shop", "shop", 480, 700)
	w.answer("shop-rc", "shop-rc", 3000, 3000)
	require.Equal(t, "587m", w.target("shop-rc", "shop-rc", corev1.ResourceCPU))
	delete(w.vpas, "shop-rc")
	w.tick()
	require.Equal(t, "587m", w.target("shop", "shop", corev1.ResourceCPU))
	w.vpa("shop-rc", func(v *vpav1.VerticalPodAutoscaler) { v.UID = "another"; annotated(lineage.OptAnnotation, "false")(v) })
	w.tick()
	require.Equal(t, "nothing", w.target("shop-rc", "shop-rc", corev1.ResourceCPU), "nothing of what it inherited is left")
}

func TestEventsTellChangesAndNothingTwice(t *testing.T) {
	w := newWorld(t, true)
	w.vpa("shop", bounded(nil, list("300m", "4Gi")))
	w.vpa("shop-rc", nil)
	w.vpa("broken", func(v *vpav1.VerticalPodAutoscaler) { v.Spec.TargetRef = nil })
	w.pod("shop", "shop")
	w.pod("shop-rc", "shop-rc")
	w.tick()
	w.answer("shop", "shop", 480, 700)
	for range 10 {
		w.use("shop", "shop", 480, 700)
		w.tick()
	}
	require.ElementsMatch(t, []string{
		"broken Warning TargetRefInvalid: spec.targetRef is missing: give the apiVersion, kind and name of a workload",
		"shop Normal HistoryLoaded: 8 days of history were read from Prometheus.",
		"shop Warning Capped: shop's cpu needs 587m and maxAllowed is 300m.",
		"shop-rc Warning NotInherited: VPA shop has no recommendation yet; its own usage counts.",
		"shop-rc Normal Inherited: Values come from VPA shop: shop-rc from shop.",
	}, w.events)
}

func TestAVPAIsExplained(t *testing.T) {
	w := newWorld(t, true)
	w.vpa("shop", bounded(list("100m", "512Mi"), list("500m", "4Gi")))
	w.vpa("shop-rc", nil)
	w.pod("shop", "shop", "proxy")
	w.pod("shop-rc", "shop-rc")
	w.tick()
	w.answer("shop", "shop", 480, 700)
	e, err := w.loop.explain(types.NamespacedName{Namespace: "store", Name: "shop"})
	require.NoError(t, err)
	text, err := json.MarshalIndent(e, "", "  ")
	require.NoError(t, err)
	w.goldenText(string(text)+"\n", ".json")

	e, err = w.loop.explain(types.NamespacedName{Namespace: "store", Name: "shop-rc"})
	require.NoError(t, err)
	require.Equal(t, "shop", e.Inheritance.Primary)
	_, err = w.loop.explain(types.NamespacedName{Namespace: "store", Name: "till"})
	require.ErrorContains(t, err, "there is no VPA store/till that this recommender works on")
}

func TestAQuestionIsAnsweredBetweenRounds(t *testing.T) {
	w := newWorld(t, false)
	w.vpa("shop", nil)
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error)
	go func() { stopped <- w.loop.Start(ctx) }()
	e, err := w.loop.Explain(ctx, types.NamespacedName{Namespace: "store", Name: "shop"})
	require.NoError(t, err)
	require.Equal(t, "Deployment store/shop", e.Target)
	cancel()
	require.NoError(t, <-stopped)
	_, err = w.loop.Explain(ctx, types.NamespacedName{Namespace: "store", Name: "shop"})
	require.ErrorContains(t, err, "does not work now")
}

func TestWhoHasLostItsLeaseWritesNothing(t *testing.T) {
	w := newSavingWorld(t, false)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.useFor(5, "shop", "shop", 480, 700)
	writes, saves := w.writes, w.saves
	w.lost = true
	w.use("shop", "shop", 4000, 7000)
	w.tick()
	require.NoError(t, w.loop.stop(context.Background()))
	require.Equal(t, writes, w.writes)
	require.Equal(t, saves, w.saves)
}

func TestAShardThatIsGivenUpIsSavedAndGoesOnElsewhere(t *testing.T) {
	w := newSavingWorld(t, false)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.useFor(25*60+3, "shop", "shop", 480, 700)
	before := w.saves
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error)
	go func() { stopped <- w.loop.Start(ctx) }()
	require.NoError(t, w.loop.Yield(ctx, func(*vpav1.VerticalPodAutoscaler) bool { return true }))
	cancel()
	require.NoError(t, <-stopped)
	require.Equal(t, before+1, w.saves)

	w.restart(false)
	w.tick()
	require.Equal(t, "587m", w.target("shop", "shop", corev1.ResourceCPU))
}

func TestLiveMetricsThatBreakOffCountAsFarAsTheyCame(t *testing.T) {
	w := newWorld(t, false)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.liveErr = context.DeadlineExceeded
	w.use("shop", "shop", 480, 700)
	w.tick()
	require.Equal(t, "587m", w.target("shop", "shop", corev1.ResourceCPU))
	w.liveErr = nil
	w.use("shop", "shop", 20, 20)
	w.samples[0].Time = w.clock.Add(-time.Hour) // metrics-server's clock went back
	w.samples[1].Time = w.clock.Add(-time.Hour)
	w.tick()
	require.Equal(t, "587m", w.target("shop", "shop", corev1.ResourceCPU))
}
