package proof

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/history"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// TestEightDaysReadAreEightDaysWatched is what the reading of history is for. Its report, with -v, has upstream's figures
// beside ours.
func TestEightDaysReadAreEightDaysWatched(t *testing.T) {
	if testing.Short() {
		t.Skip("records and reads eight days several times")
	}
	all := workloads()
	traces, ok, err := history.TracesFromEnv()
	if ok {
		require.NoError(t, err)
		all = append(all, replayed(traces)...)
	}
	r := history.Recording{End: soon(), Workloads: all, KubeStateMetrics: true}
	live := watched(r)
	for _, interval := range []time.Duration{30 * time.Second, time.Minute} {
		t.Run("scraped each "+interval.String(), func(t *testing.T) {
			r.Interval = interval
			url := serve(t, r)
			queries := withoutRemoteRead(t, url)
			remote := ours(t, "remote", reading{url: url}.of(r), all)
			coarse := ours(t, "range 5m", reading{url: queries}.of(r), all)
			fine := ours(t, "range 1m", reading{url: queries, step: time.Minute}.of(r), workloads())
			report(t.Output(), []way{live, remote, coarse, upstreams(t, url, all)})
			requireNear(t, live, remote)
			requireNear(t, remote.only(workloads()), fine)
			requireWithin(t, live, coarse)
		})
	}
}

// soon is less than five minutes ahead, and the same within any five minutes, the step of the coarsest reader: what that makes
// of an hour's bursts depends on which minutes are one step. It is ahead so that now everything is still scraped.
func soon() time.Time {
	const step = 5 * time.Minute
	return time.Now().Truncate(step).Add(step - 20*time.Second)
}

// requireNear holds what one way found to another way's.
func requireNear(t *testing.T, want, got way) {
	t.Helper()
	require.Equal(t, want.containers(), got.containers())
	for _, container := range want.containers() {
		for _, difference := range apart(want.found[container], got.found[container]) {
			t.Errorf("%s: %s has %s", container, got.name, difference)
		}
	}
}

// coarsely is by which share a target may be off that was made of an average every 5 minutes.
const coarsely = 0.2

// smeared are containers that an average every 5 minutes cannot tell of, and what share their CPU is off at most.
var smeared = map[string]float64{
	// There are 12 averages in its only hour.
	"store/shop-rc/shop-rc": 0.3,
}

func requireWithin(t *testing.T, want, got way) {
	t.Helper()
	for _, container := range want.containers() {
		for _, r := range usage.Resources {
			allowed := coarsely
			if share, ok := smeared[container]; ok && r == usage.CPU {
				allowed = share
			}
			w, g := want.found[container][r].target, got.found[container][r].target
			if math.Abs(g-w) > allowed*w && !near(r, w, g, margin) {
				t.Errorf("%s: %s has %s target %.0f, not %.0f (%.2f)", container, got.name, r, g, w, g/w)
			}
		}
	}
}

// of asks for the days that were recorded.
func (r reading) of(recording history.Recording) reading {
	span := recording.Span
	if span == 0 {
		span = history.DefaultSpan
	}
	r.to = recording.End.Truncate(time.Minute)
	r.from = r.to.Add(-span)
	return r
}

// ours reads all workloads' history as the recommender does.
func ours(t *testing.T, name string, r reading, all []history.Workload) way {
	t.Helper()
	answers, err := r.load(t.Context(), all, testr.New(t))
	require.NoError(t, err)
	read := way{name: name, found: map[string]estimates{}}
	for _, w := range all {
		read.add(w, oursEstimates(answers[nameOf(w)].Usage))
	}
	return read
}

// watched is what watching all workloads gives.
func watched(r history.Recording) way {
	live := way{name: "live", found: map[string]estimates{}}
	for _, w := range r.Workloads {
		live.add(w, watch(r, w))
	}
	return live
}

func upstreams(t *testing.T, url string, all []history.Workload) way {
	t.Helper()
	read := way{name: "upstream", found: map[string]estimates{}}
	l, err := loadUpstream(upstreamConfig(url), all)
	require.NoError(t, err)
	for _, w := range all {
		found, err := l.estimates(w)
		require.NoError(t, err)
		read.add(w, found)
	}
	return read
}

// only is what was found of some of the workloads.
func (w way) only(all []history.Workload) way {
	some := way{name: w.name, found: map[string]estimates{}}
	for _, of := range all {
		for _, c := range of.Containers {
			name := strings.Join([]string{of.Namespace, of.Name, c.Name}, "/")
			some.found[name] = w.found[name]
		}
	}
	return some
}

func (w way) add(of history.Workload, found map[string]estimates) {
	for container, e := range found {
		w.found[strings.Join([]string{of.Namespace, of.Name, container}, "/")] = e
	}
}
