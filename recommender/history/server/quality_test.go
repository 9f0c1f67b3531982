package server

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/history"
)

const (
	mebi = float64(1 << 20)
	gibi = float64(1 << 30)
)

// every is a value of each of n scrapes, 30 seconds apart, from a minute on.
func every(from float64, n int, v func(i int) float64) []point {
	var points []point
	for i := range n {
		points = append(points, at(from*60+float64(i)*30, v(i)))
	}
	return points
}

func steadily(v float64) func(int) float64 { return func(int) float64 { return v } }

// grows is a counter at so many cores.
func grows(from, cores float64) func(int) float64 {
	return func(i int) float64 { return from + cores*30*float64(i) }
}

func TestAJumpOfMemoryToAnotherUnitIsLeftOut(t *testing.T) {
	for name, tc := range map[string]struct {
		points  []point
		largest float64
		dropped history.Dropped
	}{
		"1024 times for an hour": {slices.Concat(every(0, 60, steadily(300*mebi)), every(30, 120, steadily(300*gibi)), every(90, 60, steadily(310*mebi))),
			310 * mebi, history.Dropped{unitJump: 120}},
		"1000 times, and growing": {slices.Concat(every(0, 60, steadily(300e6)), every(30, 120, grows(301e9, 1e8)), every(90, 1, steadily(301e6))),
			301e6, history.Dropped{unitJump: 120}},
		"a million times, to the end": {slices.Concat(every(0, 60, steadily(30e6)), every(30, 20, steadily(30e12))),
			30e6, history.Dropped{unitJump: 20}},
		"once": {slices.Concat(every(0, 60, steadily(300*mebi)), every(30, 1, steadily(300*gibi)), every(31, 60, steadily(299*mebi))),
			300 * mebi, history.Dropped{unitJump: 1}},
		"down for half an hour": {slices.Concat(every(0, 60, steadily(300*gibi)), every(30, 60, steadily(300*mebi)), every(60, 10, steadily(301*gibi))),
			301 * gibi, history.Dropped{unitJump: 60}},
		"down for good: an hour is left out": {slices.Concat(every(0, 60, steadily(300*gibi)), every(30, 240, steadily(300*mebi))),
			300 * gibi, history.Dropped{unitJump: 120}},
		"more than there is anywhere": {slices.Concat(every(0, 60, steadily(300*mebi)), every(30, 3, steadily(1e15)), every(32, 3, steadily(301*mebi))),
			301 * mebi, history.Dropped{absurd: 3}},

		"a JVM starts": {slices.Concat(every(0, 4, steadily(32*mebi)), every(2, 60, steadily(32*gibi))), 32 * gibi, history.Dropped{}},
		"a JVM starts again in the same series": {slices.Concat(every(0, 60, steadily(24*gibi)), every(30, 4, steadily(32*mebi)), every(32, 60, steadily(32*gibi))),
			32 * gibi, history.Dropped{}},
		"it starts again, and waits with little": {slices.Concat(every(0, 60, steadily(32*gibi)), every(30, 300, steadily(32*mebi)), every(180, 60, steadily(32*gibi))),
			32 * gibi, history.Dropped{unitJump: 120}},
		"a garbage collector's saw": {every(0, 200, func(i int) float64 { return 100*mebi + float64(i%20)*200*mebi }), 3900 * mebi, history.Dropped{}},
		"a batch job between naps": {every(0, 400, func(i int) float64 {
			if i%100 > 80 {
				return 2 * gibi
			}
			return 20 * mebi
		}), 2 * gibi, history.Dropped{}},
		"growth by a thousand in a few steps": {every(0, 60, func(i int) float64 { return 4 * mebi * []float64{1, 1, 2, 30, 500, 1020}[i/10] }), 4 * mebi * 1020, history.Dropped{}},
		"a JVM starts again with more": {slices.Concat(every(0, 60, steadily(12*gibi)), every(30, 4, steadily(32*mebi)), every(32, 60, steadily(32*gibi))),
			32 * gibi, history.Dropped{}},
		"a shell that slept starts a job": {slices.Concat(every(0, 60, steadily(2*mebi)), every(30, 60, steadily(2*gibi))), 2 * gibi, history.Dropped{}},
		"from nothing":                    {slices.Concat(every(0, 60, steadily(0)), every(30, 60, steadily(gibi))), gibi, history.Dropped{}},
		"a scrape that failed within a jump": {slices.Concat(every(0, 60, steadily(32*mebi)), every(30, 40, steadily(32*gibi)), []point{at(3000, stale)}, every(51, 60, steadily(32*gibi)), every(81, 20, steadily(32*mebi))),
			32 * mebi, history.Dropped{unitJump: 100}},
		"another container after the end of one": {slices.Concat(every(0, 60, steadily(32*mebi)), []point{at(1800, stale)}, every(31, 60, steadily(32*gibi))),
			32 * gibi, history.Dropped{}},
	} {
		t.Run(name, func(t *testing.T) {
			got := mustStream(t, lasting(6*time.Hour), frame(t, usage.Memory, chunked(t, "shop", tc.points...)))
			require.Equal(t, tc.dropped, got.report.Dropped)
			var largest usage.Amount
			for _, v := range got.memory(t) {
				largest = max(largest, v)
			}
			require.Equal(t, usage.Amount(tc.largest), largest)
		})
	}
}

func TestFaultsOfCountersAreNoUsage(t *testing.T) {
	for name, tc := range map[string]struct {
		points  []point
		largest int32
		dropped history.Dropped
	}{
		"1024 times for an hour": {slices.Concat(every(0, 60, grows(1000, 0.5)), every(30, 120, grows(1900*1024, 512)), every(90, 60, grows(3700, 0.5))),
			500, history.Dropped{unitJump: 121}},
		"1000 times, and more than any machine has": {slices.Concat(every(0, 60, grows(1e6, 0.5)), every(30, 60, grows(1000900e3, 500))), 500, history.Dropped{unitJump: 60}},
		"a low value once": {slices.Concat(every(0, 60, grows(1e5, 0.5)), every(30, 1, steadily(0)), every(30.5, 60, grows(100915, 0.5))),
			500, history.Dropped{counterReset: 2}},
		"a thousandth once": {slices.Concat(every(0, 60, grows(1e5, 0.5)), every(30, 1, steadily(100.9)), every(30.5, 60, grows(100915, 0.5))),
			500, history.Dropped{counterReset: 2}},
		"a low value twice": {slices.Concat(every(0, 60, grows(1e5, 0.5)), every(30, 1, steadily(3)), every(30.5, 1, steadily(0)), every(31, 60, grows(100930, 0.5))),
			500, history.Dropped{counterReset: 3}},
		"a low value of a counter that is not as high as before": {slices.Concat(every(0, 60, grows(1e6, 0.5)), every(30, 60, grows(1e5, 0.5)), every(60, 1, steadily(0)), every(60.5, 60, grows(100915, 0.5))),
			500, history.Dropped{counterReset: 3}},
		"a low value of one that has hundreds of cores": {slices.Concat(every(0, 10, grows(1e5, 384)), every(5, 1, steadily(0)), every(5.5, 10, grows(1e5+11*30*384, 384))),
			384000, history.Dropped{counterReset: 2}},
		"hundreds of cores after a restart":  {slices.Concat(every(0, 60, grows(1e6, 0.5)), every(30, 60, grows(0, 384))), 384000, history.Dropped{counterReset: 1}},
		"a reset without a restart":          {slices.Concat(every(0, 60, grows(1e5, 0.5)), every(30, 60, grows(0, 0.5))), 500, history.Dropped{counterReset: 1}},
		"a young counter grows quickly":      {[]point{at(0, 0.03), at(30, 30), at(60, 60)}, 1000, history.Dropped{}},
		"hundreds of cores, and no one unit": {every(0, 60, grows(1e6, 384)), 384000, history.Dropped{}},
		"more than any machine has":          {every(0, 10, grows(1e6, 10001)), history.Unknown, history.Dropped{absurd: 9}},
	} {
		t.Run(name, func(t *testing.T) {
			got := mustStream(t, lasting(6*time.Hour), frame(t, usage.CPU, chunked(t, "shop", tc.points...)))
			require.Equal(t, tc.dropped, got.report.Dropped)
			largest := history.Unknown
			for _, v := range got.cpu(t) {
				largest = max(largest, v)
			}
			require.Equal(t, tc.largest, largest)
		})
	}
}
