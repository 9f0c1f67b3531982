package replay

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/estimate"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// compared are the policies that the golden files show.
func compared() []Policy {
	return []Policy{
		byDefault("base"),
		byDefault("p99", percentileOf(0.99), func(p *Policy) { p.Description = "--target-cpu-percentile=0.99 --target-memory-percentile=0.99" }),
		byDefault("thin", percentileOf(0.5), func(p *Policy) {
			p.Description, p.Estimate.Margin = "--target-cpu-percentile=0.5 --target-memory-percentile=0.5 --recommendation-margin-fraction=0", 0
		}),
		{Name: "declared", Description: "what pods declare, without a recommendation", AsDeclared: true},
	}
}

func declaredResources() *corev1.ResourceRequirements {
	return &corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("512Mi")},
		Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2"), corev1.ResourceMemory: resource.MustParse("1Gi")},
	}
}

func TestATableComparesPolicies(t *testing.T) {
	r := played(t, store(t), Options{Declared: declaredResources()}, compared()...)
	var out strings.Builder
	require.NoError(t, Table(&out, r))
	for line := range strings.Lines(out.String()) {
		require.LessOrEqual(t, utf8.RuneCountInString(line), Columns+1, line)
	}
	golden(t, "store.txt", out.String())
}

func TestTablesNameKindsWhereNamesAloneLeaveDoubt(t *testing.T) {
	r := &Report{}
	for _, w := range []string{"Deployment/shop", "StatefulSet/shop", "CronJob/report", "plain"} {
		for _, c := range []string{"shop", "proxy"} {
			r.Containers = append(r.Containers, ContainerReport{Namespace: "store", Workload: w, Container: c})
		}
	}
	require.Equal(t, []string{
		"store/Deployment/shop", "store/Deployment/shop/proxy", "store/StatefulSet/shop", "store/StatefulSet/shop/proxy",
		"store/report/shop", "store/report/proxy", "store/plain/shop", "store/plain/proxy",
	}, r.titles())
}

func TestJSONHasEveryMeasure(t *testing.T) {
	r := played(t, store(t), Options{Declared: declaredResources()}, compared()...)
	var out strings.Builder
	require.NoError(t, JSON(&out, r))
	golden(t, "store.json", out.String())
}

func TestAReportDoesNotDependOnTheOrderOfWorkloadsAndTracks(t *testing.T) {
	mixed := store(t)
	slices.Reverse(mixed)
	for i := range mixed {
		slices.Reverse(mixed[i].Tracks)
	}
	require.Equal(t, played(t, store(t), Options{Plots: true}, compared()...), played(t, mixed, Options{Plots: true}, compared()...))
}

func TestMeasuresAreWhatTheirCommentsSay(t *testing.T) {
	// For a day 100m and 300 MiB; then, of four hours, one with 300m and 700 MiB, one with 3 cores and 3 GiB, two as before.
	track := flat("p", "app", sunday, aDay, 100, 300*mebi)
	for i, hour := range []struct {
		cpu    int32
		memory int64
	}{{300, 700}, {3000, 3072}, {100, 300}, {100, 300}} {
		track.set(sunday.Add(aDay+time.Duration(i)*time.Hour), 60, hour.cpu, hour.memory*mebi)
	}
	r := played(t, []Workload{{Namespace: "n", Name: "w", Tracks: []Track{track}}}, Options{}, byDefault("base"))
	cpu, memory := r.Containers[0].Outcomes[0].CPU, r.Containers[0].Outcomes[0].Memory

	require.Equal(t, 28*60, cpu.Minutes)
	require.InDelta(t, 4.0/28, cpu.Coverage, 1e-12, "only the second day's pods had a recommendation")
	request := cpu.Request
	require.InDelta(t, 0.115, request, 0.02, "p90 of 100m + 15 %, in buckets")
	require.Equal(t, 1.0, cpu.Limit, "twice that, in whole cores")
	require.InDelta(t, request-(0.3+3+0.1+0.1)/4, cpu.SlackMean, 1e-9)
	require.InDelta(t, request-0.3, *cpu.SlackP50, 1e-9, "half of the minutes had no more to spare")
	require.InDelta(t, request-0.1, *cpu.SlackP95, 1e-9)
	require.InDelta(t, 4*request, cpu.ReservedHours, 1e-9)
	require.InDelta(t, 3.5, cpu.UsedHours, 1e-9)
	require.InDelta(t, 2*(request-0.1), cpu.ExcessHours, 1e-9)
	require.InDelta(t, 0.5, cpu.Overrun, 1e-12)
	require.InDelta(t, 0.25, *cpu.AboveLimit, 1e-12)
	require.Equal(t, 0, cpu.OOMDays)

	require.InDelta(t, 300*1.15, memory.Request/float64(mebi), 25)
	require.Equal(t, int64(0), int64(memory.Limit)%mebi)
	require.GreaterOrEqual(t, memory.Limit, 2*memory.Request)
	require.InDelta(t, 0.25, *memory.AboveLimit, 1e-12, "700 MiB fit under the limit, 3 GiB do not")
	require.Equal(t, 1, memory.OOMDays)
	require.Equal(t, 1, memory.MeasuredDays)
	require.InDelta(t, (4*memory.Request-(300+300+700+3072)*float64(mebi))/4, memory.SlackMean, 1)
	require.InDelta(t, 2*(memory.Request/(1<<30)-300.0/1024), memory.ExcessHours, 1e-9)
	require.Equal(t, *r.Totals[0].CPU, func() Measures {
		m := *cpu
		m.Request, m.Limit, m.SlackP50, m.SlackP95 = 0, 0, nil, nil
		return m
	}())
}

func TestADayIsCountedOnceHoweverManyPodsAndMinutesWereAboveTheLimit(t *testing.T) {
	var tracks []Track
	for _, pod := range []string{"a", "b"} {
		track := flat(pod, "app", sunday, aDay, 100, 300*mebi)
		for d := 1; d <= 3; d++ {
			track.set(sunday.Add(time.Duration(d)*aDay), 60, 100, 100<<30)
			track.set(sunday.Add(time.Duration(d)*aDay+12*time.Hour), 60, 100, 100<<30)
		}
		tracks = append(tracks, track)
	}
	w := []Workload{{Namespace: "n", Name: "w", Tracks: tracks}}
	memory := played(t, w, Options{}, byDefault("base")).Containers[0].Outcomes[0].Memory
	require.Equal(t, 1, memory.OOMDays, "what was learnt on the first is known on the second")
	// Limits of a quarter: it happens every day.
	tight := byDefault("tight", func(p *Policy) {
		p.Global.MaxAllowed = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}
	})
	r := played(t, w, Options{}, tight)
	require.Equal(t, 3, r.Containers[0].Outcomes[0].Memory.OOMDays)
	require.Equal(t, 3, r.Totals[0].Memory.MeasuredDays)
}

func TestPodsHaveWhatWasRecommendedWhenTheyWereCreated(t *testing.T) {
	track := flat("p", "app", sunday, aDay, 100, 300*mebi)
	track.set(sunday.Add(aDay), 24*60, 1000, 300*mebi)
	w := []Workload{{Namespace: "n", Name: "w", Tracks: []Track{track}}}
	daily := played(t, w, Options{}, byDefault("base")).Containers[0].Outcomes[0].CPU
	hourly := played(t, w, Options{RestartEvery: time.Hour}, byDefault("base")).Containers[0].Outcomes[0].CPU
	require.InDelta(t, 0.12, daily.Request, 0.03, "of the second day nothing is known in its morning")
	require.Equal(t, 1.0, daily.Overrun)
	require.Greater(t, hourly.Request, 1.0)
	require.Less(t, hourly.Overrun, 0.3)
	require.InDelta(t, 47.0/48, hourly.Coverage, 1e-12)
}

func TestTheWarmUpIsLearntFromAndNotMeasured(t *testing.T) {
	w := []Workload{{Namespace: "n", Name: "w", Tracks: []Track{flat("p", "app", sunday, 3*aDay, 100, 300*mebi)}}}
	m := played(t, w, Options{WarmUp: aDay}, byDefault("base")).Totals[0].CPU
	require.Equal(t, 2*24*60, m.Minutes)
	require.Equal(t, 1.0, m.Coverage)
}

func TestTargetsAreThoseOfSamplesThatCameLive(t *testing.T) {
	for _, w := range store(t) {
		s, p := newScene(&w, &Options{RestartEvery: aDay}), byDefault("base")
		r := newRecommender(s, &p)
		live := aggregate.NewWorkload(p.Aggregate)
		for at := s.from; at.Before(s.to); at = at.Add(Look) {
			r.advise(at)
			r.learn(at, at.Add(Look))
			for minute := at; minute.Before(at.Add(Look)); minute = minute.Add(time.Minute) {
				for i := range w.Tracks {
					addLive(live, &w, &w.Tracks[i], minute)
				}
			}
		}
		told := r.advise(s.to)
		for i, name := range s.containers {
			want := estimate.Recommend(live.Aggregate(name), r.minimum, p.Estimate)
			for _, kind := range usage.Resources {
				require.InEpsilon(t, float64(want[kind].Target), float64(told[i][kind].amount), 0.0101, "%s %s", name, kind)
			}
		}
	}
}

func addLive(live *aggregate.Workload, w *Workload, t *Track, minute time.Time) {
	i := int(minute.Sub(t.From) / time.Minute)
	if i < 0 || i >= len(t.CPU) {
		return
	}
	for _, r := range usage.Resources {
		if amount, known := t.amount(r, i); known {
			live.Add(usage.Sample{Container: usage.Container{Namespace: w.Namespace, Pod: t.Pod, Name: t.Container}, Resource: r, Time: minute, Amount: amount})
		}
	}
}

func TestAContainerThatComesLaterTakesNoShareOfTheMinimumBefore(t *testing.T) {
	w := []Workload{{Namespace: "n", Name: "w", Tracks: []Track{
		flat("p", "app", sunday, 4*aDay, 1, mebi), flat("p", "late", sunday.Add(2*aDay), 2*aDay, 1, mebi),
	}}}
	s, p := newScene(&w[0], &Options{RestartEvery: aDay, Plots: true}), byDefault("base")
	looks := s.play(newRecommender(s, &p))[0].looks
	require.Equal(t, usage.Amount(25), looks[2*looksPerDay-1].asks[usage.CPU].request)
	require.Equal(t, usage.Amount(25), looks[2*looksPerDay].asks[usage.CPU].request, "the pods of that morning")
	require.Equal(t, usage.Amount(12), looks[3*looksPerDay].asks[usage.CPU].request)
}

func TestARunThatIsCancelledEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var done []int
	_, err := Run(ctx, store(t), compared(), Options{RestartEvery: aDay}, func(n int) { done = append(done, n); cancel() })
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "replaying store/Deployment/shop")
	require.Equal(t, []int{1}, done)
}

func TestOptionsThatCannotBeUsedAreNamed(t *testing.T) {
	require.ErrorContains(t, (&Options{RestartEvery: 25 * time.Minute}).Validate(), "RestartEvery 25m0s: must be a multiple of 10m")
	require.ErrorContains(t, (&Options{}).Validate(), "RestartEvery 0s")
	require.ErrorContains(t, (&Options{RestartEvery: aDay, WarmUp: -1}).Validate(), "WarmUp")
}
