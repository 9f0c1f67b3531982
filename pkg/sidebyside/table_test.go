package sidebyside

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheReportTellsRatiosAndWhatIsMissed(t *testing.T) {
	value := func(v float64) *float64 { return &v }
	line := func(row Row, ours, other *float64) Line { return Line{row, ours, other} }
	var out strings.Builder
	Print(&out, []Line{
		line(Row{Name: "quick", Unit: Microseconds, Target: AtMost(0.5), About: "CPU of one"}, value(2e3), value(8e3)),
		line(Row{Name: "slow", Unit: Milliseconds, Target: AtMost(0.2), About: "CPU of another"}, value(3e6), value(6e6)),
		line(Row{Name: "not-yet", Unit: Nanoseconds, Target: AtMost(1)}, nil, value(1)),
		line(Row{Name: "untold", Unit: Writes}, value(2), value(8)),
		line(Row{Name: "alone", Unit: Megabytes, Target: AtMost(60)}, value(2e6), nil),
		line(Row{Name: "alone-and-too-much", Unit: Writes, Target: AtMost(0)}, value(1), nil),
		line(Row{Name: "silent", Unit: Percent, Silent: true, Target: AtMost(0.1)}, value(0.5), value(1)),
	})
	require.Equal(t, `
                             ours       upstream    ratio   target
quick                      2.0 us         8.0 us    0.250      0.5  ok      CPU of one
slow                       3.0 ms         6.0 ms    0.500      0.2  MISSED  CPU of another
not-yet                         -         1.0 ns        -        1
untold                   2 writes       8 writes    0.250        -
alone                      2.0 MB              -    2.000       60  ok
alone-and-too-much       1 writes              -    1.000        0  MISSED
silent                     50.0 %        100.0 %        -      0.1

RATIO quick 0.25
RATIO slow 0.5
RATIO untold 0.25
RATIO alone 2
RATIO alone-and-too-much 1
`, "\n"+out.String())
}
