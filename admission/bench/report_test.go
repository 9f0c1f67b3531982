package bench

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
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
//	go test ./admission/bench -run '^TestReport$' -count=1 -timeout 30m -v -report
func TestReport(t *testing.T) {
	switch {
	case *child != "":
		require.NoError(t, serve(*child, os.Stdin, os.Stdout))
	case *report:
		only, found := regexp.MustCompile(*only), results{}
		for _, e := range experiments() {
			if only.MatchString(e.name) {
				require.NoError(t, e.compare(found))
			}
		}
		print(os.Stdout, rows(), found)
	default:
		t.Skip("it takes minutes: ask for it with -report")
	}
}

const (
	ours = iota
	upstreams
)

var sideNames = [...]string{ours: "ours", upstreams: "upstream"}

// experiment is something that both sides do, each in a process of its own, so that neither collects the other's garbage.
type experiment struct {
	name string
	// runs is how often each side is measured, by turns; the medians count. One run before them warms up.
	runs int
	// prepare returns what is measured once; nil where a side has no part.
	prepare [2]func() operation
}

// operation measures once.
type operation func() reading

// reading is what was measured, by name.
type reading map[string]float64

// results are the medians, by "EXPERIMENT/MEASURE".
type results map[string][2]*float64

// compare measures both sides by turns.
func (e experiment) compare(into results) error {
	fmt.Fprintf(os.Stderr, "%s: %d runs\n", e.name, e.runs)
	var processes [2]*process
	for side, prepare := range e.prepare {
		if prepare == nil {
			continue
		}
		p, err := start(e.name + "/" + sideNames[side])
		if err != nil {
			return err
		}
		defer p.end()
		processes[side] = p
	}
	all := map[string]*[2][]float64{}
	for run := range 1 + e.runs {
		for side, p := range processes {
			if p == nil {
				continue
			}
			r, err := p.next()
			if err != nil {
				return err
			}
			for measure, value := range r {
				name := e.name + "/" + measure
				if all[name] == nil {
					all[name] = new([2][]float64)
				}
				if run > 0 || e.runs == 1 {
					all[name][side] = append(all[name][side], value)
				}
			}
		}
	}
	for name, sides := range all {
		var medians [2]*float64
		for side, values := range sides {
			if slices.Sort(values); len(values) > 0 {
				medians[side] = &values[len(values)/2]
			}
		}
		into[name] = medians
	}
	return nil
}

// serve is one side's process: it answers each line with a reading.
func serve(name string, in io.Reader, out io.Writer) error {
	for _, e := range experiments() {
		for side, prepare := range e.prepare {
			if prepare == nil || name != e.name+"/"+sideNames[side] {
				continue
			}
			operate, answers := prepare(), json.NewEncoder(out)
			for requests := bufio.NewScanner(in); requests.Scan(); {
				if err := answers.Encode(operate()); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return fmt.Errorf("there is no side %q", name)
}

// process is a side at work.
type process struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Scanner
}

func start(name string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "-test.run=^TestReport$", "-test.timeout=0", "-child="+name)
	cmd.Stderr = os.Stderr
	p := &process{name: name, cmd: cmd}
	if p.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewScanner(out)
	return p, cmd.Start()
}

func (p *process) next() (r reading, err error) {
	if _, err := fmt.Fprintln(p.in); err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	for p.out.Scan() {
		if text := p.out.Text(); strings.HasPrefix(text, "{") {
			return r, json.Unmarshal([]byte(text), &r)
		}
	}
	return nil, fmt.Errorf("%s ended before it answered: %w", p.name, p.cmd.Wait())
}

// end lets the process end: there is no more to read.
func (p *process) end() {
	p.in.Close()
	for p.out.Scan() { // the test binary says that it passed
	}
	_ = p.cmd.Wait() // it was told by next
}

// need ends a side that cannot go on: what it would measure would mean nothing.
func need(err error) {
	if err != nil {
		panic(err)
	}
}
