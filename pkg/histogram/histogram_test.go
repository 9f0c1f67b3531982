package histogram

import (
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestEmptyHistogramHasPercentileZero(t *testing.T) {
	h := New(CPU, day)
	require.True(t, h.Empty())
	require.Zero(t, h.Percentile(0.9))
}

func TestPercentileIsTheEndOfTheBucket(t *testing.T) {
	h := New(CPU, day)
	h.Add(0.1, 1, noon)
	b := CPU.Bucket(0.1)
	require.Equal(t, CPU.Start(b+1), h.Percentile(0.9))
}

func TestTheLastBucketGivesItsStart(t *testing.T) {
	h := New(CPU, day)
	h.Add(5000, 1, noon)
	require.Equal(t, CPU.Start(CPU.Buckets()-1), h.Percentile(1))
}

func TestASampleWeighsHalfAfterAHalfLife(t *testing.T) {
	h := New(CPU, day)
	h.Add(1, 1, noon)
	h.Add(2, 0.49, noon.Add(day)) // weighs 0.98 of the first
	require.Equal(t, CPU.Start(CPU.Bucket(1)+1), h.Percentile(0.5))
	h.Add(2, 0.02, noon.Add(day))
	require.Equal(t, CPU.Start(CPU.Bucket(2)+1), h.Percentile(0.51))
}

func TestWhatWasAddedCanBeTakenBack(t *testing.T) {
	h := New(Memory, day)
	h.Add(1e9, 1, noon)
	h.Subtract(1e9, 1, noon)
	require.True(t, h.Empty())
	require.Zero(t, h.Percentile(0.5))
}

func TestCenturiesApartStillGivesANumber(t *testing.T) {
	h := New(CPU, day)
	h.Add(1, 1, noon)
	h.Add(2, 1, noon.AddDate(250, 0, 0))
	require.Equal(t, CPU.Start(CPU.Bucket(2)+1), h.Percentile(0.01), "the old sample is forgotten")
}

func TestOrderOfMergingDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := newPair("cpu").feed(t, noon, "a"), newPair("cpu").feed(t, noon.Add(3*day), "b")
		ab, ba := a.ours.Clone(), b.ours.Clone()
		ab.Merge(&b.ours)
		ba.Merge(&a.ours)
		for _, p := range percentiles {
			require.Equal(t, ab.Percentile(p), ba.Percentile(p))
		}
	})
}

func TestACloneGoesItsOwnWay(t *testing.T) {
	h := New(CPU, day)
	h.Add(1, 1, noon)
	c := h.Clone()
	c.Add(1, 1, noon)
	c.Subtract(1, 2, noon)
	require.True(t, c.Empty())
	require.Equal(t, CPU.Start(CPU.Bucket(1)+1), h.Percentile(1))
}

func TestOneSweepGivesWhatThreeGive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPair(drawScheme(t)).feed(t, noon, "samples")
		var ps [3]float64
		for i := range ps {
			ps[i] = rapid.Float64Range(0, 1).Draw(t, "p")
		}
		got := p.ours.Percentiles(ps)
		for i := range ps {
			require.Equal(t, p.theirs.Percentile(ps[i]), got[i], "p=%v of %v", ps[i], ps)
		}
	})
}

func TestAHalfLifeThatCannotBeKeptIsNamed(t *testing.T) {
	for _, d := range []time.Duration{0, -day, time.Second / 2, day + time.Millisecond, MaxHalfLife + time.Second} {
		require.ErrorContains(t, ValidHalfLife(d), d.String())
		require.Panics(t, func() { New(CPU, d) })
	}
	for _, d := range []time.Duration{MinHalfLife, day, MaxHalfLife} {
		require.NoError(t, ValidHalfLife(d))
	}
}

func TestAHistogramIsSmall(t *testing.T) {
	require.LessOrEqual(t, unsafe.Sizeof(Histogram{}), uintptr(48), "there are two for each container")
}
