package proof

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/pkg/sidebyside"
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

// ratios are what ours, with remote read, costs beside upstream.
func ratios(ours, theirs cost) []sidebyside.Line {
	line := func(name, about string, unit sidebyside.Unit, target, ours, theirs float64) sidebyside.Line {
		return sidebyside.Line{Row: sidebyside.Row{Name: name, About: about, Unit: unit, Target: &target}, Ours: &ours, Other: &theirs}
	}
	return []sidebyside.Line{
		line("history-client-rss", "most memory of the process that reads", sidebyside.Megabytes, 0.1, float64(ours.Peak), float64(theirs.Peak)),
		line("history-server-heap", "by how much the server's heap grows", sidebyside.Megabytes, 0.1, ours.ServerHeap, theirs.ServerHeap),
		line("history-server-cpu", "the server's CPU", sidebyside.Seconds, 0.5, float64(ours.ServerCPU), float64(theirs.ServerCPU)),
	}
}

// printRatios prints a table with the targets, and then a line for each ratio for programs.
func printRatios(out io.Writer, sizes []int, found map[int][]cost) {
	fmt.Fprintf(out, "\nMeasured on %s, shared with the server.\n"+
		"Upstream reads at its resolution of 1 h, ours at 1 m (remote read) and 5 m (query_range).\n", sidebyside.Machine())
	if !slices.Contains(sizes, ratioSize) {
		fmt.Fprintf(out, "Ratios are of %d containers, which were not measured.\n", ratioSize)
		return
	}
	theirs, ours := pick(found[ratioSize], upstreamWay), pick(found[ratioSize], remoteWay)
	if theirs.Failure != "" || ours.Failure != "" {
		fmt.Fprintln(out, "There are no ratios, as a reading failed.")
		return
	}
	fmt.Fprintf(out, "%d containers, by remote read:\n", ratioSize)
	sidebyside.Print(out, ratios(ours, theirs))
}

func pick(all []cost, way string) cost {
	return all[slices.IndexFunc(all, func(c cost) bool { return c.Way == way })]
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
	require.Regexp(t, `history-server-cpu +6\.00 s +10\.00 s +0\.600 +0\.5 +MISSED`, out.String())
	require.Regexp(t, `history-client-rss +100\.0 MB +2000\.0 MB +0\.050 +0\.1 +ok`, out.String())

	found[ratioSize][0].Failure = "too many samples"
	out.Reset()
	printRatios(&out, []int{ratioSize}, found)
	require.NotContains(t, out.String(), "RATIO")
	printRatios(&out, []int{500}, nil)
	require.NotContains(t, out.String(), "RATIO")
}
