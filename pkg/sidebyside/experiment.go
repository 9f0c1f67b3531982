// Package sidebyside measures ours beside upstream's in one run, and tells what came out: a table for people, and lines
// RATIO for programs. It is for what measures (tests, and e2e's commands), and never part of a program.
package sidebyside

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"

	"k8s.io/autoscaler/vertical-pod-autoscaler/common"
)

// Experiment is something that both sides do, each in a process of its own, so that neither collects the other's garbage.
type Experiment struct {
	Name string
	// Size is handed to both sides: how large the cluster is, or how often something is done.
	Size int
	// Runs is how often each side is measured, by turns; an odd number, for the medians count. A first run more warms up if
	// Runs > 1.
	Runs int
	// Ours and Upstream prepare a side. One that is nil has no part, and the other stands alone.
	Ours, Upstream Side
	Rows           []Row
}

// Side prepares what is measured. That is not part of the measuring.
type Side func(size int) Operation

// Operation does once what is measured, and puts into the reading what it found.
type Operation func(Reading)

const (
	ours = iota
	upstreams
)

var sideNames = [...]string{ours: "ours", upstreams: "upstream"}

func (e Experiment) sides() [2]Side { return [...]Side{ours: e.Ours, upstreams: e.Upstream} }

// Flags are those of a test binary that measures. They are defined by whoever has a report, and not on import.
type Flags struct {
	report      *bool
	only, child *string
}

// NewFlags defines -report, -only and -child.
func NewFlags(set *flag.FlagSet) Flags {
	return Flags{
		report: set.Bool("report", false, "measure, and print the report"),
		only:   set.String("only", "", "with -report: measure only the experiments whose names this regular expression matches"),
		child:  set.String("child", "", "EXPERIMENT/SIDE: be the process of one side; -report starts it"),
	}
}

// Report is the whole of a test that measures all experiments and prints what came out, under lines that say what they are
// about. It skips the test unless -report asks for it. Other tests of the package do not run in the processes that it starts.
func (f Flags) Report(t *testing.T, about string, experiments []Experiment) {
	switch {
	case *f.child != "":
		if err := serve(experiments, *f.child, os.Stdin, os.Stdout); err != nil {
			t.Fatal(err)
		}
	case *f.report:
		fmt.Printf("Ours beside upstream's v%s, on %s.\nMedians of runs by turns, each side in a process of its own, one experiment at a time.\n%s\n",
			common.VerticalPodAutoscalerVersion(), Machine(), about)
		lines, err := measure(t.Name(), experiments, regexp.MustCompile(*f.only))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("\nLoad average at the end, the measuring included: %s. CPU time, allocations and counts hold on a busy machine, too;\n"+
			"time by the clock only on a quiet one.\n\n", Load())
		Print(os.Stdout, lines)
	default:
		t.Skip("it takes minutes: ask for it with -report")
	}
}

// results are the medians, by "EXPERIMENT/MEASURE".
type results map[string][2]*float64

// measure compares the experiments that only matches, and makes the report's lines. The test is the one that serves.
func measure(test string, experiments []Experiment, only *regexp.Regexp) ([]Line, error) {
	found := results{}
	var lines []Line
	for _, e := range experiments {
		if !only.MatchString(e.Name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s: %d runs\n", e.Name, e.Runs)
		if err := e.compare(test, found); err != nil {
			return nil, err
		}
		for _, row := range e.Rows {
			lines = append(lines, found.line(e.Name, row))
		}
	}
	return lines, nil
}

func (r results) line(experiment string, row Row) Line {
	sides := r[experiment+"/"+row.Of]
	l := Line{Row: row, Ours: sides[ours], Other: sides[upstreams]}
	if row.To != "" {
		l.Other = r[row.To][ours]
		l.Silent = l.Silent || l.Other == nil // -only left it out
	}
	return l
}

// compare measures both sides by turns.
func (e Experiment) compare(test string, into results) error {
	var processes [2]*process
	for side, prepare := range e.sides() {
		if prepare == nil {
			continue
		}
		p, err := start(test, e.Name+"/"+sideNames[side])
		if err != nil {
			return err
		}
		defer p.end()
		processes[side] = p
	}
	all := map[string]*[2][]float64{}
	warmUp := min(e.Runs-1, 1)
	for run := range 1 + warmUp + e.Runs {
		for side, p := range processes {
			if p == nil {
				continue
			}
			r, err := p.next(run > 0)
			if err != nil {
				return err
			}
			if run <= warmUp { // the first that is read says that it is prepared
				continue
			}
			for name, value := range r {
				if all[name] == nil {
					all[name] = new([2][]float64)
				}
				all[name][side] = append(all[name][side], value)
			}
		}
	}
	for name, sides := range all {
		into[e.Name+"/"+name] = [2]*float64{median(sides[ours]), median(sides[upstreams])}
	}
	return nil
}

// median is nil if there is nothing.
func median(values []float64) *float64 {
	if len(values) == 0 {
		return nil
	}
	slices.Sort(values)
	return &values[len(values)/2]
}

// Try runs every side of every experiment twice with a size of most, or less, so that a report does not rot.
func Try(t *testing.T, experiments []Experiment, most int) {
	for _, e := range experiments {
		for side, prepare := range e.sides() {
			if prepare == nil {
				continue
			}
			t.Run(e.Name+"/"+sideNames[side], func(t *testing.T) {
				operate := prepare(min(e.Size, most))
				for range 2 {
					r := Reading{}
					operate(r)
					for _, row := range e.Rows {
						if _, found := r[row.Of]; !found {
							t.Errorf("%s wants %q, which was not measured", row.Name, row.Of)
						}
					}
				}
			})
		}
	}
}
