package histogram

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/util"
)

// Each operation is measured beside upstream's, in the same run.

// spread is a pair that was fed usage from 0 to 1 core.
func spread() *pair {
	p := newPair("cpu")
	for i := range 1000 {
		p.ours.Add(float64(i)/1000, 0.1, noon)
		p.theirs.AddSample(float64(i)/1000, 0.1, noon)
	}
	return p
}

func BenchmarkAdd(b *testing.B) {
	p := spread()
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			p.ours.Add(float64(i%100)/100, 0.1, noon.Add(time.Duration(i%1000)*time.Minute))
		}
	})
	b.Run("upstream", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			p.theirs.AddSample(float64(i%100)/100, 0.1, noon.Add(time.Duration(i%1000)*time.Minute))
		}
	})
}

func BenchmarkThreePercentiles(b *testing.B) {
	p := spread()
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p.ours.Percentiles([3]float64{0.9, 0.5, 0.95})
		}
	})
	b.Run("upstream", func(b *testing.B) {
		for b.Loop() {
			p.theirs.Percentile(0.9)
			p.theirs.Percentile(0.5)
			p.theirs.Percentile(0.95)
		}
	})
}

func BenchmarkSaveAndLoad(b *testing.B) {
	p := spread()
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := Load(CPU, day, p.ours.Save())
			require.NoError(b, err)
		}
	})
	b.Run("upstream", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c, err := p.theirs.SaveToChekpoint()
			require.NoError(b, err)
			loaded := util.NewDecayingHistogram(schemes["cpu"].theirs, day)
			require.NoError(b, loaded.LoadFromCheckpoint(&vpav1.HistogramCheckpoint{
				ReferenceTimestamp: metav1.NewTime(noon), BucketWeights: c.BucketWeights, TotalWeight: c.TotalWeight,
			}))
		}
	})
}
