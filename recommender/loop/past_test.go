package loop

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/history"
)

var shopKey = types.NamespacedName{Namespace: "store", Name: "shop"}

// partOf is what was read of the last hours of steady use, while the days before are missing.
func (w *world) partOf(name string, hours, cpu, memory int) history.Answer {
	a := w.pastOf(name, name, cpu, memory)
	cut := a.Window.To.Add(-time.Duration(hours) * time.Hour)
	a.Usage = aggregate.NewWorkload(aggregate.DefaultOptions())
	for at := cut; at.Before(a.Window.To); at = at.Add(time.Minute) {
		c := usage.Container{Namespace: "store", Pod: name + "-5c4f8bd97d-zqk9w", Name: name}
		a.Usage.Add(usage.Sample{Container: c, Resource: usage.CPU, Time: at, Amount: usage.Amount(cpu)})
		a.Usage.Add(usage.Sample{Container: c, Resource: usage.Memory, Time: at, Amount: usage.Amount(memory) << 20})
	}
	a.Progress = history.Progress{Done: 2, Total: 9, Missing: "2026-03-01 to 2026-03-07", Samples: hours * 120, Resolution: time.Minute, First: cut, Covered: 100}
	return a
}

func (w *world) cpu(name string) string { return w.target(name, name, corev1.ResourceCPU) }

func TestWhatIsReadOfHistoryIsRecommendedWhileTheRestIsRead(t *testing.T) {
	w := newWorld(t, true)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.tick()
	require.Equal(t, "nothing", w.cpu("shop"))
	w.hear(w.partOf("shop", 36, 480, 700))
	w.golden("shop")

	failed := w.partOf("shop", 36, 480, 700)
	failed.Usage, failed.Err = nil, errors.New("http://prometheus answered 502 Bad Gateway")
	w.hear(failed)
	require.Equal(t, "587m", w.cpu("shop"), "what is read stays")
	require.Equal(t, "Reading 8 days of history of Deployment store/shop from Prometheus failed and is tried again: http://prometheus answered 502 Bad Gateway. Still missing: 2026-03-01 to 2026-03-07.",
		condition(w, "shop", vpav1.FetchingHistory).Message)

	w.answer("shop", "shop", 480, 700)
	require.Equal(t, corev1.ConditionFalse, condition(w, "shop", vpav1.FetchingHistory).Status)
	require.Contains(t, condition(w, "shop", vpav1.RecommendationProvided).Message, "from 8 days of Prometheus history and live metrics")
}

func TestPartOfHistoryRaisesARecommendationAndNeverLowersIt(t *testing.T) {
	for name, before := range map[string]func(w *world){
		"published from part of history": func(w *world) {
			w.vpa("shop", nil)
			w.pod("shop", "shop")
			w.tick()
			w.hear(w.partOf("shop", 36, 480, 700))
		},
		"published from part of history, for a new target": func(w *world) {
			w.vpa("shop", func(v *vpav1.VerticalPodAutoscaler) { v.Spec.TargetRef.Name = "till" })
			w.tick()
			w.answer("shop", "shop", 3000, 700)
			w.vpa("shop", func(v *vpav1.VerticalPodAutoscaler) { v.Spec.TargetRef.Name = "shop" })
			w.pod("shop", "shop")
			w.tick()
			w.hear(w.partOf("shop", 36, 480, 700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, true)
			before(w)
			require.Equal(t, "587m", w.cpu("shop"))

			w.hear(w.partOf("shop", 40, 100, 100))
			require.Equal(t, "587m", w.cpu("shop"), "less is not believed yet")
			w.tick()
			require.Equal(t, "587m", w.cpu("shop"))

			w.hear(w.partOf("shop", 44, 1000, 100))
			require.Equal(t, "1168m", w.cpu("shop"), "more is")
			require.Equal(t, "826Mi", people(usage.Memory, publishedIn(&w.vpas["shop"].Status)[0].values[usage.Memory].target))
			w.hear(w.partOf("shop", 48, 100, 100))
			require.Equal(t, "1168m", w.cpu("shop"), "and stays until all is read")

			w.answer("shop", "shop", 100, 100)
			require.Equal(t, "126m", w.cpu("shop"), "all of it counts as it is")
		})
	}
}

func TestPartOfHistoryDoesNotMoveWhatAnEarlierProcessPublished(t *testing.T) {
	w := newWorld(t, true)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.tick()
	w.answer("shop", "shop", 480, 700)
	w.start(w)
	w.tick()
	for hours, cpu := range []int{100, 1000, 480} {
		w.hear(w.partOf("shop", 36+hours, cpu, 700))
		w.tick()
		require.Equal(t, "587m", w.cpu("shop"))
	}
	w.answer("shop", "shop", 1000, 700)
	require.Equal(t, "1168m", w.cpu("shop"))
}

func TestADayOfLiveMetricsEndsTheWaitForOldHistory(t *testing.T) {
	w := newWorld(t, true)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.tick()
	w.hear(w.partOf("shop", 36, 480, 700))
	for range 30 * 60 {
		w.use("shop", "shop", 100, 100)
		w.tick()
	}
	require.Contains(t, condition(w, "shop", vpav1.RecommendationProvided).Message, "from 3 days of Prometheus history and live metrics, while the rest is read")
}

func TestWhatHistoryCannotTellIsTold(t *testing.T) {
	for name, tc := range map[string]struct {
		progress history.Progress
		want     string
	}{
		"at the resolution of a fallback": {history.Progress{Resolution: 5 * time.Minute, Covered: 100},
			"8 days of history were read from Prometheus. CPU is known once in 5m only, because the server does not stream remote reads: rare bursts may be missed."},
		"with holes": {history.Progress{Resolution: time.Minute, Covered: 61},
			"8 days of history were read from Prometheus. There are samples for 61% of the minutes since 2026-03-02."},
		"well": {history.Progress{Resolution: time.Minute, Covered: 80}, "8 days of history were read from Prometheus."},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, true)
			w.vpa("shop", nil)
			w.pod("shop", "shop")
			w.tick()
			a := w.pastOf("shop", "shop", 480, 700)
			tc.progress.Samples, tc.progress.First = 1000, w.clock.Add(-7*day)
			a.Progress = tc.progress
			w.hear(a)
			require.Equal(t, tc.want, condition(w, "shop", vpav1.FetchingHistory).Message)
		})
	}
}

func TestHistoryIsAskedForInWindowsOfTheVPAsOwnMemoryInterval(t *testing.T) {
	w := newWorld(t, true)
	o := options()
	o.PerVPAConfig = true
	w.startWith(o, w)
	seconds := int32(3600)
	w.vpa("shop", func(v *vpav1.VerticalPodAutoscaler) {
		v.Spec.ResourcePolicy = &vpav1.PodResourcePolicy{ContainerPolicies: []vpav1.ContainerResourcePolicy{{ContainerName: "proxy", MemoryAggregationIntervalSeconds: &seconds}}}
	})
	w.pod("shop", "shop", "proxy")
	w.tick()
	require.Equal(t, time.Hour, w.wanted[shopKey].MemoryInterval)
	require.Equal(t, 2, w.wanted[shopKey].Containers)
	require.Equal(t, time.Hour, w.wanted[shopKey].Rules("proxy").MemoryInterval)
	require.Equal(t, day, w.wanted[shopKey].Rules("shop").MemoryInterval)
}

func TestPrometheusStandsInForLiveMetrics(t *testing.T) {
	for name, stale := range map[string]bool{"that are missing": false, "that are stale": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, true)
			w.vpa("shop", nil)
			w.vpa("nightly", nil) // without pods
			w.pod("shop", "shop")
			w.loop.started.Store(w.clock.Unix())
			w.tick()
			w.answer("shop", "shop", 480, 700)
			w.use("shop", "shop", 480, 700)
			w.tick()
			heard := w.loop.heard
			before := w.loop.vpas[shopKey].usage.Aggregate("shop").Samples()

			old := w.clock.Add(-time.Minute)
			without := func(rounds int) {
				for range rounds {
					if stale {
						w.use("shop", "shop", 480, 700)
						w.samples[0].Time, w.samples[1].Time = old, old
					} else {
						w.liveErr = errors.New("the server could not find the requested resource")
					}
					w.tick()
				}
			}
			without(5)
			require.Empty(t, w.recent, "not for a scrape or two that failed")
			without(1)
			asked, ok := w.recent[shopKey]
			require.True(t, ok)
			require.Len(t, w.recent, 1, "what has no pods misses nothing")
			require.Equal(t, heard.Truncate(time.Minute), asked.From)
			require.Equal(t, w.clock.Add(-2*time.Minute), asked.To, "a minute before the round, whose scrape may be late")

			clear(w.recent)
			without(1)
			require.Empty(t, w.recent, "not each minute")

			pod := "shop" + replica
			var found []usage.Sample
			for at := asked.From; at.Before(asked.To); at = at.Add(time.Minute) {
				found = append(found, usage.Sample{Container: usage.Container{Namespace: "store", Pod: pod, Name: "shop"}, Time: at, Amount: 600},
					usage.Sample{Container: usage.Container{Namespace: "store", Pod: "shop-5c4f8bd97d-gone0", Name: "shop"}, Time: at, Amount: 600})
			}
			w.hear(history.Answer{VPA: shopKey, Window: asked, Recent: found})
			after := w.loop.vpas[shopKey].usage.Aggregate("shop").Samples()
			minutes := int(asked.To.Sub(asked.From).Minutes())
			require.InDelta(t, before+minutes, after, 1, "the minute that live metrics did bring counts once")
			w.hear(history.Answer{VPA: shopKey, Window: asked, Recent: found})
			require.Equal(t, after, w.loop.vpas[shopKey].usage.Aggregate("shop").Samples(), "nothing counts twice")

			without(4)
			require.Equal(t, asked.To, w.recent[shopKey].From, "the next goes on where the last ended")

			clear(w.recent)
			w.liveErr = nil
			for range 10 {
				w.use("shop", "shop", 480, 700)
				w.tick()
			}
			require.Empty(t, w.recent, "live metrics are there again")
			require.Equal(t, after+10, w.loop.vpas[shopKey].usage.Aggregate("shop").Samples())
		})
	}
}

func TestWhereBothWereAwayForLongOnlyTheLastHourIsAskedFor(t *testing.T) {
	w := newWorld(t, true)
	w.vpa("shop", nil)
	w.pod("shop", "shop")
	w.loop.started.Store(w.clock.Unix())
	for range 5 * 60 {
		w.tick()
	}
	asked, ok := w.recent[shopKey]
	require.True(t, ok)
	require.Equal(t, time.Hour, asked.To.Sub(asked.From))
}
