package proof

import (
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/history"
	"github.com/sartor-vpa/sartor/pkg/aggregate"
)

// What must not matter is held to the last bit where nothing else is read for it.

// both calls test for both readers, with the URL that it is to read a recording from.
func both(t *testing.T, test func(t *testing.T, url func(t *testing.T, r history.Recording) string)) {
	if testing.Short() {
		t.Skip("records days and reads them from Prometheus")
	}
	t.Run("remote read", func(t *testing.T) { test(t, serve) })
	t.Run("query_range", func(t *testing.T) {
		test(t, func(t *testing.T, r history.Recording) string { return withoutRemoteRead(t, serve(t, r)) })
	})
}

// short is a recording of two days, and a part of a third.
func short(all []history.Workload) history.Recording {
	return history.Recording{End: soon(), Span: 57 * time.Hour, Workloads: all}
}

// learnt is all that is known of all containers once their history is read, to the last bit.
func learnt(t *testing.T, r reading, all []history.Workload) map[string]aggregate.Checkpoint {
	t.Helper()
	answers, err := r.load(t.Context(), all, testr.New(t))
	require.NoError(t, err)
	known := map[string]aggregate.Checkpoint{}
	for _, w := range all {
		read := answers[nameOf(w)].Usage
		require.NotZero(t, read.Len(), w.Name)
		for _, container := range read.Containers() {
			saved, ok := read.Save(container, r.to)
			require.True(t, ok)
			require.NotZero(t, saved.Samples, "%s/%s", w.Name, container)
			known[w.Name+"/"+container] = saved
		}
	}
	return known
}

func TestAnotherEnvironmentMovesNothing(t *testing.T) {
	both(t, func(t *testing.T, url func(*testing.T, history.Recording) string) {
		mine := prod(history.Store())
		alone := short(mine)
		mixed := alone
		mixed.Workloads = history.Store() // in dev everything has the same names, and uses ten times as much
		mixedURL := url(t, mixed)
		want := learnt(t, reading{url: url(t, alone)}.of(alone), mine)
		require.Equal(t, want, learnt(t, reading{url: mixedURL}.of(mixed), mine))
		require.NotEqual(t, want, learnt(t, reading{url: mixedURL, everywhere: true}.of(mixed), mine), "without the filter it would be seen")
	})
}

func TestTwoScrapeJobsAreAsGoodAsOne(t *testing.T) {
	both(t, func(t *testing.T, url func(*testing.T, history.Recording) string) {
		once := short(workloads())
		twice := once
		twice.Workloads = workloads()
		for i := range once.Workloads {
			once.Workloads[i].Scrape.Twice, twice.Workloads[i].Scrape.Twice = false, true
		}
		want := ours(t, "once", reading{url: url(t, once)}.of(once), once.Workloads)
		requireNear(t, want, ours(t, "twice", reading{url: url(t, twice)}.of(twice), twice.Workloads))
	})
}

func TestNamesTellOwnersAsKubeStateMetricsDoes(t *testing.T) {
	both(t, func(t *testing.T, url func(*testing.T, history.Recording) string) {
		all := append(prod(history.Store()), kinds()...)
		byName := short(all)
		byLink := byName
		byLink.KubeStateMetrics = true
		want := learnt(t, reading{url: url(t, byName)}.of(byName), all)
		require.Equal(t, want, learnt(t, reading{url: url(t, byLink)}.of(byLink), all))
	})
}

func TestWhatIsWrongWithScrapesMovesNothing(t *testing.T) {
	both(t, func(t *testing.T, url func(*testing.T, history.Recording) string) {
		r := short(spoilt())
		// What goes on across midnight begins anew there, as each day is read by itself.
		r.End = time.Now().Truncate(24 * time.Hour).Add(-12 * time.Hour)
		requireNear(t, watched(r), ours(t, "read", reading{url: url(t, r), step: time.Minute}.of(r), r.Workloads))
	})
}

// TestLinksTellWhatNamesDoNot has pods of two workloads whose names Kubernetes cut before they differ.
func TestLinksTellWhatNamesDoNot(t *testing.T) {
	both(t, func(t *testing.T, url func(*testing.T, history.Recording) string) {
		long := strings.Repeat("long-", 12)
		var all []history.Workload
		for i, name := range []string{long + "a", long + "b"} {
			cpu, memory := history.Steady(0.2+float64(i), 0.1), history.Steady(float64(200+300*i)*mib, 0.1)
			all = append(all, history.Workload{
				Env: environment, Namespace: "long", Name: name, Kind: history.Deployment, Replicas: 2, Containers: one(cpu, memory),
			})
		}
		r := short(all)
		r.KubeStateMetrics = true
		requireNear(t, watched(r), ours(t, "read", reading{url: url(t, r), step: time.Minute}.of(r), all))
	})
}
