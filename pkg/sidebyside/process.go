package sidebyside

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// serve is one side's process: it prepares, says so with an empty reading, and answers each line with a reading.
func serve(experiments []Experiment, name string, in io.Reader, out io.Writer) error {
	operate, err := prepare(experiments, name)
	if err != nil {
		return err
	}
	answers := json.NewEncoder(out)
	if err := answers.Encode(Reading{}); err != nil {
		return err
	}
	for requests := bufio.NewScanner(in); requests.Scan(); {
		r := Reading{}
		operate(r)
		if err := answers.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes the side that a name like "live-decode/ours" stands for.
func prepare(experiments []Experiment, name string) (Operation, error) {
	for _, e := range experiments {
		for side, prepare := range e.sides() {
			if prepare != nil && name == e.Name+"/"+sideNames[side] {
				return prepare(e.Size), nil
			}
		}
	}
	return nil, fmt.Errorf("-child=%s: there is no such side", name)
}

// process is a side at work.
type process struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Scanner
}

// start runs this binary again, with that test alone.
func start(test, name string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "-test.run=^"+test+"$", "-test.timeout=0", "-child="+name)
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
func (p *process) next(ask bool) (r Reading, err error) {
	if ask {
		if _, err := fmt.Fprintln(p.in); err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	var said []string
	for p.out.Scan() {
		text := p.out.Text()
		if strings.HasPrefix(text, "{") {
			return r, json.Unmarshal([]byte(text), &r)
		}
		said = append(said, text)
	}
	return nil, fmt.Errorf("%s ended before it answered: %w\n%s", p.name, p.cmd.Wait(), strings.Join(said, "\n"))
}

// end lets the process end: there is no more to read.
func (p *process) end() {
	p.in.Close()
	for p.out.Scan() { // the test binary says that it passed
	}
	_ = p.cmd.Wait() // it was told by next
}
