package history

import (
	"bytes"
	"context"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
)

// TestBlocksHoldWhatSamplesSays is what lets other tests compute from Samples what a recommender must have seen.
func TestBlocksHoldWhatSamplesSays(t *testing.T) {
	r := Recording{End: end, Span: 40 * time.Hour, Interval: 2 * time.Minute, Workloads: Store()}
	r.Workloads[0].Restarts = 7 * time.Hour // new series within a pod, and in shop-db resets within a series
	dir := t.TempDir()
	stats, err := r.Write(t.Context(), dir)
	require.NoError(t, err)

	type key struct{ env, namespace, pod, container, job string }
	read := map[string]map[key]map[int64]float64{cpuMetric: {}, memoryMetric: {}}
	series, metas := readBlocks(t, dir)
	var samples uint64
	for name, points := range series {
		l := parseLabels(t, name)
		samples += uint64(len(points))
		k := key{l["env"], l["namespace"], l["pod"], l["container"], l["job"]}
		if read[l["__name__"]][k] == nil {
			read[l["__name__"]][k] = map[int64]float64{}
		}
		for i, p := range points {
			require.True(t, i == 0 || points[i-1].ms < p.ms, "%s: out of order", name)
			read[l["__name__"]][k][p.ms] = p.v
		}
	}
	require.Equal(t, stats.Samples, samples)
	require.Equal(t, 3, stats.Blocks)
	require.Len(t, metas, 3)

	for _, w := range r.Workloads {
		for s := range r.Samples(w) {
			k := key{w.Env, w.Namespace, s.Pod, s.Container, s.Job}
			ms := s.Time.UnixMilli()
			require.Equal(t, s.CPU, read[cpuMetric][k][ms], "%v %d", k, ms)
			require.Equal(t, s.Memory, read[memoryMetric][k][ms], "%v %d", k, ms)
			delete(read[cpuMetric][k], ms)
			delete(read[memoryMetric][k], ms)
		}
	}
	for metric, left := range read {
		maps.DeleteFunc(left, func(k key, _ map[int64]float64) bool { return k.container == podSum || k.container == pauseContainer })
		for k, points := range left {
			require.Empty(t, points, "%s %v: in the blocks, not in Samples", metric, k)
		}
	}
}

func TestBlocksDoNotDependOnHowManyProcessorsWriteThem(t *testing.T) {
	var first map[string][]byte
	for _, processors := range []int{1, 2, 7} {
		before := runtime.GOMAXPROCS(processors)
		dir := t.TempDir()
		_, err := Recording{End: end, Span: 20 * time.Hour, Interval: 5 * time.Minute, Workloads: Store(), KubeStateMetrics: true}.Write(t.Context(), dir)
		runtime.GOMAXPROCS(before)
		require.NoError(t, err)
		files := map[string][]byte{}
		require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				files[strings.TrimPrefix(path, dir)], err = os.ReadFile(path)
			}
			return err
		}))
		require.Len(t, files, 2*4, "index, chunks, tombstones and meta.json of two days")
		if first == nil {
			first = files
		}
		require.True(t, maps.EqualFunc(first, files, bytes.Equal), "%d processors write other files than one", processors)
	}
}

func parseLabels(t *testing.T, s string) map[string]string {
	t.Helper()
	l, err := parser.NewParser(parser.Options{}).ParseMetric(s)
	require.NoError(t, err)
	return l.Map()
}

func TestSeriesLookLikeAKubelets(t *testing.T) {
	w := simple()
	w.Replicas, w.Rollout = 1, 0
	r := Recording{End: end, Span: time.Hour, Workloads: []Workload{w}}
	dir := t.TempDir()
	_, err := r.Write(t.Context(), dir)
	require.NoError(t, err)
	series, _ := readBlocks(t, dir)
	require.Len(t, series, 2*3, "two metrics of the container, the pause container and the pod")
	for name, points := range series {
		l := parseLabels(t, name)
		always := []string{"__name__", "endpoint", "env", "id", "instance", "job", "metrics_path", "namespace", "node", "pod", "service"}
		if l["__name__"] == cpuMetric {
			always = append(always, "cpu")
		}
		if l["container"] != podSum {
			always = append(always, "container", "image", "name")
			require.Contains(t, l["id"], l["name"])
		}
		require.ElementsMatch(t, always, keys(l), name)
		if l["container"] == podSum && l["__name__"] == memoryMetric {
			require.EqualValues(t, 100*mib+pauseMemory, points[0].v)
		}
	}
}

func keys(m map[string]string) (out []string) {
	for k := range m {
		out = append(out, k)
	}
	return out
}

func TestBlocksAreUTCDaysAndTheLastEndsAtTheEnd(t *testing.T) {
	dir := t.TempDir()
	_, err := Recording{End: end, Span: 40 * time.Hour, Interval: 10 * time.Minute, Workloads: []Workload{simple()}}.Write(t.Context(), dir)
	require.NoError(t, err)
	_, metas := readBlocks(t, dir)
	require.Len(t, metas, 3)
	midnight := end.Truncate(24 * time.Hour)
	require.Equal(t, midnight.Add(-24*time.Hour).UnixMilli(), metas[0].MaxTime)
	require.Equal(t, metas[0].MaxTime, metas[1].MinTime)
	require.Equal(t, midnight.UnixMilli(), metas[2].MinTime)
	require.Equal(t, end.UnixMilli(), metas[2].MaxTime)
}

func TestWritingTwiceToOneFolderIsRefused(t *testing.T) {
	r := Recording{End: end, Span: time.Hour, Workloads: []Workload{simple()}}
	dir := t.TempDir()
	_, err := r.Write(t.Context(), dir)
	require.NoError(t, err)
	_, err = r.Write(t.Context(), dir)
	require.ErrorContains(t, err, "already holds blocks")
}

func TestACancelledWriteLeavesNoHalfBlocks(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := Recording{End: end, Span: 72 * time.Hour, Interval: time.Minute, Workloads: []Workload{simple()}}
	r.Progress = func(day, days int) {
		require.Equal(t, 4, days)
		if day == 2 {
			cancel()
		}
	}
	dir := t.TempDir()
	stats, err := r.Write(ctx, dir)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "day 3 of 4")
	require.Equal(t, 2, stats.Blocks)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2)
	for _, e := range entries {
		require.False(t, strings.HasSuffix(e.Name(), tmpSuffix))
	}
}

func TestAYoungWorkloadAloneLeavesOneBlock(t *testing.T) {
	w := simple()
	w.Age = time.Hour
	stats, err := Recording{End: end, Workloads: []Workload{w}}.Write(t.Context(), t.TempDir())
	require.NoError(t, err)
	require.Equal(t, 1, stats.Blocks)
}

func BenchmarkWrite(b *testing.B) {
	var stats Stats
	for b.Loop() {
		var err error
		stats, err = Recording{End: end, Workloads: Store()}.Write(b.Context(), b.TempDir())
		require.NoError(b, err)
	}
	b.ReportMetric(float64(stats.Samples)*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
	b.ReportMetric(float64(stats.Bytes)/float64(stats.Samples), "bytes/sample")
}
