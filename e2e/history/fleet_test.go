package history

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAFleetHasAsManyContainersAsAskedForInEachEnvironment(t *testing.T) {
	for _, containers := range []int{2, 40, 2000, 10_000} {
		count, namespaces := map[string]int{}, map[string]bool{}
		all := Fleet(containers, 1)
		require.NoError(t, Recording{End: end, Workloads: all}.Validate())
		for _, w := range all {
			count[w.Env] += w.Replicas * len(w.Containers)
			namespaces[w.Namespace] = true
		}
		require.Equal(t, map[string]int{"prod": containers, "dev": containers}, count)
		require.LessOrEqual(t, len(namespaces), min(max(containers/250, 5), 40))
	}
}

func TestAFleetIsMixed(t *testing.T) {
	const containers = 4000
	pods, kind, containersIn, twice, large := map[string]int{}, map[string]float64{}, map[string]float64{}, map[string]bool{}, 0.0
	all := Fleet(containers, 1)
	for _, w := range all {
		pods[w.Env+" "+w.Namespace+"/"+w.Name] = w.Replicas
		kind[w.Kind]++
		containersIn[w.Env+" "+w.Namespace] += float64(w.Replicas * len(w.Containers))
		twice[w.Env+" "+w.Namespace] = w.Scrape.Twice
		if w.Replicas >= 10 {
			large++
		}
		if w.Kind == Deployment {
			require.Equal(t, 24*time.Hour, w.Rollout)
		} else {
			require.Positive(t, w.Restarts)
		}
	}
	for _, w := range all {
		require.Equal(t, pods["prod "+w.Namespace+"/"+w.Name], pods["dev "+w.Namespace+"/"+w.Name], "dev has all that prod has")
	}
	n := float64(len(all))
	require.InDelta(t, 0.8, kind[Deployment]/n, 0.05)
	require.InDelta(t, 0.1, large/n, 0.05)
	require.Len(t, containersIn, 2*16)
	require.Greater(t, containersIn["prod team-00"], 3*containersIn["prod team-15"], "the first is the largest")
	for namespace, is := range twice {
		require.Equal(t, namespace == "prod team-00", is, namespace)
	}
	require.NotEqual(t, len(all), len(Fleet(containers, 2)), "another seed gives other sizes")
}

func TestAFleetsLoadsDifferBySize(t *testing.T) {
	quiet, loud := 0, 0
	for _, w := range Fleet(2000, 1) {
		if w.Env != "prod" {
			continue
		}
		switch cores := w.Containers[0].CPU(1, -90*time.Hour); {
		case cores < 0.01:
			quiet++
		case cores > 0.2:
			loud++
		}
		require.Greater(t, w.Containers[0].Memory(1, 0), 1e6)
		require.Less(t, w.Containers[0].Memory(1, 0), 1e11)
	}
	require.Greater(t, quiet, 10)
	require.Greater(t, loud, 10)
}

func BenchmarkFleet(b *testing.B) {
	var stats Stats
	for b.Loop() {
		var err error
		stats, err = Recording{End: end, Span: 24 * time.Hour, KubeStateMetrics: true, Workloads: Fleet(500, 1)}.Write(b.Context(), b.TempDir())
		require.NoError(b, err)
	}
	b.ReportMetric(float64(stats.Samples)*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
	b.ReportMetric(float64(stats.Bytes)/float64(stats.Samples), "bytes/sample")
}
