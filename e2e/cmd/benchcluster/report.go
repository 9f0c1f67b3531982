package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
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

// report prints a table with a column for each side, and, if there are two, how much of upstream's cost ours is.
func report(w io.Writer, all []*measured) {
	rows := []struct {
		name  string
		unit  string
		value func(summary) float64
		ratio string // names the row's ratio line; "": has none
	}{
		{"first loop, with the start: wall", "s", func(s summary) float64 { return s.first.wall.Seconds() }, ""},
		{"first loop, with the start: CPU", "s", func(s summary) float64 { return s.first.cpu.Seconds() }, "start-cpu"},
		{"later loop: wall", "s", func(s summary) float64 { return s.later.wall.Seconds() }, "loop-time"},
		{"later loop: CPU", "s", func(s summary) float64 { return s.later.cpu.Seconds() }, "loop-cpu"},
		{"later loop: status writes", "", func(s summary) float64 { return s.later.statuses }, ""},
		{"later loop: checkpoint writes", "", func(s summary) float64 { return s.later.snapshots }, ""},
		{"all loops: writes", "", func(s summary) float64 { return s.writes }, "api-writes"},
		{"peak RSS", "MiB", func(s summary) float64 { return float64(s.peak) / (1 << 20) }, "rss"},
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "\t")
	for _, m := range all {
		fmt.Fprintf(table, "%s\t", m.name)
	}
	fmt.Fprintln(table)
	for _, row := range rows {
		fmt.Fprintf(table, "%s\t", row.name)
		for _, m := range all {
			fmt.Fprintf(table, "%.6g %s\t", row.value(m.summary()), row.unit)
		}
		fmt.Fprintln(table)
	}
	table.Flush()
	if len(all) < 2 {
		return
	}
	upstream, ours := all[0].summary(), all[1].summary()
	fmt.Fprintln(w)
	for _, row := range rows {
		if row.ratio != "" {
			fmt.Fprintf(w, "RATIO %s %.3f\n", row.ratio, row.value(ours)/row.value(upstream))
		}
	}
}
