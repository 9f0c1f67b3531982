package sidebyside

import (
	"fmt"
	"io"
	"strings"
)

// Row is a line of the report before anything is measured.
type Row struct {
	// Name is the ratio's.
	Name string
	// About says in a few words what is compared.
	About string
	// Of is the measure that it shows, of the experiment whose row it is.
	Of string
	// To is the "EXPERIMENT/MEASURE" of ours that it is compared with, of an experiment before this one; "": with upstream's.
	To   string
	Unit Unit
	// Target is the ratio that is asked for at most, and where ours stands alone the value, in the row's unit; nil: none is.
	Target *float64
	// Silent is set where a ratio would mean nothing: there is no line RATIO.
	Silent bool
}

// AtMost is a target.
func AtMost(ratio float64) *float64 { return &ratio }

// Line is a row with what was found: nil for a side that is not there. Where there is nothing to compare with, ours itself,
// in the row's unit, stands for the ratio.
type Line struct {
	Row
	Ours, Other *float64
}

// Unit is what a row is shown in.
type Unit struct {
	name string
	// each is how many of what is measured make one.
	each   float64
	digits int // behind the point
}

// The units. Times are measured in nanoseconds, sizes in bytes.
var (
	Nanoseconds  = Unit{"ns", 1, 1}
	Microseconds = Unit{"us", 1e3, 1}
	Milliseconds = Unit{"ms", 1e6, 1}
	Seconds      = Unit{"s", 1e9, 2}
	ByteCount    = Unit{"B", 1, 0}
	Kilobytes    = Unit{"KB", 1e3, 1}
	Megabytes    = Unit{"MB", 1e6, 1}
	Count        = Unit{"", 1, 1}
	PerSecond    = Unit{"/s", 1, 0}
	Percent      = Unit{"%", 0.01, 1}
	Writes       = Unit{"writes", 1, 0}
)

func (u Unit) show(v *float64) string {
	if v == nil {
		return "-"
	}
	return strings.TrimSpace(fmt.Sprintf("%.*f %s", u.digits, *v/u.each, u.name))
}

// ratio is false if ours is not there, or if it would mean nothing.
func (l Line) ratio() (ratio float64, known bool) {
	switch {
	case l.Ours == nil || l.Silent:
		return 0, false
	case l.Other == nil:
		return *l.Ours / l.Unit.each, true
	}
	return *l.Ours / *l.Other, true
}

// Print writes a table for people, and then a line for each ratio for programs.
func Print(out io.Writer, lines []Line) {
	width := 0
	for _, l := range lines {
		width = max(width, len(l.Name))
	}
	show := func(name string, columns ...any) {
		text := fmt.Sprintf("%-*s", width, name) + fmt.Sprintf(" %14s %14s %8s %8s  %-6s  %s", columns...)
		fmt.Fprintln(out, strings.TrimRight(text, " "))
	}
	show("", "ours", "upstream", "ratio", "target", "", "")
	var ratios strings.Builder
	for _, l := range lines {
		text, target, verdict := "-", "-", ""
		ratio, known := l.ratio()
		if known {
			text = fmt.Sprintf("%.3f", ratio)
			fmt.Fprintf(&ratios, "RATIO %s %.4g\n", l.Name, ratio)
		}
		if l.Target != nil {
			target = fmt.Sprint(*l.Target)
		}
		if known && l.Target != nil {
			verdict = "ok"
			if ratio > *l.Target {
				verdict = "MISSED"
			}
		}
		show(l.Name, l.Unit.show(l.Ours), l.Unit.show(l.Other), text, target, verdict, l.About)
	}
	fmt.Fprintf(out, "\n%s", ratios.String())
}
