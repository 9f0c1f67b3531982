package sidebyside

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var flags = NewFlags(flag.CommandLine)

// counting counts its runs from first on, and tells of its process.
func counting(first float64) Side {
	return func(size int) Operation {
		next := first
		return func(r Reading) {
			r["count"], r["size"], r["process"] = next, float64(size), float64(os.Getpid())
			next++
		}
	}
}

func countings() []Experiment {
	rows := []Row{{Name: "count", Of: "count"}, {Name: "process", Of: "process"}, {Name: "size", Of: "size"}}
	return []Experiment{
		{Name: "warmed", Size: 7, Runs: 3, Ours: counting(1), Upstream: counting(10), Rows: rows},
		{Name: "once", Runs: 1, Ours: counting(1), Rows: []Row{{Name: "once", Of: "count"}, {Name: "against-warmed", Of: "count", To: "warmed/count"}}},
	}
}

func TestSidesAreMeasuredInProcessesOfTheirOwnAndMediansCount(t *testing.T) {
	if *flags.child != "" {
		flags.Report(t, "", countings())
		return
	}
	lines, err := measure(t.Name(), countings(), regexp.MustCompile(""))
	require.NoError(t, err)
	require.Len(t, lines, 5)
	count, process, size, once, against := lines[0], lines[1], lines[2], lines[3], lines[4]
	require.Equal(t, 3.0, *count.Ours, "of 1, which warms up, 2, 3 and 4")
	require.Equal(t, 12.0, *count.Other)
	require.NotEqual(t, *process.Ours, *process.Other)
	require.NotEqual(t, float64(os.Getpid()), *process.Ours)
	require.Equal(t, 7.0, *size.Ours)
	require.Equal(t, 1.0, *once.Ours, "nothing warms up what is done once")
	require.Nil(t, once.Other)
	require.Equal(t, 3.0, *against.Other, "ours of another experiment")

	lines, err = measure(t.Name(), countings(), regexp.MustCompile("once"))
	require.NoError(t, err)
	require.Len(t, lines, 2)
	require.True(t, lines[1].Silent, "what it is compared with was left out, so that it is not alone")
}

func TestASideThatEndsIsToldWithWhatItSaid(t *testing.T) {
	failing := []Experiment{{Name: "failing", Runs: 1, Ours: func(int) Operation { return func(Reading) { os.Exit(3) } }}}
	if *flags.child != "" {
		flags.Report(t, "", failing)
		return
	}
	_, err := measure(t.Name(), failing, regexp.MustCompile(""))
	require.ErrorContains(t, err, "failing/ours ended before it answered: exit status 3")
	err = serve(failing, "failing/upstream", strings.NewReader(""), os.Stdout)
	require.ErrorContains(t, err, "-child=failing/upstream: there is no such side")
}

func TestEverySideThatIsTriedMeasuresWhatItsRowsWant(t *testing.T) { Try(t, countings(), 2) }

func TestAMedianIsTheMiddleOne(t *testing.T) {
	require.Nil(t, median(nil))
	require.Equal(t, 3.0, *median([]float64{9, 1, 3}))
}

func TestWhatIsMeasuredIsForOneOfWhatWasDone(t *testing.T) {
	const n = 1000
	r, kept := Reading{}, make([][]byte, n)
	r.Measure(n, func() {
		for i := range kept {
			kept[i] = make([]byte, 1<<12)
		}
	})
	require.InDelta(t, 1<<12, r[Bytes], 100)
	require.InDelta(t, 1, r[Allocs], 0.5)
	require.Positive(t, r[CPU])
	require.Positive(t, r[Wall])
}

func TestTheMachineIsKnown(t *testing.T) {
	require.NotContains(t, Machine(), unknown)
	require.Equal(t, unknown, field("/proc/cpuinfo", "no such field"))
	require.Equal(t, unknown, field("/no/such/file", "model name"))
}
