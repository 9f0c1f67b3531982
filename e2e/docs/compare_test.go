package docs

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// masks are what differs from run to run, and what stands for it.
var masks = []struct {
	what *regexp.Regexp
	by   string
}{
	{regexp.MustCompile(` @\[[\d.]+\]$`), ""},                                                    // promtool's time
	{regexp.MustCompile(`\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`), "UID"},                 //
	{regexp.MustCompile(`-[bcdf-hj-np-tv-z0-9]{6,10}(-[bcdf-hj-np-tv-z2456789]{5})\b`), "-HASH"}, // a Deployment's pod
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`), "TIME"},    //
	{regexp.MustCompile(`\b(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +\d`), "MONTH N"},
	{regexp.MustCompile(`\d+(\.\d+)?(e[+-]?\d+)?`), "N"}, //
	{regexp.MustCompile(`\b(N(ms|[dhms]))+\b`), "N"},     // a duration; millicores, too
	{regexp.MustCompile(`[ \t]+`), " "},                  // columns are as wide as numbers
	{regexp.MustCompile(`-{3,}`), "---"},                 // and so are their underlines
	{regexp.MustCompile(` $`), ""},
}

// mask takes out of a line what differs from run to run.
func mask(line string) string {
	for _, m := range masks {
		line = m.what.ReplaceAllString(line, m.by)
	}
	return line
}

// compare says how what was printed is not as it is shown; nil if it is. Where "..." is shown anything may be.
func compare(shown []string, printed string) error {
	var got []string
	for line := range strings.Lines(strings.TrimRight(printed, "\n")) {
		got = append(got, mask(strings.TrimRight(line, "\n")))
	}
	at, anywhere := 0, false
	for _, part := range parts(shown) {
		if part == nil {
			anywhere = true
			continue
		}
		i := index(got[at:], part)
		if i < 0 || i > 0 && !anywhere {
			return fmt.Errorf("this is not where it is shown:\n%s\nprinted was:\n%s", strings.Join(part, "\n"), printed)
		}
		at, anywhere = at+i+len(part), false
	}
	if at < len(got) && !anywhere {
		return fmt.Errorf("more was printed than is shown:\n%s", printed)
	}
	return nil
}

// parts are the pieces of what is shown, masked, with nil for each "...".
func parts(shown []string) [][]string {
	var all [][]string
	var part []string
	for _, line := range shown {
		if strings.TrimSpace(line) != "..." {
			part = append(part, mask(line))
			continue
		}
		if part != nil {
			all = append(all, part)
		}
		all, part = append(all, nil), nil
	}
	if part != nil {
		all = append(all, part)
	}
	return all
}

// index is where part begins in lines; -1 if nowhere.
func index(lines, part []string) int {
	for i := range lines {
		if i+len(part) <= len(lines) && slices.Equal(lines[i:i+len(part)], part) {
			return i
		}
	}
	return -1
}

func TestWhatDiffersFromRunToRunIsMasked(t *testing.T) {
	for line, want := range map[string]string{
		"shop-5c5dfd9bc8-7xxf4     100m,10m    <none>":          "shop-HASH N,N <none>",
		"shop   Initial   1101m   991Mi   True   27s":           "shop Initial N NMi True N",
		"shop   Initial   1101m   991Mi   True   2m31s":         "shop Initial N NMi True N",
		"Last Transition Time:  2026-11-22T08:08:18Z":           "Last Transition Time: TIME",
		`{state="failing"} => 2 @[1763798898.123]`:              `{state="failing"} => N`,
		"shop-rc: cpu 1101m (p90 + 15%, limit 3), memory 991Mi": "shop-rc: cpu N (pN + N%, limit N), memory NMi",
		"UID:  0e1c0a52-9a1e-4d0f-8a66-6d0d2b6a6f0b":            "UID: UID",
		"from 8 days of Prometheus history":                     "from N days of Prometheus history",
		"{} => 2591962.9579999447":                              "{} => N",
		"container    usage   -----------":                      "container usage ---",
	} {
		require.Equal(t, want, mask(line))
	}
}

func TestWhatIsPrintedHasToBeWhatIsShown(t *testing.T) {
	printed := "NAME AGE\nshop 3s\nshop-rc 4s\n"
	for _, shown := range [][]string{
		{"NAME   AGE", "shop   12m", "shop-rc   12m"},
		{"...", "shop-rc   1s"},
		{"NAME   AGE", "..."},
		{"NAME   AGE", "...", "shop-rc 0s"},
		{"..."},
	} {
		require.NoError(t, compare(shown, printed), "%q", shown)
	}
	for _, shown := range [][]string{
		{"NAME   AGE", "shop   12m"},
		{"shop   12m", "shop-rc   12m"},
		{"NAME   AGE", "...", "shop 0s"},
		{"...", "shop-rc   1s", "NAME AGE"},
		{"NAME   AGE", "shop-rc   1s", "..."},
		{"NAME   AGE", "shop   12m", "shop-rc   12m", "till 1s"},
	} {
		require.Error(t, compare(shown, printed), "%q", shown)
	}
}
