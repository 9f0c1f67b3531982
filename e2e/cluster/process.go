package cluster

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/sartor-vpa/sartor/e2e/cluster/process"
)

// Program says what process to run beside the cluster.
type Program = process.Program

// Process is one that StartProcess started.
type Process = process.Process

// StartProcess runs p until it ends, is stopped, or the cluster is, and returns when p is ready. On
// an error, or when ctx ends before that, it does not run any more.
func (c *Cluster) StartProcess(ctx context.Context, p Program) (*Process, error) {
	return c.startProcess(ctx, p, &c.guests)
}

// Component is a program of the cluster's own, such as "metrics-server", to be paused and resumed; nil if
// it does not run. When it ends the cluster does.
func (c *Cluster) Component(name string) *Process {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.IndexFunc(c.own, func(p *Process) bool { return p.Name() == name }); i >= 0 {
		return c.own[i]
	}
	return nil
}

// start runs a program of the cluster's own, whose unasked end ends the cluster.
func (c *Cluster) start(ctx context.Context, p Program) error {
	if p.Path == "" {
		p.Path = filepath.Join(c.programs, p.Name)
	}
	proc, err := c.startProcess(ctx, p, &c.own)
	if err == nil {
		go func() { // again for one that dies later
			if proc.Unexpected() {
				c.fail(proc.Died())
			}
		}()
	}
	return err
}

// startProcess starts p, enters it in list, and waits until it is ready.
func (c *Cluster) startProcess(ctx context.Context, p Program, list *[]*Process) (*Process, error) {
	if p.Name == "" || filepath.Base(p.Name) != p.Name {
		return nil, fmt.Errorf("a program cannot be named %q: it names files", p.Name)
	}
	proc, err := c.enter(ctx, p, list)
	if err != nil {
		return nil, err
	}
	if err := proc.AwaitReady(ctx, p); err != nil {
		return nil, errors.Join(err, proc.Kill())
	}
	return proc, nil
}

// enter starts p under the lock, so that Stop either sees it or comes first.
func (c *Cluster) enter(ctx context.Context, p Program, list *[]*Process) (*Process, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping {
		return nil, fmt.Errorf("start %s: %w", p.Name, errStopped)
	}
	proc, err := process.Start(ctx, p, c.folder.Logs, c.file("pids"))
	if err == nil {
		*list = append(*list, proc)
	}
	return proc, err
}
