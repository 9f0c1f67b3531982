package histogram

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/model"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/util"
	"pgregory.net/rapid"
)

// schemes are ours beside upstream's own, by name.
var schemes = map[string]struct {
	ours   *Scheme
	theirs util.HistogramOptions
}{
	"cpu":    {CPU, model.GetAggregationsConfig().CPUHistogramOptions},
	"memory": {Memory, model.GetAggregationsConfig().MemoryHistogramOptions},
}

const day = 24 * time.Hour

var percentiles = []float64{0, 0.01, 0.5, 0.9, 0.95, 0.99, 1}

func drawScheme(t *rapid.T) string {
	return rapid.SampledFrom([]string{"cpu", "memory"}).Draw(t, "scheme")
}

func TestBucketsAreUpstreams(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := schemes[drawScheme(t)]
		require.Equal(t, s.theirs.NumBuckets(), s.ours.Buckets())
		n := rapid.IntRange(0, s.ours.Buckets()-1).Draw(t, "bucket")
		require.Equal(t, s.theirs.GetBucketStart(n), s.ours.Start(n))
		require.Equal(t, s.theirs.FindBucket(s.ours.Start(n)), s.ours.Bucket(s.ours.Start(n)))
		v := rapid.Float64Range(0, 2*s.ours.Start(s.ours.Buckets()-1)).Draw(t, "value")
		require.Equal(t, s.theirs.FindBucket(v), s.ours.Bucket(v))
	})
}

func TestTheSameSamplesGiveUpstreamsPercentiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScheme(t)
		base := time.Unix(rapid.Int64Range(1.6e9, 1.9e9).Draw(t, "base"), 0)
		ours, theirs := feed(t, s, base, "first")
		if rapid.Bool().Draw(t, "merge") {
			later := base.Add(time.Duration(rapid.Int64Range(0, int64(20*day)).Draw(t, "later")))
			o, u := feed(t, s, later, "second")
			ours.Merge(o)
			theirs.Merge(u)
		}
		require.Equal(t, theirs.IsEmpty(), ours.Empty())
		for _, p := range percentiles {
			require.Equal(t, theirs.Percentile(p), ours.Percentile(p), "p=%v", p)
		}
	})
}

// feed gives both the same additions, and takes some of them back.
func feed(t *rapid.T, name string, base time.Time, label string) (*Histogram, util.Histogram) {
	s := schemes[name]
	ours, theirs := New(s.ours, day), util.NewDecayingHistogram(s.theirs, day)
	most := s.ours.Start(s.ours.Buckets()-1) * 1.1
	type sample struct {
		value, weight float64
		at            time.Time
	}
	draw := rapid.Custom(func(t *rapid.T) sample {
		// Exponents spread the values over all buckets, as usage is spread.
		v := most * math.Pow(10, -rapid.Float64Range(0, 8).Draw(t, "magnitude"))
		return sample{v, rapid.SampledFrom([]float64{0.1, 1}).Draw(t, "weight"), base.Add(time.Duration(rapid.Int64Range(0, int64(30*day)).Draw(t, "at")))}
	})
	for _, x := range rapid.SliceOfN(draw, 0, 60).Draw(t, label) {
		ours.Add(x.value, x.weight, x.at)
		theirs.AddSample(x.value, x.weight, x.at)
		if rapid.IntRange(0, 4).Draw(t, "take back") == 0 {
			ours.Subtract(x.value, x.weight, x.at)
			theirs.SubtractSample(x.value, x.weight, x.at)
		}
	}
	return &ours, theirs
}
