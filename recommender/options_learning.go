package main

import (
	"fmt"
	"math"
	"time"

	"github.com/spf13/pflag"

	"github.com/sartor-vpa/sartor/pkg/flags"
	"github.com/sartor-vpa/sartor/pkg/histogram"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

func (o *options) addLearningFlags(fs *pflag.FlagSet) {
	a := &o.aggregate
	fs.DurationVar(&a.CPUHalfLife, "cpu-histogram-decay-half-life", a.CPUHalfLife, "Time after which a CPU sample weighs half, in whole seconds.")
	fs.DurationVar(&a.MemoryHalfLife, "memory-histogram-decay-half-life", a.MemoryHalfLife, "Time after which a memory peak weighs half, in whole seconds.")
	fs.DurationVar(&a.Rules.MemoryInterval, "memory-aggregation-interval", a.Rules.MemoryInterval, "Time in which a container's largest memory usage is one peak. A VPA may set its own (feature gate PerVPAConfig).")
	fs.Int64Var(&o.memoryIntervals, "memory-aggregation-interval-count", o.memoryIntervals, "After this many memory intervals without samples what was learnt of a container is dropped. A VPA may set its own.")
	fs.Float64Var(&a.Rules.OOMBumpUpRatio, "oom-bump-up-ratio", a.Rules.OOMBumpUpRatio, "An OOM kill counts as a peak of the memory at that time, times this. A VPA may set its own.")
	fs.Var(&amount{&a.Rules.OOMMinBumpUp, 1}, "oom-min-bump-up-bytes", "And as a peak of at least so many bytes more. A VPA may set its own.")
}

func (o *options) validateLearning() error {
	a := &o.aggregate
	halfLife := fmt.Sprintf("must be whole seconds from %s to %s", histogram.MinHalfLife, histogram.MaxHalfLife)
	interval := a.Rules.MemoryInterval
	return flags.Problems(
		flags.Check{OK: histogram.ValidHalfLife(a.CPUHalfLife) == nil, Flag: "cpu-histogram-decay-half-life", Value: a.CPUHalfLife, Must: halfLife},
		flags.Check{OK: histogram.ValidHalfLife(a.MemoryHalfLife) == nil, Flag: "memory-histogram-decay-half-life", Value: a.MemoryHalfLife, Must: halfLife},
		flags.Check{OK: interval >= time.Second, Flag: "memory-aggregation-interval", Value: interval, Must: "must be at least 1s"},
		flags.Check{OK: o.memoryIntervals >= 1, Flag: "memory-aggregation-interval-count", Value: o.memoryIntervals, Must: "must be at least 1"},
		flags.Check{OK: interval < time.Second || o.memoryIntervals <= math.MaxInt64/int64(interval), Flag: "memory-aggregation-interval-count", Value: o.memoryIntervals,
			Must: fmt.Sprintf("must be smaller: times --memory-aggregation-interval=%s it is centuries", interval)},
		flags.Check{OK: a.Rules.OOMBumpUpRatio >= 1 && !math.IsInf(a.Rules.OOMBumpUpRatio, 1), Flag: "oom-bump-up-ratio", Value: a.Rules.OOMBumpUpRatio, Must: "must be at least 1"},
	)
}

// mib is the unit of upstream's flags that end in -mb.
const mib = 1 << 20

func (o *options) addEstimationFlags(fs *pflag.FlagSet) {
	e := &o.estimate
	for _, r := range usage.Resources {
		p := &e.Percentiles[r]
		of := map[usage.Resource]string{usage.CPU: "CPU usage", usage.Memory: "memory peaks"}[r]
		fs.Float64Var(&p.Target, fmt.Sprintf("target-%s-percentile", r), p.Target, fmt.Sprintf("Percentile of %s that the target stands on: above 0, at most 1.", of))
		fs.Float64Var(&p.LowerBound, fmt.Sprintf("recommendation-lower-bound-%s-percentile", r), p.LowerBound, fmt.Sprintf("Percentile of %s that the lower bound stands on.", of))
		fs.Float64Var(&p.UpperBound, fmt.Sprintf("recommendation-upper-bound-%s-percentile", r), p.UpperBound, fmt.Sprintf("Percentile of %s that the upper bound stands on.", of))
		fs.DurationVar(&e.ConfidenceInterval[r], fmt.Sprintf("confidence-interval-%s", r), e.ConfidenceInterval[r],
			fmt.Sprintf("Length of history at which the upper bound of %s is twice its percentile; with less it is wider, with more narrower.", r))
	}
	fs.Float64Var(&e.Margin, "recommendation-margin-fraction", e.Margin, "Part of every percentile that is added to it.")
	fs.Var(&amount{&e.PodMinimum[usage.CPU], 1}, "pod-recommendation-min-cpu-millicores", "Least CPU of a pod; its containers share it evenly.")
	fs.Var(&amount{&e.PodMinimum[usage.Memory], mib}, "pod-recommendation-min-memory-mb", "Least memory of a pod, in MiB; its containers share it evenly.")
	fs.Var(&optionalAmount{&o.policy.minimum[usage.CPU], 1}, "container-recommendation-min-cpu-millicores", "Least CPU of a container, in place of its share of the pod's. Negative: its share.")
	fs.Var(&optionalAmount{&o.policy.minimum[usage.Memory], mib}, "container-recommendation-min-memory-mb", "Least memory of a container, in MiB, in place of its share of the pod's. Negative: its share.")
}

func (o *options) validateEstimation() error {
	e := &o.estimate
	checks := []flags.Check{{OK: e.Margin >= 0 && !math.IsInf(e.Margin, 1), Flag: "recommendation-margin-fraction", Value: e.Margin, Must: "must be at least 0, like 0.15"}}
	for _, r := range usage.Resources {
		p := e.Percentiles[r]
		for _, one := range []struct {
			flag  string
			value float64
		}{{"target-%s-percentile", p.Target}, {"recommendation-lower-bound-%s-percentile", p.LowerBound}, {"recommendation-upper-bound-%s-percentile", p.UpperBound}} {
			checks = append(checks, flags.Check{OK: one.value > 0 && one.value <= 1, Flag: fmt.Sprintf(one.flag, r), Value: one.value, Must: "must be above 0 and at most 1, like 0.9"})
		}
		checks = append(checks, longerThanZero(fmt.Sprintf("confidence-interval-%s", r), e.ConfidenceInterval[r]))
	}
	return flags.Problems(checks...)
}
