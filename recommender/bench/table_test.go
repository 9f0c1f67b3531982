package bench

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// line is a row with what was found: nil for a side that is not there.
type line struct {
	row
	found [2]*float64
}

// ratio is ours to upstream's; false if one side is not there. Where upstream does nothing, it is what ours does.
func (l line) ratio() (float64, bool) {
	ours, theirs := l.found[ours], l.found[upstreams]
	switch {
	case ours == nil || (theirs == nil && !l.alone):
		return 0, false
	case theirs == nil || *theirs == 0:
		return *ours, true
	}
	return *ours / *theirs, true
}

// verdict says whether the target is met, and nothing where that is not to be said.
func (l line) verdict(ratio float64, known bool) string {
	switch {
	case !known || l.target == nil:
		return ""
	case ratio > *l.target:
		return "MISSED"
	}
	return "ok"
}

// print writes a table for people, and then a line for each row for programs.
func print(out io.Writer, lines []line) {
	const columns = "%-24s %14s %14s %8s %8s  %s\n"
	fmt.Fprintf(out, columns, "", "ours", "upstream", "ratio", "target", "")
	var ratios strings.Builder
	for _, l := range lines {
		ratio, target := "-", "-"
		r, known := l.ratio()
		if known {
			ratio = fmt.Sprintf("%.3f", r)
			fmt.Fprintf(&ratios, "RATIO %s %.4g\n", l.name, r)
		}
		if l.target != nil {
			target = fmt.Sprint(*l.target)
		}
		fmt.Fprintf(out, columns, l.name, l.unit.show(l.found[ours]), l.unit.show(l.found[upstreams]), ratio, target, l.verdict(r, known))
	}
	fmt.Fprintf(out, "\n%s", ratios.String())
}

// unit is what a row is measured in.
type unit string

const (
	nanoseconds  unit = "ns"
	milliseconds unit = "ms" // of nanoseconds
	byteCount    unit = "B"
	megabytes    unit = "MB" // of bytes
	writes       unit = "writes"
)

func (u unit) show(v *float64) string {
	if v == nil {
		return "-"
	}
	switch u {
	case milliseconds, megabytes:
		return fmt.Sprintf("%.1f %s", *v/1e6, u)
	case nanoseconds:
		return fmt.Sprintf("%.1f %s", *v, u)
	}
	return fmt.Sprintf("%.0f %s", *v, u)
}

func TestTheReportTellsRatiosAndWhatIsMissed(t *testing.T) {
	one, two, none := 1e6, 4e6, 0.0
	var out strings.Builder
	print(&out, []line{
		{row{name: "quick", unit: milliseconds, target: atMost(0.3)}, [2]*float64{&one, &two}},
		{row{name: "slow", unit: byteCount, target: atMost(0.2)}, [2]*float64{&one, &two}},
		{row{name: "not-yet", unit: megabytes, target: atMost(1)}, [2]*float64{nil, &two}},
		{row{name: "untold", unit: milliseconds}, [2]*float64{&one, &two}},
		{row{name: "alone", unit: writes, alone: true, target: atMost(0)}, [2]*float64{&none, nil}},
	})
	require.Equal(t, `
                                   ours       upstream    ratio   target
quick                            1.0 ms         4.0 ms    0.250      0.3  ok
slow                          1000000 B      4000000 B    0.250      0.2  MISSED
not-yet                               -         4.0 MB        -        1
untold                           1.0 ms         4.0 ms    0.250        -
alone                          0 writes              -    0.000        0  ok

RATIO quick 0.25
RATIO slow 0.25
RATIO untold 0.25
RATIO alone 0
`, "\n"+strings.ReplaceAll(out.String(), "  \n", "\n"))
}

func TestAMedianIsTheMiddleOne(t *testing.T) {
	require.Nil(t, median(nil, value))
	require.Equal(t, 3.0, *median([]reading{{Value: 9}, {Value: 1}, {Value: 3}}, value))
}
