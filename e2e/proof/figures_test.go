package proof

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/pkg/histogram"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// bounds are an estimate in millicores or bytes.
type bounds struct {
	target, lower, upper float64
	// confidence is how many days of samples there were: the upper bound is the wider the fewer there were.
	confidence float64
}

// estimates are those of one container, by usage.Resource.
type estimates [2]bounds

// margin is what is added to a percentile to make it an estimate.
const margin = 1.15

// widened is by how much an upper bound is above its percentile with the margin.
func widened(confidence float64) float64 { return 1 + 1/confidence }

// near reports whether two estimates are one histogram bucket apart at most, or 5 % if that is more. factor is what their
// percentiles were multiplied with.
func near(r usage.Resource, a, b, factor float64) bool {
	scheme, unit := histogram.Memory, 1.0
	if r == usage.CPU {
		scheme, unit = histogram.CPU, 1000
	}
	lower, higher := min(a, b), max(a, b)
	// A percentile is where a bucket begins. What was made of it is rounded down, to a place before that.
	const rounding = 2
	n := min(scheme.Bucket((lower/factor+rounding)/unit), scheme.Buckets()-2)
	bucket := (scheme.Start(n+1) - scheme.Start(n)) * unit * factor
	return higher-lower <= max(bucket+rounding*factor, 0.05*higher)
}

// apart says in what got is not near want, nothing if it is near in all.
func apart(want, got estimates) []string {
	var all []string
	for _, r := range usage.Resources {
		w, g := want[r], got[r]
		for _, b := range []struct {
			name              string
			want, got, factor float64
		}{
			{"target", w.target, g.target, margin}, {"lower bound", w.lower, g.lower, margin},
			{"upper bound", w.upper, g.upper * ends(w.confidence, g.confidence), margin * widened(w.confidence)},
		} {
			if !near(r, b.want, b.got, b.factor) {
				all = append(all, fmt.Sprintf("%s %s: %.0f, not %.0f (%.2f)", r, b.name, b.got, b.want, b.got/b.want))
			}
		}
	}
	return all
}

// ends makes good for a sample more or less at either end of a past: a container's first minute is not whole, and live
// there is no CPU before the second visit. Of an hour's confidence that is a thirtieth, of a week's nothing.
func ends(want, got float64) float64 {
	const sample = 1.0 / (24 * 60)
	if math.Abs(want-got) > 2*sample {
		return 1
	}
	return widened(want) / widened(got)
}

// way is one way to come to know the past: live, or by reading it.
type way struct {
	name string
	// found are the estimates by workload and container, "store/shop/istio-proxy".
	found map[string]estimates
}

// report writes the targets of all ways side by side, as shares of the first way's, and how many of a way's are near it.
func report(out io.Writer, ways []way) {
	live, others := ways[0], ways[1:]
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "target\tcpu %s\t%s\tmemory %s\t%s\n", live.name, names(others), live.name, names(others))
	for _, container := range live.containers() {
		fmt.Fprint(table, container)
		for _, r := range usage.Resources {
			want := live.found[container][r].target
			fmt.Fprintf(table, "\t%s", amount(r, want))
			for _, w := range others {
				fmt.Fprintf(table, "\t%s", share(r, want, w.found[container][r].target))
			}
		}
		fmt.Fprintln(table)
	}
	table.Flush()
	for _, w := range others {
		targets, all := 0, 0
		for _, container := range live.containers() {
			differences := apart(live.found[container], w.found[container])
			if len(differences) == 0 {
				all++
			}
			if !slices.ContainsFunc(differences, func(d string) bool { return strings.Contains(d, "target") }) {
				targets++
			}
		}
		fmt.Fprintf(out, "%s: within a bucket of %s are %d of %d containers' targets; with both bounds %d\n", w.name, live.name, targets, len(live.found), all)
	}
}

func names(ways []way) string {
	var all []string
	for _, w := range ways {
		all = append(all, w.name)
	}
	return strings.Join(all, "\t")
}

func (w way) containers() []string {
	var all []string
	for name := range w.found {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// share is got as a share of want, marked where it is not near it.
func share(r usage.Resource, want, got float64) string {
	mark := ""
	if !near(r, want, got, margin) {
		mark = " !"
	}
	return fmt.Sprintf("%.2f%s", got/want, mark)
}

func amount(r usage.Resource, v float64) string {
	if r == usage.CPU {
		return fmt.Sprintf("%.0fm", v)
	}
	return fmt.Sprintf("%.0fMi", v/(1<<20))
}

func TestNearIsABucketWhereThereIsLittleAndFivePercentWhereThereIsMuch(t *testing.T) {
	for _, c := range []struct {
		resource usage.Resource
		v, share float64
	}{
		{usage.CPU, 25, 0.51}, {usage.CPU, 100, 0.165}, {usage.CPU, 1000, 0.0615}, {usage.CPU, 100e3, 0.05},
		{usage.Memory, 100e6, 0.165}, {usage.Memory, 1e9, 0.0615}, {usage.Memory, 1e12, 0.05},
	} {
		within, beyond := c.v*(1+c.share*0.9), c.v*(1+c.share*1.2)+2*margin
		require.True(t, near(c.resource, c.v, within, margin), "%s %v %v", c.resource, c.v, within)
		require.False(t, near(c.resource, beyond, c.v, margin), "%s %v %v", c.resource, c.v, beyond)
	}
}

func TestWhatIsFartherThanABucketIsTold(t *testing.T) {
	want := estimates{{target: 1000, lower: 500, upper: 2000, confidence: 8}, {target: 1e9, lower: 1e9, upper: 2e9, confidence: 8}}
	require.Empty(t, apart(want, want))
	got := want
	got[usage.CPU].upper, got[usage.Memory].lower = 2090, 0.95e9
	require.Empty(t, apart(want, got))
	got[usage.CPU].upper, got[usage.Memory].lower = 2300, 0.85e9
	require.Equal(t, []string{"cpu upper bound: 2300, not 2000 (1.15)", "memory lower bound: 850000000, not 1000000000 (0.85)"}, apart(want, got))
}

func TestASampleMoreIsForgivenAtAnHourAndAQuarterMoreIsNot(t *testing.T) {
	hour := 60.0 / 1440
	of := func(confidence float64) estimates {
		b := bounds{target: 1000, lower: 1000, upper: 1000 * widened(confidence), confidence: confidence}
		return estimates{b, {target: 1e9, lower: 1e9, upper: 1e9 * widened(confidence), confidence: confidence}}
	}
	require.Empty(t, apart(of(hour), of(hour*61/60)))
	require.Len(t, apart(of(hour), of(hour*75/60)), 2)
}
