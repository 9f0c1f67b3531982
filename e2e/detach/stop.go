package detach

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sartor-vpa/sartor/e2e/cluster/cache"
	"github.com/sartor-vpa/sartor/e2e/cluster/poll"
)

// Running is the process id of what runs under name; ok is false when nothing does.
func Running(name string) (pid int, ok bool) {
	p, err := pathsOf(name)
	if err != nil {
		return 0, false
	}
	pid, err = p.owner()
	return pid, err == nil
}

// errNotRunning is owner's answer when nobody holds the lock.
var errNotRunning = errors.New("not running")

// owner is the process id of the lock's holder. The lock proves that it lives: an id alone may by
// now be somebody else's.
func (p paths) owner() (int, error) {
	lock, free, err := cache.TryLock(p.lock)
	switch {
	case err != nil:
		return 0, err
	case free:
		lock.Free()
		return 0, errNotRunning
	}
	text, err := os.ReadFile(p.lock)
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("%s is locked, but holds no process id: %w", p.lock, err)
	}
	return pid, nil
}

// Stop tells what runs under name to end (SIGTERM) and waits until it has, for a minute at most, then
// kills it. That nothing runs is no error; ask Running before to know.
func Stop(ctx context.Context, name string) error {
	p, err := pathsOf(name)
	if err != nil {
		return err
	}
	process, err := p.find(ctx)
	if errors.Is(err, errNotRunning) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("stop %s: %w", name, err)
	}
	defer func() { _ = process.Release() }()
	if err := p.end(ctx, process, syscall.SIGTERM, endGrace); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("stop %s (pid %d): %w", name, process.Pid, err)
		}
		return errors.Join(
			fmt.Errorf("%s (pid %d) had to be killed: %w", name, process.Pid, err),
			p.end(ctx, process, syscall.SIGKILL, endGrace),
		)
	}
	return nil
}

// find is a handle of the lock's holder. The holder may have just begun, and not written its id yet.
func (p paths) find(ctx context.Context) (*os.Process, error) {
	var process *os.Process
	err := poll.Within(ctx, 5*time.Second, 50*time.Millisecond, func(context.Context) error {
		pid, err := p.owner()
		if errors.Is(err, errNotRunning) {
			return poll.Give(err)
		}
		if err != nil {
			return err
		}
		process, err = os.FindProcess(pid)
		if err != nil {
			return err
		}
		// Asked again once we have the handle: that the holder still lives proves that it is the holder's.
		if again, err := p.owner(); err != nil || again != pid {
			return errors.Join(fmt.Errorf("pid %d ended meanwhile", pid), err)
		}
		return nil
	})
	return process, err
}

// end sends the signal and waits until the lock is free, which is when the process has ended.
func (p paths) end(ctx context.Context, process *os.Process, signal os.Signal, limit time.Duration) error {
	if err := process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return poll.Within(ctx, limit, 50*time.Millisecond, func(context.Context) error {
		pid, err := p.owner()
		switch {
		case errors.Is(err, errNotRunning):
			return nil
		case err != nil:
			return poll.Give(err)
		}
		return fmt.Errorf("pid %d still runs", pid)
	})
}
