package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/sartor-vpa/sartor/e2e/cluster/poll"
	"github.com/sartor-vpa/sartor/e2e/cluster/programs"
	"github.com/sartor-vpa/sartor/e2e/cluster/runs"
)

// Build makes sure that all programs are in the cache, Prometheus and upstream's among them, so that clusters start
// in seconds from then on. w gets a line for every step; nil: silent.
func Build(ctx context.Context, w io.Writer) error {
	say := progress(w)
	for _, build := range []func(context.Context, programs.Say) (string, error){programs.Kubernetes, programs.Prometheus, programs.Upstream} {
		folder, err := build(ctx, say)
		if err != nil {
			return fmt.Errorf("build the cluster's programs: %w", err)
		}
		say("ready: %s", folder)
	}
	return nil
}

// up does the start, step by step; what depends on nothing runs beside the rest.
func (c *Cluster) up(ctx context.Context) error {
	ctx, cancel := c.whileAlive(ctx)
	defer cancel()
	var prometheus string
	var err error
	if c.programs, err = programs.Kubernetes(ctx, c.say); err != nil {
		return err
	}
	if c.options.Prometheus != nil {
		if prometheus, err = programs.Prometheus(ctx, c.say); err != nil {
			return err
		}
	}
	if err := c.fetchNode(ctx); err != nil {
		return err
	}
	if err := c.prepare(ctx); err != nil {
		return err
	}
	return together(ctx,
		func(ctx context.Context) error { return c.startPrometheus(ctx, prometheus) },
		c.startContainerd,
		c.startKubernetes,
	)
}

// prepare makes the run folder, the ports, the keys and the kubeconfigs.
func (c *Cluster) prepare(ctx context.Context) error {
	var err error
	if c.folder, err = runs.Create(ctx, c.options.Name); err != nil {
		return err
	}
	if c.slot, err = runs.Reserve(); err != nil {
		return err
	}
	for _, dir := range []string{"pki", "pids", "kubectl-cache"} {
		if err := os.Mkdir(c.file(dir), 0o700); err != nil {
			return fmt.Errorf("make run folder: %w", err)
		}
	}
	if err := c.writeKeys(); err != nil {
		return err
	}
	return c.connect()
}

// startKubernetes starts the control plane, and beside its later parts the nodes and metrics-server.
func (c *Cluster) startKubernetes(ctx context.Context) error {
	if err := c.startEtcd(ctx); err != nil {
		return err
	}
	if err := c.startAPIServer(ctx); err != nil {
		return err
	}
	c.say("etcd and kube-apiserver ready")
	return together(ctx, c.startControllerManager, c.startScheduler, c.startNodes, c.startNode, c.startMetricsServer)
}

// whileAlive is ctx, ended with the reason when a program of the cluster dies.
func (c *Cluster) whileAlive(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.alive, func() { cancel(context.Cause(c.alive)) })
	return ctx, func() { stop(); cancel(nil) }
}

// together runs the steps at the same time and waits for all; the first that fails ends the others.
func together(ctx context.Context, steps ...func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for _, step := range steps {
		wg.Go(func() {
			if err := step(ctx); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// eventually polls try, and on failure says what it waited for.
func eventually(ctx context.Context, what string, limit time.Duration, try func(context.Context) error) error {
	if err := poll.Within(ctx, limit, 100*time.Millisecond, try); err != nil {
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
			return cause // a program's death, say: why this waited in vain
		}
		return fmt.Errorf("wait for %s: %w", what, err)
	}
	return nil
}

// progress writes lines to w, which is only shown and may fail, each with the seconds since now. Parts that start side by side share it.
func progress(w io.Writer) func(format string, args ...any) {
	if w == nil {
		return func(string, ...any) {}
	}
	var mu sync.Mutex
	began := time.Now()
	return func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = fmt.Fprintf(w, "%6.1fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}
}
