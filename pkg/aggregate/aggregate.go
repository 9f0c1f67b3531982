// Package aggregate turns usage samples into the distributions that estimates are made from: CPU
// usage, and memory peaks, one per container and interval. It has no clock; time comes with samples.
package aggregate

import (
	"time"

	"github.com/sartor-vpa/sartor/pkg/histogram"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// cpuWeight is what one CPU sample weighs and memoryWeight what one peak does, before decay
// (upstream's values: 1440 samples a day against one peak).
const (
	cpuWeight    = 0.1
	memoryWeight = 1.0
)

// Options say how samples are aggregated. They are fixed for the life of a process: histograms of
// different half-lives cannot be merged.
type Options struct {
	// CPUHalfLife and MemoryHalfLife are how long it takes a sample to lose half of its weight.
	CPUHalfLife, MemoryHalfLife time.Duration
	// MemoryInterval is the time over which one memory peak per container is taken.
	MemoryInterval time.Duration
}

// DefaultOptions are upstream's: 24 hours each.
func DefaultOptions() Options {
	const day = 24 * time.Hour
	return Options{CPUHalfLife: day, MemoryHalfLife: day, MemoryInterval: day}
}

// Aggregate is what the containers of one name under one VPA have used.
type Aggregate struct {
	// CPU is the distribution of usage in cores, MemoryPeaks that of peaks in bytes.
	CPU, MemoryPeaks histogram.Histogram
	// First and Last are the times of the first and the last CPU sample, and Samples is how many
	// there were: the measure of confidence. Memory does not count.
	First, Last time.Time
	Samples     int
}

// New returns an Aggregate without samples.
func New(o Options) *Aggregate {
	return &Aggregate{
		CPU:         histogram.New(histogram.CPU, o.CPUHalfLife),
		MemoryPeaks: histogram.New(histogram.Memory, o.MemoryHalfLife),
	}
}

// Span is the time from the first to the last CPU sample.
func (a *Aggregate) Span() time.Duration { return a.Last.Sub(a.First) }

// Empty reports whether there is nothing to estimate from.
func (a *Aggregate) Empty() bool { return a.CPU.Empty() && a.MemoryPeaks.Empty() }

func (a *Aggregate) addCPU(amount usage.Amount, t time.Time) {
	a.CPU.Add(amount.Cores(), cpuWeight, t)
	if a.First.IsZero() || t.Before(a.First) {
		a.First = t
	}
	if t.After(a.Last) {
		a.Last = t
	}
	a.Samples++
}

// merge adds what o has seen; o is not to be used afterwards.
func (a *Aggregate) merge(o *Aggregate) {
	a.CPU.Merge(&o.CPU)
	a.MemoryPeaks.Merge(&o.MemoryPeaks)
	if a.First.IsZero() || (!o.First.IsZero() && o.First.Before(a.First)) {
		a.First = o.First
	}
	if o.Last.After(a.Last) {
		a.Last = o.Last
	}
	a.Samples += o.Samples
}
