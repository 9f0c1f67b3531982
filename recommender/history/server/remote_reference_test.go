package server

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/history"
)

// scrapes are values at random times around an interval of so many minutes; now and then one is missing for long, is no
// number, negative, or a stale marker. next is the value after another.
func scrapes(t *rapid.T, minutes int, next func(v float64) float64) []point {
	var all []point
	ms := begin.UnixMilli() - rapid.Int64Range(-120_000, 400_000).Draw(t, "start")
	for v := next(-1); ms < begin.UnixMilli()+int64(minutes+2)*minute; v = next(v) {
		one := point{ms, v}
		switch rapid.IntRange(0, 30).Draw(t, "kind") {
		case 0:
			one.v = math.NaN()
		case 1:
			one.v = stale
		case 2:
			one.v = -v - 1
		case 3:
			ms += rapid.Int64Range(0, 400_000).Draw(t, "gap")
		}
		all = append(all, one)
		ms += rapid.SampledFrom([]int64{15_000, 30_000, 30_000, 30_001, 59_999, 60_000}).Draw(t, "interval")
	}
	return all
}

// inPieces writes a series as chunks and frames of any sizes.
func inPieces(t *rapid.T, tb testing.TB, r usage.Resource, of []prompb.Label, points []point) (all [][]byte) {
	for len(points) > 0 {
		piece := &prompb.ChunkedSeries{Labels: of}
		for range rapid.IntRange(1, 3).Draw(t, "chunks") {
			n := min(len(points), rapid.IntRange(1, 9).Draw(t, "values"))
			piece.Chunks = append(piece.Chunks, xor(tb, points[:n]...))
			points = points[n:]
		}
		all = append(all, frame(tb, r, piece))
	}
	return all
}

// averages are a counter's, minute by minute: NaN where less than minCovered is known. Each minute looks at all values.
func averages(points []point, minutes int) []float64 {
	result := slices.Repeat([]float64{math.NaN()}, minutes)
	for m := range result {
		start := begin.UnixMilli() + int64(m)*minute
		used, covered := 0.0, 0.0
		var last *point
		for i, p := range points {
			if p.t < begin.UnixMilli()-leadMillis || p.t > begin.UnixMilli()+int64(minutes)*minute+trailMillis {
				continue
			}
			if value.IsStaleNaN(p.v) {
				last = nil
			}
			if math.IsNaN(p.v) || p.v < 0 {
				continue
			}
			if last != nil && p.v >= last.v && p.t-last.t <= 300_000 {
				span := max(min(p.t, start+minute)-max(last.t, start), 0)
				if p.t-last.t >= 45_000 { // the average at the minute's middle counts, and no share of others
					if span = 0; last.t <= start+minute/2 && start+minute/2 < p.t {
						span = minute
					}
				}
				used += (p.v - last.v) / float64(p.t-last.t) * 1000 * float64(span)
				covered += float64(span)
			}
			last = &points[i]
		}
		if covered >= minCovered {
			result[m] = used / covered
		}
	}
	return result
}

func TestRemoteReadAveragesExactly(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		minutes := rapid.IntRange(1, 60).Draw(r, "minutes")
		want := slices.Repeat([]int32{history.Unknown}, minutes)
		var frames [][]byte
		for _, replica := range []string{"", "b", "c"}[:rapid.IntRange(1, 3).Draw(r, "series")] {
			points := scrapes(r, minutes, func(v float64) float64 {
				if v < 0 || rapid.IntRange(0, 40).Draw(r, "restart") == 0 {
					return rapid.Float64Range(0, 1).Draw(r, "value")
				}
				return v + rapid.Float64Range(0, 1000).Draw(r, "gained")
			})
			frames = append(frames, inPieces(r, t, usage.CPU, labelled("container", "shop", "namespace", "store", "pod", shop, "replica", replica), points)...)
			for m, v := range averages(points, minutes) {
				if !math.IsNaN(v) {
					want[m] = max(want[m], int32(math.Ceil(math.Round(v*1e9)/1e6)))
				}
			}
		}
		got := mustStream(t, lasting(time.Duration(minutes)*time.Minute), frames...)
		if !slices.ContainsFunc(want, func(v int32) bool { return v != history.Unknown }) {
			require.Empty(t, got.all)
			return
		}
		require.Equal(t, want, got.all[0].CPU)
	})
}

func TestRemoteReadKeepsTheLargestMemory(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		minutes := rapid.IntRange(1, 90).Draw(r, "minutes")
		q := lasting(time.Duration(minutes) * time.Minute)
		q.PeakSpan = time.Duration(rapid.IntRange(1, 40).Draw(r, "span")) * time.Minute
		var all []peak
		var frames [][]byte
		for _, replica := range []string{"", "b", "c"}[:rapid.IntRange(1, 3).Draw(r, "series")] {
			points := scrapes(r, minutes, func(float64) float64 { return rapid.Float64Range(1e6, 5e8).Draw(r, "bytes") })
			frames = append(frames, inPieces(r, t, usage.Memory, labelled("container", "shop", "namespace", "store", "pod", shop, "replica", replica), points)...)
			for _, p := range points {
				if m := p.t - begin.UnixMilli(); p.v >= 0 && m >= 0 && m < int64(minutes)*minute {
					all = append(all, peak{int32(m / minute), int64(p.v)})
				}
			}
		}
		got := mustStream(t, q, frames...)
		var kept []peak
		for _, u := range got.all {
			for _, p := range u.Memory {
				kept = append(kept, peak{int32(p.Minute.Sub(begin) / time.Minute), int64(p.Bytes)})
			}
		}
		compare(r, all, kept, int32(q.PeakSpan/time.Minute))
	})
}
