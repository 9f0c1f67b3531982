package proof

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/cluster/programs"
)

var (
	reporting = flag.Bool("report", false, "measure the reading of history, beside upstream's")
	sizes     = flag.String("sizes", "500 2000", "how many containers run at a time in each environment; several, divided by blanks")
	child     = flag.String("child", "", "for TestReport alone: be the process that reads, with this task")
)

// TestReport measures what eight days of history cost the process that reads them and the Prometheus that has them:
//
//	go test ./proof -run '^TestReport$' -count=1 -timeout 3h -v -report -sizes='500 2000'
func TestReport(t *testing.T) {
	if *child != "" {
		require.NoError(t, runChild(*child, os.Stdout))
		return
	}
	if !*reporting {
		t.Skip("it takes minutes: ask for it with -report")
	}
	containers, err := parseSizes(*sizes)
	require.NoError(t, err)
	b := bench{began: time.Now()}
	b.prometheus, err = programs.Prometheus(t.Context(), b.say)
	require.NoError(t, err)
	b.say("the server is %s", b.prometheus)
	found := map[int][]cost{}
	for _, n := range containers {
		found[n], err = b.measure(t.Context(), n)
		require.NoError(t, err)
		printCosts(os.Stdout, n, found[n])
	}
	printRatios(os.Stdout, containers, found)
}

func parseSizes(text string) ([]int, error) {
	var all []int
	for _, word := range strings.Fields(text) {
		n, err := strconv.Atoi(word)
		if err != nil || n < 10 {
			return nil, fmt.Errorf("-sizes=%q: %q must be a number of containers, 10 at least", text, word)
		}
		all = append(all, n)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("-sizes=%q: name one at least", text)
	}
	return all, nil
}

// bench is one run of everything.
type bench struct {
	prometheus string // the program
	began      time.Time
}

func (b *bench) say(format string, args ...any) {
	fmt.Printf("%6.1fs  %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}

// cost is what one way of reading cost. What is not told of a reading that failed is what it had not come to.
type cost struct {
	Way string
	// Wall and CPU are the reading process', Peak is the most bytes that were resident in it until it held everything.
	Wall, CPU time.Duration
	Peak      int64
	// Containers is for how many containers of workloads there was usage, Samples how many samples counted.
	Containers, Samples int
	// Failure is why nothing was read.
	Failure string

	// The server's: its CPU, by how many bytes its heap grew at most, and how many bytes it sent.
	ServerCPU  time.Duration
	ServerHeap float64
	Sent       float64
}

// task is what a reading process is to do.
type task struct {
	Way, URL string
	// Containers is the size of the fleet.
	Containers int
	From, To   time.Time
}

func (t task) String() string {
	text, err := json.Marshal(t)
	if err != nil {
		panic(err) // cannot be: these are plain values
	}
	return string(text)
}

func TestSizesAreNumbersOfContainers(t *testing.T) {
	all, err := parseSizes(" 500 2000\n")
	require.NoError(t, err)
	require.Equal(t, []int{500, 2000}, all)
	for _, bad := range []string{"", " ", "many", "500,2000", "-1"} {
		_, err := parseSizes(bad)
		require.ErrorContains(t, err, fmt.Sprintf("-sizes=%q", bad))
	}
}
