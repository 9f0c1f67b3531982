// Package detach keeps a supervisor running after the command that started it has returned:
// `make demo-up` starts one, `make demo-down` stops it.
//
//	parent: detach.Start(ctx, "demo", []string{"demo", "serve"}, os.Stdout)
//	child:  ...bring everything up...; detach.Ready(); <-ctx.Done(); ...take it down...
//
// The child is this same executable in a session of its own, so that closing the terminal does not
// end it. It holds a lock for as long as it lives, by which the others know it. All this is in
//
//	CACHE/detached/NAME.lock   locked by the child; holds its process id
//	CACHE/detached/NAME.log    its output
package detach

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sartor-vpa/sartor/e2e/cluster/cache"
)

const (
	// endGrace is how long a child told to end (SIGTERM) may take down what it runs, before SIGKILL.
	endGrace = time.Minute
	// askTime is longer than Running can hold a lock.
	askTime = 500 * time.Millisecond
)

// Start runs this executable again with args, detached, under name. It returns when the child has
// called Ready, or with an error when the child died before. When ctx ends first, the child is ended
// too. Until it returns, what the child writes is shown on w.
func Start(ctx context.Context, name string, args []string, w io.Writer) error {
	p, err := pathsOf(name)
	if err != nil {
		return err
	}
	lock, err := takeLock(ctx, name, p)
	if err != nil {
		return err
	}
	defer lock.Free() // the child holds it on
	child, err := launch(p, lock, args)
	if err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	defer child.ready.Close()
	if err := child.await(ctx, w); err != nil {
		return fmt.Errorf("start %s: %w (its output: %s)", name, err, p.log)
	}
	return nil
}

// takeLock takes the lock of a name that nothing runs under.
func takeLock(ctx context.Context, name string, p paths) (*cache.Lock, error) {
	// Who only asks whether something runs holds the lock for a moment: wait longer than that.
	waiting, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	lock, err := cache.WaitLock(waiting, p.lock)
	if err == nil || ctx.Err() != nil || waiting.Err() == nil {
		return lock, err
	}
	pid, _ := Running(name)
	return nil, fmt.Errorf("%s is already running (pid %d): stop it first", name, pid)
}

// child is one that Start has launched.
type child struct {
	process *os.Process
	log     string
	ready   *os.File    // one byte when it is ready, the end of file when it died
	ended   <-chan exit // has one value, when it has ended
}

// exit is how a child ended: nil for status 0.
type exit struct{ err error }

// launch starts the child with the lock and the writing end of the ready pipe as its files 3 and 4.
func launch(p paths, lock *cache.Lock, args []string) (*child, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	ready, readyWriter, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer readyWriter.Close()
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), variable+"=1")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{lock.File(), readyWriter}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		_ = ready.Close()
		return nil, err
	}
	ended := make(chan exit, 1)
	go func() { ended <- exit{cmd.Wait()} }()
	return &child{cmd.Process, p.log, ready, ended}, nil
}

// await waits for the child's word or its end, showing its output on w.
func (c *child) await(ctx context.Context, w io.Writer) error {
	relay := startRelay(c.log, w)
	defer relay.stop()
	said := make(chan bool, 1)
	go func() {
		n, _ := c.ready.Read(make([]byte, 1))
		said <- n == 1
	}()
	select {
	case ready := <-said:
		if ready {
			return nil
		}
		return c.gone()
	case <-ctx.Done():
		return errors.Join(context.Cause(ctx), c.end())
	}
}

// gone waits for the end of a child that has closed its pipe without a word.
func (c *child) gone() error {
	select {
	case how := <-c.ended:
		if how.err == nil {
			return errors.New("it ended before it was ready")
		}
		return fmt.Errorf("it ended before it was ready: %w", how.err)
	case <-time.After(endGrace):
		return errors.Join(errors.New("it gave up, but does not end"), c.process.Kill())
	}
}

// end ends the child as an interrupted Start must: it has things to take down.
func (c *child) end() error {
	if err := c.process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-c.ended:
		return nil
	case <-time.After(endGrace):
		return errors.Join(fmt.Errorf("it had to be killed, %s after SIGTERM", endGrace), c.process.Kill())
	}
}

// paths are the files of one name.
type paths struct{ lock, log string }

func pathsOf(name string) (paths, error) {
	if name == "" || strings.ContainsAny(name, "/ \n") {
		return paths{}, fmt.Errorf("nothing can run detached as %q: it names files", name)
	}
	dir, err := cache.Sub("detached")
	if err != nil {
		return paths{}, err
	}
	return paths{lock: filepath.Join(dir, name+".lock"), log: filepath.Join(dir, name+".log")}, nil
}
