package estimate

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// week is an aggregate of a week of use that varies.
func week() *aggregate.Aggregate {
	w := aggregate.NewWorkload(aggregate.DefaultOptions())
	for i := range 7 * 24 * 60 {
		s := usage.Sample{Container: usage.Container{Pod: "p", Name: "app"}, Time: start.Add(time.Duration(i) * time.Minute)}
		s.Amount = usage.Amount(20 + i*i%1200)
		w.Add(s)
		s.Resource, s.Amount = usage.Memory, usage.Amount(1e8+i*i%1_000_000_000)
		w.Add(s)
	}
	return w.Aggregate("app")
}

func TestRecommendingAllocatesNothing(t *testing.T) {
	a, o := week(), DefaultOptions()
	share := o.Share(2)
	var sum usage.Amount
	require.Zero(t, testing.AllocsPerRun(100, func() {
		r := Recommend(a, share, o)
		sum += r[usage.CPU].Target + r[usage.Memory].Target
	}))
	require.Positive(t, sum)
}

// The lower bound's factor is written without math.Pow, which takes a tenth of all the time that there is.
func TestTheLowerBoundsFactorIsThePowerToTheLastBit(t *testing.T) {
	for _, confidence := range []float64{0, 1e-300, 1e-9, 1, 8, 1e300, math.Inf(1)} {
		require.Equal(t, math.Pow(1+0.001/confidence, -2), lowerFactor(confidence), "%v", confidence)
	}
	rapid.Check(t, func(t *rapid.T) {
		confidence := math.Pow(10, rapid.Float64Range(-12, 4).Draw(t, "magnitude"))
		require.Equal(t, math.Pow(1+0.001/confidence, -2), lowerFactor(confidence))
	})
}

func TestNoContainersShareAsOne(t *testing.T) {
	o := DefaultOptions()
	require.Equal(t, o.PodMinimum, o.Share(0))
	require.Equal(t, [2]usage.Amount{8, 250 << 20 / 3}, o.Share(3))
}

func BenchmarkRecommend(b *testing.B) {
	a, o := week(), DefaultOptions()
	share := o.Share(2)
	b.ReportAllocs()
	for b.Loop() {
		Recommend(a, share, o)
	}
}
