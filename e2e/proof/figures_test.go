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
type bounds struct{ target, lower, upper float64 }

// estimates are those of one container, by usage.Resource.
type estimates [2]bounds

// margin is what is added to a percentile to make it an estimate.
const margin = 1.15

// bucket is how far two estimates of a resource near v are apart whose percentiles are one bucket apart, or 5 % if
// that is more.
func bucket(r usage.Resource, v float64) float64 {
	scheme, unit := histogram.Memory, 1.0
	if r == usage.CPU {
		scheme, unit = histogram.CPU, 1000
	}
	n := min(scheme.Bucket(v/unit/margin), scheme.Buckets()-2)
	width := (scheme.Start(n+1) - scheme.Start(n)) * unit * margin
	return max(width, 0.05*v)
}

// near reports whether got is within a bucket of want. The larger bucket of the two counts, as the two ends of one bucket
// are a bucket apart from either.
func near(r usage.Resource, want, got float64) bool {
	return math.Abs(got-want) <= max(bucket(r, want), bucket(r, got))
}

// apart says in what got is not near want, nothing if it is near in all.
func apart(want, got estimates) []string {
	var all []string
	for _, r := range usage.Resources {
		for _, b := range []struct {
			name      string
			want, got float64
		}{{"target", want[r].target, got[r].target}, {"lower", want[r].lower, got[r].lower}, {"upper", want[r].upper, got[r].upper}} {
			if !near(r, b.want, b.got) {
				all = append(all, fmt.Sprintf("%s %s: %.0f, not %.0f (%.2f)", r, b.name, b.got, b.want, b.got/b.want))
			}
		}
	}
	return all
}

// way is one way to come to know the past: live, or by reading it.
type way struct {
	name string
	// found are the estimates by workload and container, "store/shop/istio-proxy".
	found map[string]estimates
}

// report writes the targets of all ways side by side, as shares of the first way's, and for how many containers all of a
// way's estimates are near the first one's.
func report(out io.Writer, ways []way) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "\tcpu %s\t%s\tmemory %s\t%s\n", ways[0].name, names(ways[1:]), ways[0].name, names(ways[1:]))
	within := make([]int, len(ways))
	for _, container := range ways[0].containers() {
		fmt.Fprint(table, container)
		live := ways[0].found[container]
		for _, r := range usage.Resources {
			fmt.Fprintf(table, "\t%s", amount(r, live[r].target))
			for _, w := range ways[1:] {
				fmt.Fprintf(table, "\t%s", share(r, live[r].target, w.found[container][r].target))
			}
		}
		fmt.Fprintln(table)
		for i, w := range ways {
			if len(apart(live, w.found[container])) == 0 {
				within[i]++
			}
		}
	}
	table.Flush()
	for i, w := range ways[1:] {
		fmt.Fprintf(out, "%s: %d of %d containers have target, lower and upper bound of both resources within a bucket of %s\n",
			w.name, within[i+1], len(ways[0].found), ways[0].name)
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
	if !near(r, want, got) {
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

func TestABucketIsWideWhereThereIsLittleAndFivePercentWhereThereIsMuch(t *testing.T) {
	for _, c := range []struct {
		resource usage.Resource
		v, share float64
	}{
		{usage.CPU, 25, 0.51}, {usage.CPU, 100, 0.15}, {usage.CPU, 1000, 0.06}, {usage.CPU, 100e3, 0.05},
		{usage.Memory, 100e6, 0.16}, {usage.Memory, 1e9, 0.06}, {usage.Memory, 1e12, 0.05},
	} {
		require.InDelta(t, c.share, bucket(c.resource, c.v)/c.v, 0.02, "%s %v", c.resource, c.v)
	}
}

func TestWhatIsFartherThanABucketIsTold(t *testing.T) {
	want := estimates{{target: 1000, lower: 500, upper: 2000}, {target: 1e9, lower: 1e9, upper: 2e9}}
	require.Empty(t, apart(want, want))
	got := want
	got[usage.CPU].upper, got[usage.Memory].lower = 2090, 0.95e9
	require.Empty(t, apart(want, got))
	got[usage.CPU].upper, got[usage.Memory].lower = 2300, 0.85e9
	require.Equal(t, []string{"cpu upper: 2300, not 2000 (1.15)", "memory lower: 850000000, not 1000000000 (0.85)"}, apart(want, got))
}
