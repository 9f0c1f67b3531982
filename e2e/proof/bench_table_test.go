package proof

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"
)

const mb = 1e6 // as history's other figures are told

// printCosts prints a table with a row for each way.
func printCosts(out io.Writer, containers int, all []cost) {
	fmt.Fprintf(out, "\n%d containers at a time, 8 days\n", containers)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\twall s\tclient CPU s\tclient peak MB\tserver CPU s\tserver heap MB\tsent MB\tcontainers\tsamples\t")
	for _, c := range all {
		fmt.Fprintf(table, "%s\t%.1f\t%.1f\t%.0f\t%.1f\t%.0f\t%.0f\t%d\t%d\t\n", c.Way, c.Wall.Seconds(), c.CPU.Seconds(),
			float64(c.Peak)/mb, c.ServerCPU.Seconds(), c.ServerHeap/mb, c.Sent/mb, c.Containers, c.Samples)
	}
	table.Flush()
	for _, c := range all {
		if c.Failure != "" {
			fmt.Fprintf(out, "%s FAILED: %s\n", c.Way, c.Failure)
		}
	}
}

// ratioSize is the size at which ours is held to its targets.
const ratioSize = 2000

// ratios are what ours, with remote read, may cost of what upstream costs, at most.
func ratios() []ratio {
	return []ratio{
		{"history-client-rss", 0.1, func(c cost) float64 { return float64(c.Peak) }},
		{"history-server-heap", 0.1, func(c cost) float64 { return c.ServerHeap }},
		{"history-server-cpu", 0.5, func(c cost) float64 { return c.ServerCPU.Seconds() }},
	}
}

type ratio struct {
	name   string
	target float64
	of     func(cost) float64
}

// printRatios prints a table with the targets, and then a line for each ratio for programs.
func printRatios(out io.Writer, sizes []int, found map[int][]cost) {
	fmt.Fprintf(out, "\n%d processors that the server shares; load %s. Upstream reads at its resolution of 1 h, ours at 1 m (remote read) and 5 m (query_range).\n",
		runtime.NumCPU(), load())
	if !slices.Contains(sizes, ratioSize) {
		fmt.Fprintf(out, "Ratios are of %d containers, which were not measured.\n", ratioSize)
		return
	}
	theirs, ours := pick(found[ratioSize], upstreamWay), pick(found[ratioSize], remoteWay)
	if theirs.Failure != "" || ours.Failure != "" {
		fmt.Fprintln(out, "There are no ratios, as a reading failed.")
		return
	}
	var lines strings.Builder
	for _, r := range ratios() {
		v := r.of(ours) / r.of(theirs)
		verdict := "ok"
		if v > r.target {
			verdict = "MISSED"
		}
		fmt.Fprintf(out, "%-24s %8.3f  target %.1f  %s\n", r.name, v, r.target, verdict)
		fmt.Fprintf(&lines, "RATIO %s %.4g\n", r.name, v)
	}
	fmt.Fprintf(out, "\n%s", lines.String())
}

func pick(all []cost, way string) cost {
	return all[slices.IndexFunc(all, func(c cost) bool { return c.Way == way })]
}

// load is the kernel's three averages of how many processes want a processor.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}

func TestTheReportTellsRatiosAndWhatIsMissed(t *testing.T) {
	found := map[int][]cost{ratioSize: {
		{Way: upstreamWay, Peak: 2000e6, ServerHeap: 1000, ServerCPU: 10 * time.Second},
		{Way: remoteWay, Peak: 100e6, ServerHeap: 10, ServerCPU: 6 * time.Second},
	}}
	var out strings.Builder
	printRatios(&out, []int{ratioSize}, found)
	_, told, _ := strings.Cut(out.String(), "\n\n")
	require.Equal(t, "RATIO history-client-rss 0.05\nRATIO history-server-heap 0.01\nRATIO history-server-cpu 0.6\n", told)
	require.Contains(t, out.String(), "history-server-cpu          0.600  target 0.5  MISSED\n")
	require.Contains(t, out.String(), "history-client-rss          0.050  target 0.1  ok\n")

	found[ratioSize][0].Failure = "too many samples"
	out.Reset()
	printRatios(&out, []int{ratioSize}, found)
	require.NotContains(t, out.String(), "RATIO")
	printRatios(&out, []int{500}, nil)
	require.NotContains(t, out.String(), "RATIO")
}
