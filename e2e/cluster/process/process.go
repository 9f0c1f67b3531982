package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sartor-vpa/sartor/e2e/cluster/poll"
)

const (
	readyTimeout  = 30 * time.Second      // when a Program names none
	readyInterval = 50 * time.Millisecond // local probes are cheap, and start time counts
	stopGrace     = 15 * time.Second      // from SIGTERM to SIGKILL
	killGrace     = 10 * time.Second      // from SIGKILL to giving up: the kernel itself hangs
)

// Program says what to run.
type Program struct {
	Name string   // names its log and pid files; unique among those that run at the same time
	Path string   // executable
	Args []string // without the program's own name
	Env  []string // NAME=value, added to Environ()

	Ready        func(ctx context.Context) error // polled until it returns nil; nil: ready once started
	ReadyTimeout time.Duration                   // default 30 s
}

// Process is a running Program, or one that has ended.
type Process struct {
	name, log string
	pidFile   string
	cmd       *exec.Cmd
	told      atomic.Bool   // whether Stop or Kill was called: its end is then no surprise
	done      chan struct{} // closed when it has ended
	err       error         // how it ended; read only after done
}

// Start runs p with its output appended to NAME.log in the folder logs and its id in NAME.pid in the
// folder pids. It does not wait for p to be ready, and ctx is only asked before the start.
func Start(ctx context.Context, p Program, logs, pids string) (*Process, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("start %s: %w", p.Name, context.Cause(ctx))
	}
	log, err := os.OpenFile(filepath.Join(logs, p.Name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Name, err)
	}
	defer log.Close() // the child has its own
	cmd := exec.Command(p.Path, p.Args...)
	cmd.Env = Environ(p.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := start(cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Name, err)
	}
	c := &Process{name: p.Name, log: log.Name(), pidFile: filepath.Join(pids, p.Name+".pid"), cmd: cmd, done: make(chan struct{})}
	go c.wait()
	if err := os.WriteFile(c.pidFile, []byte(strconv.Itoa(c.Pid())+"\n"), 0o644); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", p.Name, err), c.Kill())
	}
	return c, nil
}

// wait collects the child's end.
func (c *Process) wait() {
	c.err = c.cmd.Wait()
	close(c.done)
}

// AwaitReady polls p's Ready until it holds, the process has ended, the time is up, or ctx ends.
// Its error carries the log's last lines.
func (c *Process) AwaitReady(ctx context.Context, p Program) error {
	if p.Ready == nil {
		return nil
	}
	limit := p.ReadyTimeout
	if limit == 0 {
		limit = readyTimeout
	}
	err := poll.Within(ctx, limit, readyInterval, func(ctx context.Context) error {
		select {
		case <-c.done:
			return poll.Give(c.Died())
		default:
			return p.Ready(ctx)
		}
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("wait for %s: %w", c.name, err)
	case c.ended():
		return err
	}
	return fmt.Errorf("%s (pid %d) is not ready: %w\n%s", c.name, c.Pid(), err, c.tail())
}

// Pid is the process's id.
func (c *Process) Pid() int { return c.cmd.Process.Pid }

// Name is its Program's.
func (c *Process) Name() string { return c.name }

// LogPath is the file that its output goes to.
func (c *Process) LogPath() string { return c.log }

// Done is closed when the process has ended.
func (c *Process) Done() <-chan struct{} { return c.done }

// Err is how the process ended: nil while it runs and after a clean exit, else an *exec.ExitError.
func (c *Process) Err() error {
	if !c.ended() {
		return nil
	}
	return c.err
}

// Pause stops the process where it is (SIGSTOP), until Resume. Its connections stay, and nobody answers.
func (c *Process) Pause() error { return c.signal(syscall.SIGSTOP) }

// Resume lets a process go on that was paused.
func (c *Process) Resume() error { return c.signal(syscall.SIGCONT) }

// Stop sends SIGTERM and waits for the end. When 15 s have passed, or ctx ends first, it sends
// SIGKILL, and the error says that this was needed. Stopping what has ended does nothing.
func (c *Process) Stop(ctx context.Context) error {
	c.told.Store(true)
	if err := errors.Join(c.signal(syscall.SIGTERM), c.Resume()); err != nil { // paused it would not see the one
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, stopGrace, fmt.Errorf("still running %s after SIGTERM", stopGrace))
	defer cancel()
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("%s had to be killed: %w", c.name, context.Cause(ctx)), c.Kill())
	}
}

// Kill sends SIGKILL and waits for the end.
func (c *Process) Kill() error {
	c.told.Store(true)
	if err := c.signal(syscall.SIGKILL); err != nil {
		return err
	}
	select {
	case <-c.done:
		return nil
	case <-time.After(killGrace):
		return fmt.Errorf("%s (pid %d) does not end though it was sent SIGKILL %s ago", c.name, c.Pid(), killGrace)
	}
}

// signal sends s, unless the process has ended. os.Process knows that by a handle, not by the id,
// so that s never reaches somebody else who got the id since.
func (c *Process) signal(s os.Signal) error {
	if err := c.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%s to %s (pid %d): %w", s, c.name, c.Pid(), err)
	}
	return nil
}

func (c *Process) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}
