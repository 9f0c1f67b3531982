package histogram

import (
	"testing"
	"time"

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
		a1, _ := feed(t, "cpu", noon, "a")
		b1, _ := feed(t, "cpu", noon.Add(3*day), "b")
		a2, b2 := a1.Clone(), b1.Clone()
		a1.Merge(b1)
		b2.Merge(&a2)
		for _, p := range percentiles {
			require.Equal(t, a1.Percentile(p), b2.Percentile(p))
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	h := New(CPU, day)
	for i := 0; b.Loop(); i++ {
		h.Add(float64(i%100)/100, 0.1, noon)
	}
}

func BenchmarkPercentile(b *testing.B) {
	h := New(CPU, day)
	for i := range 1000 {
		h.Add(float64(i)/1000, 0.1, noon)
	}
	for b.Loop() {
		h.Percentile(0.9)
	}
}
