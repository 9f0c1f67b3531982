package aggregate

import (
	"math"
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
//
// The zero value is that of a container that was not seen.
type window struct {
	lastCPU, lastMemory instant
	// end of the running interval, exclusive; 0 before the first memory sample.
	end instant
	// peak is the largest that was used in the interval, oomPeak the largest that an OOM kill says was needed. The higher is
	// the one in the histogram. They are apart because the next kill starts from what was used, not from the last guess.
	peak, oomPeak usage.Amount
}

func (w *window) highest() usage.Amount { return max(w.peak, w.oomPeak) }

// addCPU adds a sample that is newer than the last one; any other is a duplicate and is dropped.
func (w *window) addCPU(a *Aggregate, amount usage.Amount, t instant) bool {
	if t <= w.lastCPU {
		return false
	}
	w.lastCPU = t
	a.addCPU(amount, t)
	return true
}

// addMemory adds a sample of what was used. One that is older than the last is dropped.
func (w *window) addMemory(a *Aggregate, interval time.Duration, amount usage.Amount, t instant) bool {
	if t < w.lastMemory {
		return false
	}
	return w.raise(a, interval, amount, t, &w.peak)
}

// addOOM adds what a container needs that was killed when it used all of its request, or its peak if that was higher. A kill
// that is more than an interval older than the last sample is dropped.
func (w *window) addOOM(a *Aggregate, r Rules, request usage.Amount, t instant) (usage.Amount, bool) {
	if w.lastMemory != 0 && t < w.lastMemory.add(-r.MemoryInterval) {
		return 0, false
	}
	used := max(request, w.peak)
	needed := max(used+r.OOMMinBumpUp, used.Scale(r.OOMBumpUpRatio))
	return needed, w.raise(a, r.MemoryInterval, needed, t, &w.oomPeak)
}

// raise makes amount the running interval's peak if it is the highest, or starts the interval that t is in with it. peak is
// which of the window's two it is.
func (w *window) raise(a *Aggregate, interval time.Duration, amount usage.Amount, t instant, peak *usage.Amount) bool {
	if t > instant(math.MaxInt64-interval) {
		return false // its interval would end beyond what an instant can tell
	}
	w.lastMemory = t
	if w.end == 0 {
		w.end = t
	}
	if t >= w.end {
		w.end = w.end.add(t.sub(w.end).Truncate(interval) + interval)
		w.peak, w.oomPeak = 0, 0
	} else {
		// A peak of 0 is never replaced, as upstream does it.
		if highest := w.highest(); highest == 0 || amount <= highest {
			return true
		}
		w.subtractPeak(a)
	}
	*peak = amount
	w.addPeak(a)
	return true
}

// addPeak puts the interval's peak in the histogram.
func (w *window) addPeak(a *Aggregate) {
	a.MemoryPeaks.Add(float64(w.highest()), memoryWeight, w.end.time())
}

func (w *window) subtractPeak(a *Aggregate) {
	a.MemoryPeaks.Subtract(float64(w.highest()), memoryWeight, w.end.time())
}

// join makes one window out of history's and the live one of the same container, whose peaks both are
// in a. Where the two intervals overlap they are one, and only the higher peak stays.
func (w *window) join(a *Aggregate, history *window, interval time.Duration) {
	switch {
	case w.end == 0:
		w.end, w.peak, w.oomPeak = history.end, history.peak, history.oomPeak
	case history.end != 0 && history.end > w.end.add(-interval):
		lower, higher := w, history
		if w.highest() > history.highest() {
			lower, higher = history, w
		}
		lower.subtractPeak(a)
		w.end, w.peak, w.oomPeak = higher.end, max(w.peak, history.peak), max(w.oomPeak, history.oomPeak)
	}
	w.lastCPU = max(w.lastCPU, history.lastCPU)
	w.lastMemory = max(w.lastMemory, history.lastMemory)
}
