package bench

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	report = flag.Bool("report", false, "measure, and print the report")
	only   = flag.String("only", "", "measure only the experiments whose names this regular expression matches")
	child  = flag.String("child", "", "EXPERIMENT/SIDE: be the process of one side; -report starts it")
)

// TestReport measures both sides of all experiments, and prints what came out:
//
//	go test ./recommender/bench -run '^TestReport$' -count=1 -timeout 30m -v -report
func TestReport(t *testing.T) {
	switch {
	case *child != "":
		require.NoError(t, serve(*child, os.Stdin, os.Stdout))
	case *report:
		only := regexp.MustCompile(*only)
		var lines []line
		for _, e := range experiments() {
			if only.MatchString(e.name) {
				found, err := e.compare()
				require.NoError(t, err)
				lines = append(lines, found...)
			}
		}
		print(os.Stdout, lines)
	default:
		t.Skip("it takes minutes: ask for it with -report")
	}
}

// experiment is something that both sides do, each in a process of its own, so that neither collects the other's garbage.
type experiment struct {
	name string
	// vpas is the size of the cluster.
	vpas int
	// runs is how often each side is measured, an odd number. A first run more, which does not count, warms up if runs > 1.
	runs int
	// ours and upstream prepare a side. One that is nil is not there yet; the other is shown alone.
	ours, upstream side
	rows           []row
}

// side prepares what is measured, on a cluster of so many VPAs.
type side func(vpas int) operation

// operation does once what is measured. It calls measure around that, not around what it has to prepare each time.
type operation func(m *meter)

// row is a line of the report.
type row struct {
	name string
	unit unit
	of   func(reading) float64
	// target is the ratio of ours to upstream's that is asked for at most; nil where none is.
	target *float64
	// alone is set where upstream has nothing to compare with: ours itself stands for the ratio.
	alone bool
}

// reading is what one run of one side gave.
type reading struct {
	// CPU is the process's time, user and system and the collection of its garbage, in nanoseconds; Bytes is what it allocated.
	// Both are for one of what was done.
	CPU, Bytes float64
	// Value is what an operation counts itself.
	Value float64
}

func cpu(r reading) float64   { return r.CPU }
func bytes(r reading) float64 { return r.Bytes }
func value(r reading) float64 { return r.Value }

type meter struct{ reading }

// measure runs f, which does n times what is measured. What was garbage before is not f's.
func (m *meter) measure(n int, f func()) {
	runtime.GC()
	allocated, start := allocatedBytes(), cpuTime()
	f()
	took := cpuTime() - start
	m.CPU, m.Bytes = took/float64(n), (allocatedBytes()-allocated)/float64(n)
}

// cpuTime is what this process has used, in nanoseconds.
func cpuTime() float64 {
	var u syscall.Rusage
	need(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return float64(u.Utime.Nano() + u.Stime.Nano())
}

func allocatedBytes() float64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.TotalAlloc)
}

// liveHeap is what can be reached, in bytes.
func liveHeap() float64 {
	for range 3 {
		runtime.GC() // what pools hold goes with the second
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// need ends a side that cannot go on: what it would measure would mean nothing.
func need(err error) {
	if err != nil {
		panic(err)
	}
}

const (
	ours = iota
	upstreams
)

var sideNames = [...]string{ours: "ours", upstreams: "upstream"}

func (e experiment) sides() [2]side { return [...]side{ours: e.ours, upstreams: e.upstream} }

// compare measures both sides by turns, and takes medians.
func (e experiment) compare() ([]line, error) {
	fmt.Fprintf(os.Stderr, "%s: %d runs\n", e.name, e.runs)
	var processes [2]*process
	for side, prepare := range e.sides() {
		if prepare == nil {
			continue
		}
		p, err := start(e.name + "/" + sideNames[side])
		if err != nil {
			return nil, err
		}
		defer p.end()
		processes[side] = p
	}
	var readings [2][]reading
	warmUp := min(e.runs-1, 1)
	for run := range 1 + warmUp + e.runs {
		for side, p := range processes {
			if p == nil {
				continue
			}
			r, err := p.next(run > 0)
			if err != nil {
				return nil, err
			}
			if run > warmUp { // the first that is read says that it is prepared
				readings[side] = append(readings[side], r)
			}
		}
	}
	return e.lines(readings), nil
}

func (e experiment) lines(readings [2][]reading) []line {
	lines := make([]line, len(e.rows))
	for i, row := range e.rows {
		lines[i].row = row
		for side, rs := range readings {
			lines[i].found[side] = median(rs, row.of)
		}
	}
	return lines
}

// median is nil if there is nothing.
func median(readings []reading, of func(reading) float64) *float64 {
	if len(readings) == 0 {
		return nil
	}
	values := make([]float64, len(readings))
	for i, r := range readings {
		values[i] = of(r)
	}
	slices.Sort(values)
	return &values[len(values)/2]
}
