package main

import (
	"io"
	"slices"
	"time"

	"github.com/sartor-vpa/sartor/pkg/sidebyside"
)

// summary is a side in few numbers: its first loop, and the median of the others.
type summary struct {
	first, later loop
	peak         int64
	writes       float64 // in all loops
}

func (m *measured) summary() summary {
	later := m.loops[1:]
	s := summary{first: m.loops[0], peak: m.peak, later: loop{
		wall:      median(later, func(l loop) time.Duration { return l.wall }),
		cpu:       median(later, func(l loop) time.Duration { return l.cpu }),
		statuses:  median(later, func(l loop) float64 { return l.statuses }),
		snapshots: median(later, func(l loop) float64 { return l.snapshots }),
	}}
	for _, l := range m.loops {
		s.writes += l.statuses + l.snapshots
	}
	return s
}

// median is the middle value, of two the lower one.
func median[T int64 | float64 | time.Duration](loops []loop, value func(loop) T) T {
	var values []T
	for _, l := range loops {
		values = append(values, value(l))
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}

// report prints both sides, and how much of upstream's cost ours is. One that was not run is nil.
func report(w io.Writer, ours, upstream *measured) {
	rows := []struct {
		name, about string
		unit        sidebyside.Unit
		value       func(summary) float64
		silent      bool
	}{
		{"start-time", "first loop, with the start", sidebyside.Seconds, func(s summary) float64 { return float64(s.first.wall) }, true},
		{"start-cpu", "and its CPU", sidebyside.Seconds, func(s summary) float64 { return float64(s.first.cpu) }, false},
		{"loop-time", "later loop", sidebyside.Seconds, func(s summary) float64 { return float64(s.later.wall) }, false},
		{"loop-cpu", "and its CPU", sidebyside.Seconds, func(s summary) float64 { return float64(s.later.cpu) }, false},
		{"loop-statuses", "and its statuses", sidebyside.Writes, func(s summary) float64 { return s.later.statuses }, true},
		{"loop-checkpoints", "and its checkpoints", sidebyside.Writes, func(s summary) float64 { return s.later.snapshots }, true},
		{"api-writes", "of all loops", sidebyside.Writes, func(s summary) float64 { return s.writes }, false},
		{"rss", "most memory that was resident", sidebyside.Megabytes, func(s summary) float64 { return float64(s.peak) }, false},
	}
	var lines []sidebyside.Line
	for _, r := range rows {
		of := func(m *measured) *float64 {
			if m == nil {
				return nil
			}
			return new(r.value(m.summary()))
		}
		lines = append(lines, sidebyside.Line{
			Row:  sidebyside.Row{Name: r.name, About: r.about, Unit: r.unit, Silent: r.silent || upstream == nil},
			Ours: of(ours), Other: of(upstream),
		})
	}
	sidebyside.Print(w, lines)
}
