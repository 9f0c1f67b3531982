package bench

import (
	"time"

	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/model"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/util"

	"github.com/sartor-vpa/sartor/pkg/histogram"
)

const (
	halfLife = 24 * time.Hour
	// repeat is how often something is done that takes nanoseconds.
	repeat = 1 << 17
	// cpuWeight is what upstream gives a sample of CPU.
	cpuWeight = 0.1
)

func newHistogram() histogram.Histogram { return histogram.New(histogram.CPU, halfLife) }

func newUpstreamHistogram() util.Histogram {
	return util.NewDecayingHistogram(model.GetAggregationsConfig().CPUHistogramOptions, halfLife)
}

// eightDays calls add with a sample each minute.
func eightDays(add func(value, weight float64, at time.Time)) {
	values := cores()
	for i := range int(historyLength / time.Minute) {
		add(values[i%len(values)], cpuWeight, historyStart.Add(time.Duration(i)*time.Minute))
	}
}

// addSamples measures add with samples of which each is a second later than the last.
func addSamples(add func(value, weight float64, at time.Time)) operation {
	values, at := cores(), historyStart
	return func(r reading) {
		r.Measure(repeat, func() {
			for i := range repeat {
				at = at.Add(time.Second)
				add(values[i%len(values)], cpuWeight, at)
			}
		})
	}
}

func addSample(int) operation {
	h := newHistogram()
	return addSamples(h.Add)
}

func upstreamAddSample(int) operation { return addSamples(newUpstreamHistogram().AddSample) }

// sink keeps what is computed from being left out.
var sink any

// percentiles measures what one estimate reads of a histogram.
func percentiles(of func([3]float64) [3]float64) operation {
	return func(r reading) {
		sum := 0.0
		r.Measure(repeat, func() {
			for range repeat {
				sum += of([3]float64{0.9, 0.5, 0.95})[0]
			}
		})
		sink = sum
	}
}

func percentile(int) operation {
	h := newHistogram()
	eightDays(h.Add)
	return percentiles(h.Percentiles)
}

func upstreamPercentile(int) operation {
	h := newUpstreamHistogram()
	eightDays(h.AddSample)
	return percentiles(func(ps [3]float64) [3]float64 {
		return [3]float64{h.Percentile(ps[0]), h.Percentile(ps[1]), h.Percentile(ps[2])}
	})
}

const saves = 1 << 14

func checkpointSave(int) operation {
	h := newHistogram()
	eightDays(h.Add)
	return func(r reading) {
		r.Measure(saves, func() {
			for range saves {
				sink = h.Save()
			}
		})
	}
}

func upstreamCheckpointSave(int) operation {
	h := newUpstreamHistogram()
	eightDays(h.AddSample)
	return func(r reading) {
		r.Measure(saves, func() {
			for range saves {
				c, err := h.SaveToChekpoint()
				need(err)
				sink = c
			}
		})
	}
}

func checkpointLoad(int) operation {
	h := newHistogram()
	eightDays(h.Add)
	saved := h.Save()
	return func(r reading) {
		r.Measure(saves, func() {
			for range saves {
				loaded, err := histogram.Load(histogram.CPU, halfLife, saved)
				need(err)
				sink = &loaded
			}
		})
	}
}

func upstreamCheckpointLoad(int) operation {
	h := newUpstreamHistogram()
	eightDays(h.AddSample)
	saved, err := h.SaveToChekpoint()
	need(err)
	return func(r reading) {
		r.Measure(saves, func() {
			for range saves {
				loaded := newUpstreamHistogram()
				need(loaded.LoadFromCheckpoint(saved))
				sink = loaded
			}
		})
	}
}
