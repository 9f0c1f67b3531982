package replay

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// drawn is any workload: two containers and up to two pods that come and go, with gaps.
func drawn(t *rapid.T) Workload {
	w := Workload{Namespace: "n", Name: "w"}
	for pod := range rapid.IntRange(1, 2).Draw(t, "pods") {
		from := sunday.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "hours before")) * time.Hour)
		for _, container := range []string{"app", "proxy"} {
			track := Track{Pod: string(rune('a' + pod)), Container: container, From: from}
			for i, hours := 0, rapid.IntRange(1, 48).Draw(t, "hours"); i < hours; i++ {
				cpu, memory := rapid.Int32Range(Unknown, 4000).Draw(t, "cpu"), rapid.Int64Range(Unknown, 8<<10).Draw(t, "MiB")
				if memory >= 0 {
					memory *= mebi
				}
				track.set(from.Add(time.Duration(i)*time.Hour), 60, cpu, memory)
			}
			w.Tracks = append(w.Tracks, track)
		}
	}
	return w
}

// clone is w with tracks of its own.
func clone(w Workload) Workload {
	tracks := make([]Track, len(w.Tracks))
	for i, t := range w.Tracks {
		t.CPU, t.Memory = append([]int32(nil), t.CPU...), append([]int64(nil), t.Memory...)
		tracks[i] = t
	}
	w.Tracks = tracks
	return w
}

// oracle is an adviser that knows the future: pods are given what they are going to use at the most.
type oracle struct {
	scene   *scene
	targets []targets
}

func (o *oracle) advise(at time.Time) []targets {
	if o.targets != nil && !at.Truncate(o.scene.options.RestartEvery).Equal(at) {
		return o.targets
	}
	o.targets = make([]targets, len(o.scene.containers))
	for i := range o.scene.Tracks {
		t := &o.scene.Tracks[i]
		first, end, _ := t.between(at, at.Add(o.scene.options.RestartEvery))
		for _, r := range usage.Resources {
			to := &o.targets[o.scene.of[i]][r]
			to.known = true
			for minute := first; minute < end; minute++ {
				if used, known := t.amount(r, minute); known {
					to.amount = max(to.amount, used)
				}
			}
		}
	}
	return o.targets
}

func (o *oracle) create() []asks {
	given := make([]asks, len(o.targets))
	for i := range given {
		for r, to := range o.targets[i] {
			given[i][r] = ask{request: to.amount, limit: to.amount, known: true}
		}
	}
	return given
}

func (*oracle) learn(time.Time, time.Time) {}

func TestWhoKnowsTheFutureNeverOverruns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawn(t)
		s := newScene(&w, &Options{RestartEvery: rapid.SampledFrom([]time.Duration{aDay, time.Hour, Look}).Draw(t, "every")})
		for _, o := range s.play(&oracle{scene: s}) {
			for r := range o.tallies {
				require.Zero(t, o.tallies[r].overrun)
				require.Zero(t, o.tallies[r].beyond)
				require.Zero(t, o.tallies[r].oomDays)
				require.InDelta(t, o.tallies[r].reserved, o.tallies[r].used+o.tallies[r].excess, 1e-6*(1+o.tallies[r].reserved))
			}
		}
	})
}

func TestWhatHappensLaterChangesNothingBefore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawn(t)
		o := &Options{RestartEvery: rapid.SampledFrom([]time.Duration{aDay, time.Hour, Look}).Draw(t, "every"), Plots: true}
		change := sunday.Add(time.Duration(rapid.IntRange(0, 80*60).Draw(t, "minutes")) * time.Minute)
		other := clone(w)
		for i := range other.Tracks {
			track := &other.Tracks[i]
			first, end, _ := track.between(change, track.to())
			for minute := first; minute < end; minute++ {
				track.CPU[minute], track.Memory[minute] = track.CPU[minute]*2+7, track.Memory[minute]*3+5
			}
		}
		p := byDefault("base")
		s, so := newScene(&w, o), newScene(&other, o)
		a, b := s.play(newRecommender(s, &p)), so.play(newRecommender(so, &p))
		for i := range a {
			for l := range a[i].looks {
				// Pods of a look that begins no later than the change know nothing of it.
				if at := a[i].looks[l].at; at.After(change) {
					break
				}
				require.Equal(t, a[i].looks[l].asks, b[i].looks[l].asks)
			}
		}
	})
}

func TestAWholeDayLaterEverythingIsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawn(t)
		later := clone(w)
		for i := range later.Tracks {
			later.Tracks[i].From = later.Tracks[i].From.Add(100 * aDay)
		}
		play := func(w Workload) *Report {
			r, err := Run(t.Context(), []Workload{w}, []Policy{byDefault("base")}, Options{RestartEvery: aDay}, nil)
			require.NoError(t, err)
			return r
		}
		a, b := play(w), play(later)
		require.Equal(t, a.From.Add(100*aDay), b.From)
		require.Equal(t, a.Totals, b.Totals)
		require.Equal(t, a.Containers, b.Containers)
	})
}

func TestFactorTimesTheUsageIsFactorTimesTheSlack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, factor := drawn(t), rapid.Int32Range(2, 9).Draw(t, "factor")
		scaled := clone(w)
		for i := range scaled.Tracks {
			for minute := range scaled.Tracks[i].CPU {
				if v := &scaled.Tracks[i].CPU[minute]; *v >= 0 {
					*v *= factor
				}
				if v := &scaled.Tracks[i].Memory[minute]; *v >= 0 {
					*v *= int64(factor)
				}
			}
		}
		o := &Options{RestartEvery: aDay}
		s, so := newScene(&w, o), newScene(&scaled, o)
		a, b := s.play(&oracle{scene: s}), so.play(&oracle{scene: so})
		for i := range a {
			for _, r := range usage.Resources {
				one, other := a[i].tallies[r].measures(r, false), b[i].tallies[r].measures(r, false)
				require.InEpsilon(t, 1+float64(factor)*one.SlackMean, 1+other.SlackMean, 1e-9)
				require.InEpsilon(t, 1+float64(factor)*one.ExcessHours, 1+other.ExcessHours, 1e-9)
				require.Equal(t, one.Overrun, other.Overrun)
			}
		}
	})
}

func TestAHigherPercentileReservesMoreAndOverrunsLess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawn(t)
		low := rapid.Float64Range(0.1, 0.9).Draw(t, "percentile")
		r, err := Run(t.Context(), []Workload{w}, []Policy{byDefault("low", percentileOf(low)), byDefault("high", percentileOf(low+0.1))}, Options{RestartEvery: aDay}, nil)
		require.NoError(t, err)
		for _, kind := range usage.Resources {
			a, b := r.Totals[0].of(kind), r.Totals[1].of(kind)
			if a == nil || a.Coverage == 0 {
				continue
			}
			// The published target stays within 1 % of the last, so that the higher may be a little lower.
			require.GreaterOrEqual(t, b.ReservedHours, a.ReservedHours*0.97)
			require.Equal(t, a.Coverage, b.Coverage)
		}
	})
}

func TestCountsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawn(t)
		r, err := Run(t.Context(), []Workload{w}, []Policy{byDefault("base")}, Options{RestartEvery: time.Hour}, nil)
		require.NoError(t, err)
		for _, kind := range usage.Resources {
			minutes := 0
			for i := range w.Tracks {
				for m := range w.Tracks[i].CPU {
					if _, known := w.Tracks[i].amount(kind, m); known {
						minutes++
					}
				}
			}
			total := r.Totals[0].of(kind)
			if total == nil {
				require.Zero(t, minutes)
				continue
			}
			require.Equal(t, minutes, total.Minutes)
			require.LessOrEqual(t, total.OOMDays, total.MeasuredDays)
			require.LessOrEqual(t, total.Overrun, 1.0)
			if total.AboveLimit != nil {
				require.LessOrEqual(t, *total.AboveLimit, total.Overrun, "who is above the limit is above the request")
			}
			beyond := total.UsedHours + total.ExcessHours - total.ReservedHours
			require.Greater(t, beyond, -1e-6*(1+total.ReservedHours))
			require.Equal(t, total.Overrun > 0, beyond > 1e-9*(1+total.ReservedHours))
		}
	})
}

// Some seconds are the bound for 58 recorded jobs of ten days and more; it takes a fifth of one for each policy.
func BenchmarkReplay(b *testing.B) {
	workloads := tracedWorkloads(b)
	for b.Loop() {
		_, err := Run(b.Context(), workloads, []Policy{byDefault("base")}, Options{RestartEvery: aDay}, nil)
		require.NoError(b, err)
	}
}

// Recorded usage says whether a policy is worth anything: the default lets one minute in fifty overrun, not one in ten.
func TestTheDefaultServesRecordedUsage(t *testing.T) {
	r := played(t, tracedWorkloads(t), Options{}, byDefault("base"), byDefault("thin", percentileOf(0.5)))
	require.Len(t, r.Containers, len(traces(t)))
	base, thin := r.Totals[0], r.Totals[1]
	require.Greater(t, base.CPU.Coverage, 0.85)
	require.Less(t, base.CPU.Overrun, 0.02)
	require.Less(t, base.CPU.Overrun, thin.CPU.Overrun)
	require.Greater(t, base.CPU.ExcessHours, thin.CPU.ExcessHours)
	require.Less(t, float64(base.Memory.OOMDays)/float64(base.Memory.MeasuredDays), 0.01)
}
