package history

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// end is an hour that is no round number of anything.
var end = time.Date(2026, 3, 5, 13, 47, 11, 123_000_000, time.UTC)

// simple is a Deployment whose two pods a day use half a core and 100 MiB.
func simple() Workload {
	return Workload{
		Env: "prod", Namespace: "store", Name: "shop", Kind: Deployment, Replicas: 2, Rollout: 24 * time.Hour,
		Containers: []Container{{Name: "shop", CPU: Steady(0.5, 0), Memory: Steady(100*mib, 0)}},
	}
}

func collect(r Recording, w Workload) []Sample { return slices.Collect(r.Samples(w)) }

func TestARecordingIsTheSameWheneverItIsMade(t *testing.T) {
	for _, w := range Store() {
		now := Recording{End: end, Span: 26 * time.Hour, Workloads: Store()}
		later := now
		later.End = end.Add(17*time.Hour + 23*time.Minute + 7*time.Millisecond)
		a, b := collect(now, w), collect(later, w)
		for i := range b {
			b[i].Time = b[i].Time.Add(-later.End.Sub(now.End))
		}
		require.NotEmpty(t, a, w.Name)
		require.Equal(t, a, b, w.Name)
	}
}

func TestAnotherSeedGivesOtherPods(t *testing.T) {
	a := collect(Recording{End: end, Span: time.Hour}, simple())
	b := collect(Recording{End: end, Span: time.Hour, Seed: 1}, simple())
	require.NotEqual(t, a[0].Pod, b[0].Pod)
}

func TestNoSampleIsOutsideTheSpan(t *testing.T) {
	r := Recording{End: end, Span: 30 * time.Hour}
	for _, w := range Store() {
		begin := end.Add(-r.Span)
		if w.Age > 0 {
			begin = end.Add(-w.Age)
		}
		first, last := end, time.Time{}
		for _, s := range collect(r, w) {
			if s.Time.Before(first) {
				first = s.Time
			}
			if s.Time.After(last) {
				last = s.Time
			}
		}
		require.WithinRange(t, first, begin, begin.Add(time.Minute), w.Name)
		require.WithinRange(t, last, end.Add(-time.Minute), end.Add(-time.Millisecond), w.Name)
	}
}

func TestScrapesOfAPodAreAnIntervalApart(t *testing.T) {
	jitter := DefaultInterval / jitterShare
	var last Sample
	for _, s := range collect(Recording{End: end, Span: 50 * time.Hour}, simple()) {
		if s.Pod == last.Pod {
			require.InDelta(t, DefaultInterval.Seconds(), s.Time.Sub(last.Time).Seconds(), jitter.Seconds())
		}
		last = s
	}
}

func TestTheCounterIntegratesTheLoadAndStartsAgainOnlyWithANewPod(t *testing.T) {
	counts := map[string]float64{}
	var last Sample
	for _, s := range collect(Recording{End: end, Span: 72 * time.Hour}, simple()) {
		if s.Pod == last.Pod {
			require.InDelta(t, 0.5*s.Time.Sub(last.Time).Seconds(), s.CPU-last.CPU, 1e-4)
		} else if len(counts) >= 2 { // the first two pods began before the span
			require.Less(t, s.CPU, 0.5*(DefaultInterval+2*time.Second).Seconds())
		}
		require.EqualValues(t, 100*mib, s.Memory)
		counts[s.Pod]++
		last = s
	}
	require.Len(t, counts, 2*4, "three days touch four daily generations of two pods")
}

func TestRestartsResetTheCounterOfOnePod(t *testing.T) {
	w := simple()
	w.Kind, w.Rollout, w.Restarts, w.Replicas = StatefulSet, 0, 10*time.Hour, 1
	resets, last := 0, 0.0
	for _, s := range collect(Recording{End: end, Span: 24 * time.Hour}, w) {
		require.Equal(t, "shop-0", s.Pod)
		if s.CPU < last {
			resets++
		}
		last = s.CPU
	}
	require.Equal(t, 2, resets)
}

func TestUsageDoesNotDependOnHowOftenItIsScraped(t *testing.T) {
	w := shop().In("prod", 1)
	w.Rollout, w.Replicas = 0, 1
	// A counter's last value is the usage of the whole span, but for the tail after the last scrape.
	usage := func(interval time.Duration) float64 {
		r := Recording{End: end, Span: 24 * time.Hour, Interval: interval}
		var total float64
		for s := range r.Samples(w) {
			if s.Container == "shop" {
				total = s.CPU
			}
		}
		return total
	}
	require.InEpsilon(t, usage(15*time.Second), usage(2*time.Minute), 0.01)
}

func TestTwoJobsReadTheSameCounters(t *testing.T) {
	w := simple()
	w.Scrape.Twice, w.Replicas = true, 1
	samples := collect(Recording{End: end, Span: 2 * time.Hour, Interval: minInterval}, w)
	byJob := map[string]int{}
	for i, s := range samples {
		byJob[s.Job]++
		if i > 0 && s.Pod == samples[i-1].Pod {
			require.True(t, s.Time.After(samples[i-1].Time))
			require.Greater(t, s.CPU, samples[i-1].CPU)
		}
	}
	require.Len(t, byJob, 2)
	require.InDelta(t, byJob["kubelet"], byJob["kubernetes-cadvisor"], 2)
}

func TestEndingEarlyEndsTheSamples(t *testing.T) {
	n := 0
	for range (Recording{End: end}).Samples(simple()) {
		if n++; n == 3 {
			break
		}
	}
	require.Equal(t, 3, n)
}

func TestWhatCannotBeRecordedIsNamed(t *testing.T) {
	for want, change := range map[string]func(*Recording){
		"End is not set":                           func(r *Recording) { r.End = time.Time{} },
		"Span 10s: must be at least":               func(r *Recording) { r.Span = 10 * time.Second },
		"Interval 1s: must be":                     func(r *Recording) { r.Interval = time.Second },
		"prod store/shop is given twice":           func(r *Recording) { r.Workloads = append(r.Workloads, simple()) },
		`prod store/shop: the field Kind is "Pod"`: func(r *Recording) { r.Workloads[0].Kind = "Pod" },
		"a CronJob begins a Job that often":        func(r *Recording) { r.Workloads[0].Kind, r.Workloads[0].Rollout = CronJob, 0 },
		"a Job runs once":                          func(r *Recording) { r.Workloads[0].Kind = Job },
		"Lasting is 1m0s":                          func(r *Recording) { r.Workloads[0].Lasting = time.Minute },
		"Lasting is 25h0m0s":                       func(r *Recording) { r.Workloads[0].Kind, r.Workloads[0].Lasting = CronJob, 25*time.Hour },
		"Replicas is 0":                            func(r *Recording) { r.Workloads[0].Replicas = 0 },
		"are all required":                         func(r *Recording) { r.Workloads[0].Env = "" },
		"Age is -1s":                               func(r *Recording) { r.Workloads[0].Age = -time.Second },
		"Rollout is 1s":                            func(r *Recording) { r.Workloads[0].Rollout = time.Second },
		"Restarts is 1s":                           func(r *Recording) { r.Workloads[0].Restarts = time.Second },
		"has no containers":                        func(r *Recording) { r.Workloads[0].Containers = nil },
		`container "POD"`:                          func(r *Recording) { r.Workloads[0].Containers[0].Name = "POD" },
		"needs a CPU and a Memory load":            func(r *Recording) { r.Workloads[0].Containers[0].Memory = nil },
	} {
		r := Recording{End: end, Workloads: []Workload{simple()}}
		change(&r)
		require.ErrorContains(t, r.Validate(), want)
	}
}
