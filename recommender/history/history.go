// Package history reads what containers used in the past from a Prometheus-compatible server, and turns it
// into the same one-minute samples that live metrics give: CPU as the average over each minute, memory
// as the largest value in it. So a week of history weighs what a week of watching would have.
package history

import (
	"context"
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
	// Rules say how usage of a container is aggregated; nil: as everywhere.
	Rules func(container string) aggregate.Rules
}

// Interval is the time from From (inclusive) to To (exclusive).
type Interval struct{ From, To time.Time }

// minutes returns w with its bounds, and those of what is known, on whole minutes: what is known in part is known.
func (w Window) minutes() Window {
	w.From, w.To = w.From.Truncate(time.Minute), w.To.Truncate(time.Minute)
	w.Known.From, w.Known.To = w.Known.From.Truncate(time.Minute), w.Known.To.Add(time.Minute-1).Truncate(time.Minute)
	return w
}

// next returns the piece to read after at: a day, up to the end of w or to what is known. False if there is none.
func (w Window) next(at time.Time) (Interval, bool) {
	if !at.Before(w.Known.From) && at.Before(w.Known.To) {
		at = w.Known.To
	}
	end := at.Add(piece)
	for _, bound := range []time.Time{w.Known.From, w.To} {
		if at.Before(bound) && end.After(bound) {
			end = bound
		}
	}
	return Interval{From: at, To: end}, at.Before(w.To)
}

// Answer is how far the request of a VPA has come: complete, or failed and to be tried again.
type Answer struct {
	VPA    types.NamespacedName
	Window Window
	// Usage is all that was read; nil if Err is set.
	Usage *aggregate.Workload
	// Samples is how many samples counted, of CPU and memory together.
	Samples int
	// Err is why the last attempt failed. The request is tried again until it succeeds or is forgotten.
	Err error
}

// Dropped counts values that were read and not used, by reason.
type Dropped map[string]int

// Reader reads one day or less of a window. Samples come container by container, each in the order of
// time; an error means that nothing of the piece may be used.
type Reader interface {
	Read(ctx context.Context, w Window) ([]usage.Sample, Dropped, error)
}
