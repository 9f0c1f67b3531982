// Package history plans the reading of what containers used in the past, for each VPA that wants it: a day at a time, the
// newest first, several workloads in one query, again and again until it is read. It knows no server (Source) and no
// Kubernetes.
package history

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/history/owners"
)

// Workload names a controller whose pods, most of them gone, left usage behind.
type Workload = owners.Workload

// Window is one request for history: what the pods of a workload used from From (inclusive) to To
// (exclusive).
type Window struct {
	Workload Workload
	From, To time.Time
	// Known is what need not be read.
	Known Interval
	// Containers is about how many containers of the workload run now: by it queries are sized.
	Containers int
	// Rules say how usage of a container is aggregated; nil: as everywhere. MemoryInterval is the shortest one that they
	// give to any container; 0: as everywhere.
	Rules          func(container string) aggregate.Rules
	MemoryInterval time.Duration
}

// Interval is the time from From (inclusive) to To (exclusive).
type Interval struct{ From, To time.Time }

// Length is how long it is.
func (i Interval) Length() time.Duration { return i.To.Sub(i.From) }

func (i Interval) equal(o Interval) bool { return i.From.Equal(o.From) && i.To.Equal(o.To) }

// Answer is how far the request of a VPA has come.
type Answer struct {
	VPA    types.NamespacedName
	Window Window
	// Usage is all that was read so far, nil if that was told before. It is the receiver's.
	Usage *aggregate.Workload
	// Recent are the samples that WantRecent asked for, each container's in the order of time.
	Recent   []usage.Sample
	Progress Progress
	// Err is why the last attempt failed. What is missing is tried again until it succeeds or is forgotten.
	Err error
}

// Progress is how much of a window was read. It is comparable.
type Progress struct {
	// Done and Total are parts of the window, each within one day (UTC).
	Done, Total int
	// Missing says which days are not read, in words; empty if all are.
	Missing string
	// Samples is how many samples of CPU counted, Peaks how many of memory were kept.
	Samples, Peaks int
	// Resolution is how far apart averages of CPU were, at the worst.
	Resolution time.Duration
	// First is the first minute for which anything is known, Covered the share of the minutes since then for which
	// something is, in percent.
	First   time.Time
	Covered int
}

// Empty reports whether nothing was found.
func (p Progress) Empty() bool { return p.Samples == 0 && p.Peaks == 0 }

// Complete reports whether all was read.
func (p Progress) Complete() bool { return p.Done == p.Total }

// Dropped counts values that were read and not used, by reason.
type Dropped map[string]int

// minutes returns w with its bounds, and those of what is known, on whole minutes: what is known in part is known.
func (w Window) minutes() Window {
	w.From, w.To = w.From.Truncate(time.Minute), w.To.Truncate(time.Minute)
	w.Known.From, w.Known.To = w.Known.From.Truncate(time.Minute), w.Known.To.Add(time.Minute-1).Truncate(time.Minute)
	return w
}

const day = 24 * time.Hour

// parts returns what is to be read, the newest first: at most a day each, and all within one day (UTC), so that the
// parts of many workloads are alike and can be read together.
func (w Window) parts() []Interval {
	var parts []Interval
	for _, gap := range []Interval{{latest(w.From, w.Known.To), w.To}, {w.From, earliest(w.Known.From, w.To)}} {
		if w.Known.Length() <= 0 {
			gap = Interval{w.From, w.To}
		}
		for to := gap.To; to.After(gap.From); {
			from := latest(gap.From, to.Add(-time.Minute).Truncate(day))
			parts = append(parts, Interval{from, to})
			to = from
		}
		if w.Known.Length() <= 0 {
			break
		}
	}
	return parts
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
