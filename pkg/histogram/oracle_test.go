package histogram

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
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

// pair is one histogram of ours and one of upstream's that are given the same.
type pair struct {
	scheme string
	ours   Histogram
	theirs util.Histogram
}

func newPair(scheme string) *pair {
	s := schemes[scheme]
	return &pair{scheme, New(s.ours, day), util.NewDecayingHistogram(s.theirs, day)}
}

// feed gives both the same additions, and takes some of them back. Some samples are years apart, so that references move.
func (p *pair) feed(t *rapid.T, base time.Time, label string) *pair {
	most := schemes[p.scheme].ours.Start(175) * 1.1
	type sample struct {
		value, weight float64
		at            time.Time
	}
	draw := rapid.Custom(func(t *rapid.T) sample {
		// Exponents spread the values over all buckets, as usage is spread.
		v := most * math.Pow(10, -rapid.Float64Range(0, 8).Draw(t, "magnitude"))
		within := rapid.SampledFrom([]time.Duration{time.Minute, day, 30 * day, 500 * day}).Draw(t, "within")
		return sample{v, rapid.SampledFrom([]float64{0.1, 1}).Draw(t, "weight"), base.Add(time.Duration(rapid.Int64Range(0, int64(within)).Draw(t, "at")))}
	})
	for _, x := range rapid.SliceOfN(draw, 0, 60).Draw(t, label) {
		p.ours.Add(x.value, x.weight, x.at)
		p.theirs.AddSample(x.value, x.weight, x.at)
		if rapid.IntRange(0, 4).Draw(t, "take back") == 0 {
			p.ours.Subtract(x.value, x.weight, x.at)
			p.theirs.SubtractSample(x.value, x.weight, x.at)
		}
	}
	return p
}

// alike fails unless both say the same, and would be stored as the same.
func (p *pair) alike(t require.TestingT) {
	require.Equal(t, p.theirs.IsEmpty(), p.ours.Empty())
	for _, q := range percentiles {
		require.Equal(t, p.theirs.Percentile(q), p.ours.Percentile(q), "p=%v", q)
	}
	want, err := p.theirs.SaveToChekpoint()
	require.NoError(t, err)
	got := p.ours.Save()
	require.Equal(t, want.BucketWeights, got.Weights)
	require.Equal(t, want.TotalWeight, got.Total, "to the last bit")
	require.True(t, want.ReferenceTimestamp.Time.Equal(got.Reference), "%s is not %s", got.Reference, want.ReferenceTimestamp)
}

func drawBase(t *rapid.T) time.Time {
	return time.Unix(rapid.Int64Range(1.6e9, 1.9e9).Draw(t, "base"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds"))
}

func TestTheSameSamplesGiveUpstreamsPercentilesAndCheckpoints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, base := newPair(drawScheme(t)), drawBase(t)
		p.feed(t, base, "first").alike(t)
		p.feed(t, base.Add(150*day), "after a long time").alike(t)
	})
}

func TestMergedHistogramsAreUpstreams(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scheme, base := drawScheme(t), drawBase(t)
		p := newPair(scheme).feed(t, base, "first")
		q := newPair(scheme).feed(t, base.Add(time.Duration(rapid.Int64Range(-int64(20*day), int64(200*day)).Draw(t, "apart"))), "second")
		p.ours.Merge(&q.ours)
		p.theirs.Merge(q.theirs)
		p.alike(t)
		p.feed(t, base.Add(250*day), "after merging").alike(t)
	})
}

func TestEachLoadsWhatTheOtherSaved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scheme, base := drawScheme(t), drawBase(t)
		p, q := newPair(scheme).feed(t, base, "saved"), newPair(scheme)
		theirs, err := p.theirs.SaveToChekpoint()
		require.NoError(t, err)
		ours := p.ours.Save()

		q.ours, err = Load(schemes[scheme].ours, day, Checkpoint{theirs.ReferenceTimestamp.Time, theirs.BucketWeights, theirs.TotalWeight})
		require.NoError(t, err)
		require.NoError(t, q.theirs.LoadFromCheckpoint(&vpav1.HistogramCheckpoint{
			ReferenceTimestamp: metav1.NewTime(ours.Reference), BucketWeights: ours.Weights, TotalWeight: ours.Total,
		}))
		q.alike(t)
		q.feed(t, base.Add(20*day), "after loading").alike(t)
	})
}

// The first bucket is a little lighter than Epsilon when the reference moves for the second time; upstream leaves it then.
func TestAnEndThatNoLongerCountsWeighsAsUpstreams(t *testing.T) {
	p := newPair("cpu")
	for _, x := range []struct {
		value float64
		days  int
	}{{2, 0}, {1, 99}, {2, 113}, {2, 220}, {1, 220}} {
		at := noon.Add(time.Duration(x.days) * day)
		p.ours.Add(x.value, 1, at)
		p.theirs.AddSample(x.value, 1, at)
	}
	p.alike(t)
	require.NotEqual(t, uint32(10000), p.ours.Save().Weights[CPU.Bucket(2)], "it shows")
}

func TestHalfLivesOfAllLengthsDecayAsUpstreams(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		halfLife := time.Duration(rapid.Int64Range(1, int64(MaxHalfLife/time.Second)).Draw(t, "half-life")) * time.Second
		p := &pair{"cpu", New(CPU, halfLife), util.NewDecayingHistogram(schemes["cpu"].theirs, halfLife)}
		p.feed(t, drawBase(t), "samples").alike(t)
	})
}
