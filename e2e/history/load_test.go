package history

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// over samples a load every ten seconds of the last days days.
func over(l Load, days int) []float64 {
	var out []float64
	for t := -time.Duration(days) * 24 * time.Hour; t < 0; t += resolution {
		out = append(out, l(42, t))
	}
	return out
}

func mean(v []float64) float64 {
	var sum float64
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

func within(v []float64, low, high float64) float64 {
	n := 0
	for _, x := range v {
		if x >= low && x <= high {
			n++
		}
	}
	return float64(n) / float64(len(v))
}

func TestSteadyStaysWithinItsNoise(t *testing.T) {
	v := over(Steady(2, 0.1), 2)
	require.InEpsilon(t, 2, mean(v), 0.01)
	require.EqualValues(t, 1, within(v, 1.8, 2.2))
	require.Less(t, within(v, 1.98, 2.02), 0.5, "the noise moves")
}

func TestDiurnalPeaksEighteenHoursBeforeTheEnd(t *testing.T) {
	l := Diurnal(1, 0.5, 0)
	require.InDelta(t, 1.5, l(0, -18*time.Hour), 1e-9)
	require.InDelta(t, 0.5, l(0, -6*time.Hour), 1e-9)
	require.InDelta(t, 1, mean(over(l, 3)), 1e-3)
}

func TestBurstsTakeTheirShareOfTime(t *testing.T) {
	v := over(Bursty(Steady(1, 0), 4, 15*time.Minute, 3*time.Minute), 8)
	require.InDelta(t, 0.2, within(v, 4, 4), 0.01)
	require.InDelta(t, 0.8, within(v, 1, 1), 0.01)
}

func TestContainersDoNotBurstTogether(t *testing.T) {
	l := Bursty(Steady(1, 0), 2, time.Hour, time.Minute)
	together := 0
	for at := -24 * time.Hour; at < 0; at += resolution {
		if l(1, at) > 1 && l(2, at) > 1 {
			together++
		}
	}
	require.Less(t, together, 24) // of 24 x 6 steps, were they the same
}

func TestScaleMultiplies(t *testing.T) {
	require.InDelta(t, 30, Scale(Steady(3, 0), 10)(0, -time.Hour), 1e-9)
}

func TestAMeterCountsTheSameInAnySteps(t *testing.T) {
	l := Diurnal(1, 0.5, 0.2)
	start := -7*time.Hour - 1234*time.Millisecond
	once, often := startMeter(l, 1, start), startMeter(l, 1, start)
	for at := start; at < 0; at += 777 * time.Millisecond {
		often.advance(at)
	}
	require.InEpsilon(t, once.advance(0), often.advance(0), 1e-9)
}

func TestAMeterNeverRunsBackwards(t *testing.T) {
	m := startMeter(func(uint64, time.Duration) float64 { return -1 }, 0, -time.Hour)
	require.Zero(t, m.advance(0))
}

func TestFloorDivRoundsDownBeforeZeroToo(t *testing.T) {
	for _, c := range []struct {
		t    time.Duration
		want int64
	}{{-11, -2}, {-10, -1}, {-1, -1}, {0, 0}, {9, 0}, {10, 1}} {
		require.Equal(t, c.want, floorDiv(c.t, 10), "%d", c.t)
	}
}

func TestNoiseIsUniform(t *testing.T) {
	var v []float64
	for n := range uint64(100_000) {
		v = append(v, unit(7, n))
	}
	require.InDelta(t, 0.5, mean(v), 0.01)
	require.InDelta(t, 0.1, within(v, 0.9, math.Nextafter(1, 0)), 0.01)
}
