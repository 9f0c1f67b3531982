package bench

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// row is a line of the report.
type row struct {
	name string
	// of is the "EXPERIMENT/MEASURE" that it shows, and to what its ratio is taken: upstream's, or ours where that names one.
	of, to string
	unit   unit
	// target is the ratio that is asked for at most; 0 where none is. For a row that is alone it bounds what is measured.
	target float64
	// alone is set where there is nothing to compare with, silent where a ratio would mean nothing.
	alone, silent bool
}

// unit is what a row is shown in: the name, and how many of what is measured make one.
type unit struct {
	name string
	each float64
}

var (
	microseconds = unit{"us", 1e3}
	milliseconds = unit{"ms", 1e6}
	kilobytes    = unit{"KB", 1e3}
	megabytes    = unit{"MB", 1e6}
	count        = unit{"", 1}
	percent      = unit{"%", 0.01}
)

func (u unit) show(v *float64) string {
	if v == nil {
		return "-"
	}
	return strings.TrimSpace(fmt.Sprintf("%.1f %s", *v/u.each, u.name))
}

// sides are what a row compares, and their ratio; false if one is not known.
func (r row) sides(found results) (one, other *float64, ratio float64, known bool) {
	one, other = found[r.of][ours], found[r.of][upstreams]
	if r.to != "" {
		other = found[r.to][ours]
	}
	switch {
	case one == nil:
		return nil, other, 0, false
	case r.silent:
		return one, other, 0, false
	case r.alone:
		return one, nil, *one / r.unit.each, true
	case other == nil:
		return one, nil, 0, false
	}
	return one, other, *one / *other, true
}

// print writes a table for people, and then a line for each row for programs.
func print(out io.Writer, rows []row, found results) {
	const columns = "%-32s %14s %14s %8s %8s  %s\n"
	fmt.Fprintf(out, columns, "", "ours", "upstream", "ratio", "target", "")
	var ratios strings.Builder
	for _, r := range rows {
		one, other, ratio, known := r.sides(found)
		text, target, verdict := "-", "-", ""
		if known {
			text = fmt.Sprintf("%.3f", ratio)
			fmt.Fprintf(&ratios, "RATIO %s %.4g\n", r.name, ratio)
		}
		if r.target > 0 {
			target, verdict = fmt.Sprint(r.target), "ok"
			if ratio > r.target {
				verdict = "MISSED"
			}
		}
		if !known {
			verdict = ""
		}
		fmt.Fprintf(out, columns, r.name, r.unit.show(one), r.unit.show(other), text, target, verdict)
	}
	fmt.Fprintf(out, "\n%s", ratios.String())
}

func TestTheReportTellsRatiosAndWhatIsMissed(t *testing.T) {
	value := func(v float64) *float64 { return &v }
	found := results{
		"a/cpu":  {value(2e3), value(8e3)},
		"b/cpu":  {value(3e3), value(6e3)},
		"c/heap": {value(2e6), nil},
		"d/cpu":  {nil, value(1)},
	}
	var out strings.Builder
	print(&out, []row{
		{name: "quick", of: "a/cpu", unit: microseconds, target: 0.5},
		{name: "slow", of: "b/cpu", unit: microseconds, target: 0.2},
		{name: "against-itself", of: "b/cpu", to: "a/cpu", unit: microseconds, target: 1.5},
		{name: "alone", of: "c/heap", unit: megabytes, alone: true, target: 60},
		{name: "not-yet", of: "d/cpu", unit: microseconds, target: 1},
		{name: "untold", of: "a/cpu", unit: microseconds},
		{name: "silent", of: "b/cpu", unit: microseconds, silent: true},
	}, found)
	require.Equal(t, `
                                           ours       upstream    ratio   target
quick                                    2.0 us         8.0 us    0.250      0.5  ok
slow                                     3.0 us         6.0 us    0.500      0.2  MISSED
against-itself                           3.0 us         2.0 us    1.500      1.5  ok
alone                                    2.0 MB              -    2.000       60  ok
not-yet                                       -         0.0 us        -        1
untold                                   2.0 us         8.0 us    0.250        -
silent                                   3.0 us         6.0 us        -        -

RATIO quick 0.25
RATIO slow 0.5
RATIO against-itself 1.5
RATIO alone 2
RATIO untold 0.25
`, "\n"+strings.ReplaceAll(out.String(), "  \n", "\n"))
}
