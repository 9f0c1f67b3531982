// Package estimate says what a container needs, from what it used: a percentile, a margin, and bounds
// that are the wider the less is known. Given the same samples its values equal upstream's to the unit.
package estimate

import (
	"math"
	"time"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/histogram"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// Percentiles are shares of the samples' weight, each in (0, 1].
type Percentiles struct {
	Target, LowerBound, UpperBound float64
}

// Options say how estimates are made. They are indexed by usage.Resource where resources may differ.
type Options struct {
	Percentiles [2]Percentiles
	// Margin is added to every percentile, as a fraction of it.
	Margin float64
	// ConfidenceInterval is the length of history that gives a confidence of 1.
	ConfidenceInterval [2]time.Duration
	// PodMinimum is the least that is recommended for a pod; its containers share it evenly.
	PodMinimum [2]usage.Amount
}

// DefaultOptions are upstream's.
func DefaultOptions() Options {
	const day = 24 * time.Hour
	p := Percentiles{Target: 0.9, LowerBound: 0.5, UpperBound: 0.95}
	return Options{
		Percentiles:        [2]Percentiles{p, p},
		Margin:             0.15,
		ConfidenceInterval: [2]time.Duration{day, day},
		PodMinimum:         [2]usage.Amount{25, 250 << 20},
	}
}

// Estimate is what a container needs of one resource. A request below LowerBound or above UpperBound is
// worth changing; Target is what to change it to.
type Estimate struct {
	Target, LowerBound, UpperBound usage.Amount
	// AtMinimum is set when the container's share of the pod's minimum raised Target.
	AtMinimum bool
	// Known is not set when there are no samples of the resource, and then nothing is.
	Known bool
}

// Recommendation holds an Estimate for each resource, indexed by usage.Resource.
type Recommendation [2]Estimate

// Recommend estimates what a container needs whose share of its pod's minimum is given; see Share. A resource without
// samples is not known: the minimum is no substitute for knowledge (upstream recommends it).
func Recommend(a *aggregate.Aggregate, share [2]usage.Amount, o Options) Recommendation {
	var rec Recommendation
	for _, r := range usage.Resources {
		if h := distribution(a, r); !h.Empty() {
			rec[r] = estimate(h, r, Confidence(a, o.ConfidenceInterval[r]), share[r], o)
		}
	}
	return rec
}

// Confidence is how much history there is, in intervals: N intervals at a sample a minute give N. Gaps
// lower it, more containers do not raise it above the time that has passed.
func Confidence(a *aggregate.Aggregate, interval time.Duration) float64 {
	spans := float64(a.Span()) / float64(interval)
	samples := float64(a.Samples()) / interval.Minutes()
	return math.Min(spans, samples)
}

func estimate(h *histogram.Histogram, r usage.Resource, confidence float64, minimum usage.Amount, o Options) Estimate {
	p := o.Percentiles[r]
	values := h.Percentiles([3]float64{p.Target, p.LowerBound, p.UpperBound})
	target, lower, upper := o.withMargin(values[0], r), o.withMargin(values[1], r), o.withMargin(values[2], r)
	return Estimate{
		Known:     true,
		Target:    max(target, minimum),
		AtMinimum: target < minimum,
		// A day of history narrows the lower bound to 0.998 and the upper one to 2 times the percentile; a
		// week to 0.9997 and 1.14. Without history they are 0 and unbounded: the updater leaves the pod alone.
		LowerBound: max(lower.Scale(lowerFactor(confidence)), minimum),
		UpperBound: max(upper.Scale(1+1/confidence), minimum),
	}
}

// lowerFactor is (1 + 0.001/confidence)^-2, which is what math.Pow gives, and much faster.
func lowerFactor(confidence float64) float64 {
	x := 1 + 0.001/confidence
	return 1 / (x * x)
}

// withMargin returns a percentile as an amount of r, with the margin.
func (o *Options) withMargin(percentile float64, r usage.Resource) usage.Amount {
	base := amount(percentile, r)
	return base + base.Scale(o.Margin)
}

func distribution(a *aggregate.Aggregate, r usage.Resource) *histogram.Histogram {
	if r == usage.CPU {
		return &a.CPU
	}
	return &a.MemoryPeaks
}

// amount turns a histogram's unit into an Amount's: cores into millicores, bytes into bytes.
func amount(v float64, r usage.Resource) usage.Amount {
	if r == usage.CPU {
		return usage.Truncate(v * 1000)
	}
	return usage.Truncate(v)
}

// Share is what each of so many containers has of the pod's minimum, by usage.Resource.
func (o Options) Share(containers int) [2]usage.Amount {
	fraction := 1 / float64(max(containers, 1))
	return [2]usage.Amount{o.PodMinimum[usage.CPU].Scale(fraction), o.PodMinimum[usage.Memory].Scale(fraction)}
}
