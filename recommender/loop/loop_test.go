package loop

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/history"
)

func TestHistoryGivesARecommendationAtOnce(t *testing.T) {
	w := newWorld(t, true)
	w.vpa("shop", bounded(list("100m", "512Mi"), list("4", "4Gi")))
	w.pod("shop", "shop", "istio-proxy")
	w.tick()
	w.answer("shop", "shop", 480, 700)
	w.golden("shop")
}

func TestWhileHistoryIsReadNothingIsGuessed(t *testing.T) {
	w := newWorld(t, true)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.use("shop", "shop", 5, 20)
	w.tick()
	w.golden("shop")
}

func TestWhatWasPublishedIsHeldWhileHistoryFails(t *testing.T) {
	w := newWorld(t, true)
	w.vpa("shop", bounded(list("100m", "512Mi"), list("4", "4Gi")))
	w.pod("shop", "shop")
	w.tick()
	w.answer("shop", "shop", 480, 700)
	before := w.target("shop", "shop", corev1.ResourceCPU)

	w.start(w) // restarted, and Prometheus is down
	key := types.NamespacedName{Namespace: "store", Name: "shop"}
	w.tick()
	w.hear(history.Answer{VPA: key, Window: w.wanted[key], Err: errors.New("dial tcp 10.0.0.7:9090: connect: connection refused")})
	for range 23 * 60 {
		w.use("shop", "shop", 5, 20)
		w.tick()
	}
	require.Equal(t, before, w.target("shop", "shop", corev1.ResourceCPU))
	w.golden("shop")

	for range 2 * 60 {
		w.use("shop", "shop", 5, 20)
		w.tick()
	}
	require.Equal(t, "100m", w.target("shop", "shop", corev1.ResourceCPU), "a day of live metrics ends the hold")
}

func TestARestartThatFindsNoHistoryHoldsUntilLiveMetricsCoverADay(t *testing.T) {
	for name, findNothing := range map[string]func(*world){
		"no server is configured any more": func(w *world) { w.start(nil) },
		"the server has lost it": func(w *world) {
			w.start(w)
			w.tick()
			key := types.NamespacedName{Namespace: "store", Name: "shop"}
			w.hear(history.Answer{VPA: key, Window: w.wanted[key], Usage: aggregate.NewWorkload(aggregate.DefaultOptions())})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, true)
			w.vpa("shop", nil)
			w.pod("shop", "shop", "new-sidecar")
			w.tick()
			w.answer("shop", "shop", 480, 700)

			findNothing(w)
			w.use("shop", "shop", 5, 20)
			w.use("shop", "new-sidecar", 200, 20)
			w.tick()
			require.Equal(t, "587m", w.target("shop", "shop", corev1.ResourceCPU))
			require.Contains(t, condition(w, "shop", vpav1.RecommendationProvided).Message, "until live metrics cover a day")
			require.Equal(t, "247m", w.target("shop", "new-sidecar", corev1.ResourceCPU), "what was never published has nothing to hold")
			for range 25 * 60 {
				w.use("shop", "shop", 5, 20)
				w.tick()
			}
			require.Equal(t, "12m", w.target("shop", "shop", corev1.ResourceCPU))
		})
	}
}

func TestAWorkloadWithoutPodsKeepsItsRecommendationOverARestart(t *testing.T) {
	w := newWorld(t, true)
	w.vpa("nightly", nil)
	w.tick()
	w.answer("nightly", "nightly", 480, 700)
	before := w.target("nightly", "nightly", corev1.ResourceCPU)
	require.Equal(t, "587m", before)
	w.start(w)
	w.tick()
	require.Equal(t, before, w.target("nightly", "nightly", corev1.ResourceCPU), "also while history is read")
	w.answer("nightly", "nightly", 480, 700)
	require.Equal(t, before, w.target("nightly", "nightly", corev1.ResourceCPU))
}

func TestWhatAnEarlierTargetNeededIsNotHeld(t *testing.T) {
	w := newWorld(t, true)
	w.vpa("shop", nil)
	w.tick()
	w.answer("shop", "app", 3000, 3000)
	w.vpa("shop", func(v *vpav1.VerticalPodAutoscaler) { v.Spec.TargetRef.Name = "till" })
	w.pod("till", "app")
	w.tick()
	require.Equal(t, "nothing", w.target("shop", "app", corev1.ResourceCPU))
}

func TestARecommendationOfLowConfidenceIsNotHeldOverARestart(t *testing.T) {
	w := newWorld(t, false)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.use("shop", "shop", 480, 700)
	w.tick()
	w.start(nil)
	w.use("shop", "shop", 200, 700)
	w.tick()
	require.Equal(t, "247m", w.target("shop", "shop", corev1.ResourceCPU))
}

func TestHeldValuesObeyAPolicyThatChanged(t *testing.T) {
	w := newWorld(t, true)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.tick()
	w.answer("shop", "shop", 480, 700)
	w.start(w)
	w.vpa("shop", bounded(nil, list("300m", "4Gi")))
	w.tick()
	require.Equal(t, "300m", w.target("shop", "shop", corev1.ResourceCPU))
}

func TestWithoutHistoryLiveMetricsCountFromTheFirst(t *testing.T) {
	w := newWorld(t, false)
	w.vpa("shop", bounded(list("100m", "512Mi"), list("4", "4Gi")))
	w.pod("shop", "shop")
	w.use("shop", "shop", 250, 900)
	w.tick()
	w.golden("shop")
}

func TestACandidateHasItsPrimarysValues(t *testing.T) {
	w := newWorld(t, true)
	w.vpa("shop", bounded(list("100m", "512Mi"), list("4", "4Gi")))
	w.vpa("shop-rc", bounded(list("100m", "512Mi"), list("400m", "4Gi")))
	w.pod("shop", "shop", "istio-proxy")
	w.pod("shop-rc", "shop-rc", "istio-proxy", "cache")
	w.tick()
	w.answer("shop-rc", "shop-rc", 20, 100)
	w.answer("shop", "shop", 480, 700)
	w.golden("shop-rc")
	require.Equal(t, "400m", w.target("shop-rc", "shop-rc", corev1.ResourceCPU), "its own policy applies")
}

func TestACandidateThatNeverHadAPodHasItsPrimarysValuesForWhatItsPolicyNames(t *testing.T) {
	w := newWorld(t, true)
	w.vpa("shop", nil)
	w.pod("shop", "shop", "istio-proxy")
	w.vpa("shop-rc", func(v *vpav1.VerticalPodAutoscaler) {
		v.Spec.ResourcePolicy = &vpav1.PodResourcePolicy{ContainerPolicies: []vpav1.ContainerResourcePolicy{{ContainerName: "shop-rc"}, {ContainerName: "*"}}}
	})
	w.vpa("other", func(v *vpav1.VerticalPodAutoscaler) {
		v.Spec.ResourcePolicy = &vpav1.PodResourcePolicy{ContainerPolicies: []vpav1.ContainerResourcePolicy{{ContainerName: "shop"}}}
	})
	w.tick()
	w.answer("shop", "shop", 480, 700)
	require.Equal(t, w.target("shop", "shop", corev1.ResourceCPU), w.target("shop-rc", "shop-rc", corev1.ResourceCPU))
	require.Equal(t, "nothing", w.target("shop-rc", "istio-proxy", corev1.ResourceCPU))
	require.Equal(t, "nothing", w.target("other", "shop", corev1.ResourceCPU))

	w.pod("shop-rc", "shop-rc", "istio-proxy")
	w.use("shop", "istio-proxy", 200, 300)
	w.use("shop-rc", "shop-rc", 20, 100)
	w.tick()
	w.tick()
	require.NotEqual(t, "nothing", w.target("shop", "istio-proxy", corev1.ResourceCPU))
	require.Equal(t, w.target("shop", "istio-proxy", corev1.ResourceCPU), w.target("shop-rc", "istio-proxy", corev1.ResourceCPU), "and then what its pods have")
	require.Equal(t, w.target("shop", "shop", corev1.ResourceCPU), w.target("shop-rc", "shop-rc", corev1.ResourceCPU))
}

func TestACandidatesUsageStaysOutOfItsPrimary(t *testing.T) {
	w := newWorld(t, true)
	w.vpa("shop", nil)
	w.vpa("shop-rc", nil)
	w.pod("shop", "shop")
	w.pod("shop-rc", "shop-rc")
	w.tick()
	w.answer("shop", "shop", 480, 700)
	before := w.target("shop", "shop", corev1.ResourceCPU)
	w.answer("shop-rc", "shop-rc", 3000, 3000)
	for range 10 {
		w.use("shop-rc", "shop-rc", 3000, 3000)
		w.tick()
	}
	require.Equal(t, before, w.target("shop", "shop", corev1.ResourceCPU))
}

func TestACandidateWithoutPrimaryHasItsOwn(t *testing.T) {
	w := newWorld(t, true)
	w.vpa("shop-rc", nil)
	w.pod("shop-rc", "shop-rc")
	w.tick()
	w.answer("shop-rc", "shop-rc", 200, 300)
	w.golden("shop-rc")

	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.tick()
	w.answer("shop", "shop", 480, 700)
	require.Equal(t, w.target("shop", "shop", corev1.ResourceCPU), w.target("shop-rc", "shop-rc", corev1.ResourceCPU), "a primary that comes later is inherited from at once")

	delete(w.vpas, "shop")
	w.tick()
	w.use("shop-rc", "shop-rc", 200, 300)
	w.tick()
	require.Equal(t, "PrimaryMissing", condition(w, "shop-rc", Inherited).Reason, "and one that goes leaves nothing behind")
}

func TestACandidateOfACandidateIsRefused(t *testing.T) {
	w := newWorld(t, false)
	w.vpa("shop-rc", nil)
	w.vpa("shop-rc-rc", nil)
	w.pod("shop-rc-rc", "shop-rc-rc")
	w.use("shop-rc-rc", "shop-rc-rc", 200, 300)
	w.tick()
	c := condition(w, "shop-rc-rc", Inherited)
	require.Equal(t, corev1.ConditionFalse, c.Status)
	require.Contains(t, c.Message, "inheritance is one hop")
	require.NotEqual(t, "nothing", w.target("shop-rc-rc", "shop-rc-rc", corev1.ResourceCPU))
}

func TestMaxAllowedIsToldWhereItBinds(t *testing.T) {
	w := newWorld(t, true)
	w.vpa("shop", bounded(list("500m", "512Mi"), list("300m", "4Gi")))
	w.pod("shop", "shop")
	w.tick()
	w.answer("shop", "shop", 480, 700)
	w.golden("shop")
}

func TestATargetRefThatMakesNoSenseIsToldAndTouchesNothingElse(t *testing.T) {
	w := newWorld(t, true)
	w.vpa("broken", func(v *vpav1.VerticalPodAutoscaler) { v.Spec.TargetRef = nil })
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.tick()
	w.answer("shop", "shop", 480, 700)
	require.NotEqual(t, "nothing", w.target("shop", "shop", corev1.ResourceCPU))
	w.golden("broken")
}

func TestASpecThatCannotBeReadIsToldAndWhatWasLearntStays(t *testing.T) {
	w := newWorld(t, true)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.tick()
	w.answer("shop", "shop", 480, 700)
	before := w.target("shop", "shop", corev1.ResourceCPU)
	require.NotEqual(t, "nothing", before)
	published := w.vpas["shop"].Status.Recommendation

	// As pkg/apiserver/guard hands it on.
	unreadable := func(why string) {
		w.vpa("shop", func(v *vpav1.VerticalPodAutoscaler) {
			v.Annotations = map[string]string{"/unreadable": why}
			v.Status.Recommendation = nil
		})
		w.tick()
	}
	unreadable("spec.resourcePolicy.containerPolicies[0].minAllowed.cpu: \"1e-100000000\" is no quantity that can be read: written out it is longer than any quantity needs to be: use one such as 250m or 1Gi")
	w.golden("shop")
	writes := w.writes
	for range 5 {
		w.tick()
	}
	require.Equal(t, writes, w.writes, "and told once")
	unreadable("spec.startupBoost cannot be read")
	require.Equal(t, writes+1, w.writes, "another problem is told")
	require.Contains(t, w.vpas["shop"].Status.Conditions[0].Message, "spec.startupBoost")

	w.vpa("shop", func(v *vpav1.VerticalPodAutoscaler) { v.Annotations, v.Status.Recommendation = nil, published })
	w.tick()
	require.Equal(t, before, w.target("shop", "shop", corev1.ResourceCPU))
	for _, c := range w.vpas["shop"].Status.Conditions {
		require.NotEqual(t, vpav1.ConfigUnsupported, c.Type)
	}
}

func TestNothingIsWrittenWhileNothingChanges(t *testing.T) {
	w := newWorld(t, true)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.tick()
	w.answer("shop", "shop", 480, 700)
	w.use("shop", "shop", 480, 700)
	w.tick()
	before := w.writes
	for range 60 {
		w.use("shop", "shop", 480, 700)
		w.tick()
	}
	require.Equal(t, before, w.writes)
}

func TestARetargetedVPAForgetsItsOldTarget(t *testing.T) {
	w := newWorld(t, true)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.pod("till", "till")
	w.tick()
	w.answer("shop", "shop", 3000, 3000)
	w.vpa("shop", func(v *vpav1.VerticalPodAutoscaler) { v.Spec.TargetRef.Name = "till" })
	w.tick()
	require.Equal(t, "till", w.wanted[types.NamespacedName{Namespace: "store", Name: "shop"}].Workload.Name)
	w.answer("shop", "till", 20, 100)
	require.Equal(t, "nothing", w.target("shop", "shop", corev1.ResourceCPU))
	require.Equal(t, "25m", w.target("shop", "till", corev1.ResourceCPU))
}

func TestAnAnswerForAnEarlierTargetIsNotTaken(t *testing.T) {
	w := newWorld(t, true)
	w.vpa("shop", nil)
	w.tick()
	key := types.NamespacedName{Namespace: "store", Name: "shop"}
	late := history.Answer{VPA: key, Window: w.wanted[key], Err: errors.New("late")}
	w.vpa("shop", func(v *vpav1.VerticalPodAutoscaler) { v.Spec.TargetRef.Name = "till" })
	w.tick()
	w.hear(late)
	require.Equal(t, "Reading", condition(w, "shop", vpav1.FetchingHistory).Reason)
}

func TestALowConfidenceThatIsHeldStaysLow(t *testing.T) {
	w := newWorld(t, false)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.use("shop", "shop", 480, 700)
	w.tick()
	for range 2 { // the second restart must not take for confident what the first one held
		w.start(w)
		w.tick()
		require.Equal(t, "587m", w.target("shop", "shop", corev1.ResourceCPU), "history is pending")
		require.Equal(t, corev1.ConditionTrue, condition(w, "shop", vpav1.LowConfidence).Status)
	}
}

func TestAClockThatIsAheadDoesNotOutweighThePast(t *testing.T) {
	w := newWorld(t, true)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.tick()
	w.answer("shop", "shop", 480, 700)
	for range 10 {
		w.use("shop", "shop", 20, 20)
		for i := range w.samples {
			w.samples[i].Time = w.clock.AddDate(1, 0, 0)
		}
		w.tick()
	}
	require.Equal(t, "587m", w.target("shop", "shop", corev1.ResourceCPU))
}

func TestTwoVPAsOnOneTargetBothLearn(t *testing.T) {
	w := newWorld(t, false)
	w.vpa("shop", nil)
	w.vpa("trial", func(v *vpav1.VerticalPodAutoscaler) { v.Spec.TargetRef.Name = "shop" })
	w.pod("shop", "shop")
	w.use("shop", "shop", 480, 700)
	w.tick()
	require.Equal(t, w.target("shop", "shop", corev1.ResourceCPU), w.target("trial", "shop", corev1.ResourceCPU))
}

func TestARenamedContainerTakesNoShareOfTheMinimum(t *testing.T) {
	w := newWorld(t, true)
	w.vpa("shop", nil)
	w.pod("shop", "web")
	w.tick()
	w.answer("shop", "old-name", 480, 700)
	w.use("shop", "web", 1, 1)
	w.tick()
	require.Equal(t, "25m", w.target("shop", "web", corev1.ResourceCPU), "all of it, not half")
	require.Equal(t, "nothing", w.target("shop", "old-name", corev1.ResourceCPU))
}

func TestAFailedWriteIsTriedInTheNextRoundAndStopsNobody(t *testing.T) {
	w := newWorld(t, false)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.use("shop", "shop", 480, 700)
	w.writeErr = errors.New("conflict")
	w.tick()
	w.writeErr = nil
	w.tick()
	require.NotEqual(t, "nothing", w.target("shop", "shop", corev1.ResourceCPU))
}

func TestOnePanicStaysItsOwn(t *testing.T) {
	w := newWorld(t, false)
	w.vpa("a", nil)
	w.vpa("b", nil)
	w.pod("b", "b")
	w.use("b", "b", 480, 700)
	w.loop.match(context.Background())
	w.loop.track(context.Background())
	w.loop.vpas[types.NamespacedName{Namespace: "store", Name: "a"}].group = nil // what should never be
	w.loop.fold(context.Background())
	w.loop.review(w.loop.all())
	w.drain()
	require.NotEqual(t, "nothing", w.target("b", "b", corev1.ResourceCPU))
}

func TestHealthFollowsTheRounds(t *testing.T) {
	w := newWorld(t, false)
	require.NoError(t, w.loop.Healthy(), "one that has not been started stands by")
	w.loop.started.Store(w.clock.Unix())
	w.clock = w.clock.Add(7 * time.Minute)
	require.ErrorContains(t, w.loop.Healthy(), "no round has ended for 7m0s", "the first one hangs")
	w.tick()
	require.NoError(t, w.loop.Healthy())
	w.clock = w.clock.Add(time.Hour)
	require.ErrorContains(t, w.loop.Healthy(), "no round has ended for 1h1m0s")
}

func TestANewVPAIsPublishedWithoutWaitingForTheNextRound(t *testing.T) {
	w := newWorld(t, true)
	w.changed = make(chan struct{})
	w.loop.options.Interval = time.Hour
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error)
	go func() { stopped <- w.loop.Start(ctx) }()
	require.Eventually(t, func() bool { return w.loop.finished.Load() != 0 }, 10*time.Second, time.Millisecond)

	// What the world holds is the loop's to read, so it is changed and looked at by its goroutine.
	sees := func(what string, is func() bool) {
		require.Eventually(t, func() (seen bool) {
			require.NoError(t, w.loop.do(ctx, func() { seen = is() }))
			return seen
		}, 10*time.Second, time.Millisecond, what)
	}
	key := types.NamespacedName{Namespace: "store", Name: "shop"}
	require.NoError(t, w.loop.do(ctx, func() {
		w.vpa("shop", nil)
		w.pod("shop", "shop")
	}))
	w.changed <- struct{}{}
	sees("its history is asked for", func() bool { _, asked := w.wanted[key]; return asked })
	w.answers <- w.pastOf("shop", "shop", 480, 700)
	sees("it is published", func() bool { return w.target("shop", "shop", corev1.ResourceCPU) == "587m" })
	sees("its pods were found", func() bool {
		return strings.Contains(condition(w, "shop", vpav1.RecommendationProvided).Message, "limit 2")
	})
	cancel()
	require.NoError(t, <-stopped)
}

func condition(w *world, name string, kind vpav1.VerticalPodAutoscalerConditionType) vpav1.VerticalPodAutoscalerCondition {
	for _, c := range w.vpas[name].Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	w.t.Fatalf("VPA %s has no condition %s", name, kind)
	return vpav1.VerticalPodAutoscalerCondition{}
}

func TestAnAllowedRangeIsNeverLeftForTheSakeOfFewWrites(t *testing.T) {
	vpa := &vpav1.VerticalPodAutoscaler{}
	bounded(nil, list("1000m", "4Gi"))(vpa)
	bounds := policy.ForContainer(vpa.Spec.ResourcePolicy, "shop").Compile(policy.Global{}, policy.Rounding{}, false)
	now := value{known: true, target: 1000, uncapped: 1000}
	settle(&now, &value{known: true, target: 1005, uncapped: 1005}, &bounds, usage.CPU)
	require.Equal(t, usage.Amount(1000), now.target)
}
