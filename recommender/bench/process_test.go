package bench

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// serve is one side's process: it prepares, and answers each line with a reading.
func serve(name string, in io.Reader, out io.Writer) error {
	operate, err := prepare(name)
	if err != nil {
		return err
	}
	answers := json.NewEncoder(out)
	if err := answers.Encode(reading{}); err != nil {
		return err
	}
	for requests := bufio.NewScanner(in); requests.Scan(); {
		var m meter
		operate(&m)
		if err := answers.Encode(m.reading); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes the side that a name like "live-decode/ours" stands for.
func prepare(name string) (operation, error) {
	for _, e := range experiments() {
		for side, prepare := range e.sides() {
			if prepare != nil && name == e.name+"/"+sideNames[side] {
				return prepare(e.vpas), nil
			}
		}
	}
	return nil, fmt.Errorf("there is no side %q", name)
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

// next is the next reading, which is asked for unless it comes by itself.
func (p *process) next(ask bool) (r reading, err error) {
	if ask {
		if _, err := fmt.Fprintln(p.in); err != nil {
			return r, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	for p.out.Scan() {
		if text := p.out.Text(); strings.HasPrefix(text, "{") {
			return r, json.Unmarshal([]byte(text), &r)
		}
	}
	return r, fmt.Errorf("%s ended before it answered: %w", p.name, p.cmd.Wait())
}

// end lets the process end: there is no more to read.
func (p *process) end() {
	p.in.Close()
	for p.out.Scan() { // the test binary says that it passed
	}
	_ = p.cmd.Wait() // it was told by next
}
