// Package aggregate turns usage samples into the distributions that estimates are made from: CPU
// usage, and memory peaks, one per container and interval. It has no clock; time comes with samples.
package aggregate

import (
	"math"
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

// Aggregate is what the containers of one name under one VPA have used. It is read here and changed by its Workload.
type Aggregate struct {
	// CPU is the distribution of usage in cores, MemoryPeaks that of peaks in bytes.
	CPU, MemoryPeaks histogram.Histogram
	// first and last are the times of the first and the last CPU sample.
	first, last instant
	samples     uint32
	// changed is set when something was added since the last save.
	changed bool
}

func newAggregate(o Options) Aggregate {
	return Aggregate{
		CPU:         histogram.New(histogram.CPU, o.CPUHalfLife),
		MemoryPeaks: histogram.New(histogram.Memory, o.MemoryHalfLife),
	}
}

// First is the time of the first CPU sample, the zero time if there was none.
func (a *Aggregate) First() time.Time { return a.first.time() }

// Last is the time of the last CPU sample, the zero time if there was none.
func (a *Aggregate) Last() time.Time { return a.last.time() }

// Samples is how many CPU samples there were: with Span, the measure of confidence. Memory does not count. It stops at four
// billion.
func (a *Aggregate) Samples() int { return int(a.samples) }

// Span is the time from the first to the last CPU sample.
func (a *Aggregate) Span() time.Duration { return time.Duration(a.last - a.first) }

// Empty reports whether there is nothing to estimate from.
func (a *Aggregate) Empty() bool { return a.CPU.Empty() && a.MemoryPeaks.Empty() }

func (a *Aggregate) addCPU(amount usage.Amount, t instant) {
	a.CPU.Add(amount.Cores(), cpuWeight, t.time())
	if a.first == 0 || t < a.first {
		a.first = t
	}
	a.last = max(a.last, t)
	a.count(1)
}

func (a *Aggregate) count(samples uint32) {
	a.samples = uint32(min(uint64(a.samples)+uint64(samples), math.MaxUint32))
}

// merge adds what o has seen; o is not to be used afterwards.
func (a *Aggregate) merge(o *Aggregate) {
	a.CPU.Merge(&o.CPU)
	a.MemoryPeaks.Merge(&o.MemoryPeaks)
	if a.first == 0 || (o.first != 0 && o.first < a.first) {
		a.first = o.first
	}
	a.last = max(a.last, o.last)
	a.count(o.samples)
}
