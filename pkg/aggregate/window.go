package aggregate

import (
	"time"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// window is the running memory interval of one pod's container, and how far its CPU was read. An
// interval's peak is in the histogram while the interval runs, stamped at the interval's end: a
// higher one replaces it.
//
//	samples    .  .    .  .   .      .
//	intervals  |-- interval --|-- interval --|     the first starts at the container's first sample
//	peaks                     ^              ^
type window struct {
	lastCPU, lastMemory time.Time
	// end of the running interval, exclusive; zero before the first memory sample.
	end  time.Time
	peak usage.Amount
}

// addCPU adds a sample that is newer than the last one; any other is a duplicate and is dropped.
func (w *window) addCPU(a *Aggregate, amount usage.Amount, t time.Time) bool {
	if amount < 0 || !t.After(w.lastCPU) {
		return false
	}
	w.lastCPU = t
	a.addCPU(amount, t)
	return true
}

// addMemory raises the running interval's peak, or starts the interval that t is in. A sample older
// than the last one is dropped.
func (w *window) addMemory(a *Aggregate, interval time.Duration, amount usage.Amount, t time.Time) bool {
	if amount < 0 || t.Before(w.lastMemory) {
		return false
	}
	w.lastMemory = t
	if w.end.IsZero() {
		w.end = t
	}
	if !t.Before(w.end) {
		w.end = w.end.Add(t.Sub(w.end).Truncate(interval) + interval)
		w.peak = amount
		a.MemoryPeaks.Add(float64(amount), memoryWeight, w.end)
		return true
	}
	// A peak of 0 is never replaced, as upstream does it.
	if w.peak != 0 && amount > w.peak {
		w.subtractPeak(a)
		w.peak = amount
		a.MemoryPeaks.Add(float64(amount), memoryWeight, w.end)
	}
	return true
}

func (w *window) subtractPeak(a *Aggregate) {
	a.MemoryPeaks.Subtract(float64(w.peak), memoryWeight, w.end)
}

// join makes one window out of history's and the live one of the same container, whose peaks both are
// in a. Where the two intervals overlap they are one, and only the higher peak stays.
func (w *window) join(a *Aggregate, history *window, interval time.Duration) {
	if history.end.After(w.end.Add(-interval)) && !w.end.IsZero() && !history.end.IsZero() {
		lower, higher := w, history
		if w.peak > history.peak {
			lower, higher = history, w
		}
		lower.subtractPeak(a)
		w.end, w.peak = higher.end, higher.peak
	} else if w.end.IsZero() {
		w.end, w.peak = history.end, history.peak
	}
	if history.lastCPU.After(w.lastCPU) {
		w.lastCPU = history.lastCPU
	}
	if history.lastMemory.After(w.lastMemory) {
		w.lastMemory = history.lastMemory
	}
}
