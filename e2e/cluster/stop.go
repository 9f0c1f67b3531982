package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sartor-vpa/sartor/e2e/cluster/process"
)

// How long programs get from SIGTERM to SIGKILL. Guests may have something to finish, a webhook its
// drain, a recommender its checkpoints; of the cluster's own programs nothing is wanted any more.
const (
	guestGrace = 30 * time.Second
	ownGrace   = 5 * time.Second
	// Pods of a real node run until the namespaces end, and their watches would keep the API server.
	nodeGrace = 500 * time.Millisecond
)

// Stop ends every program and removes the run folder. First go those that StartProcess started,
// while the API still answers them; etcd goes last. A second call does nothing but tell the same.
func (c *Cluster) Stop() error {
	c.stop.Do(func() { c.stopError = c.down() })
	return c.stopError
}

func (c *Cluster) down() error {
	c.mu.Lock()
	c.stopping = true // from here on nothing new is started
	guests, own, keepLogs := c.guests, c.own, c.keepLogs
	c.mu.Unlock()

	err := stopAll(guests, guestGrace)
	c.fail(errStopped) // after the guests: their end is not the cluster's
	grace := ownGrace
	if c.options.Node != nil {
		grace = nodeGrace
	}
	for _, stage := range inOrder(own) {
		err = errors.Join(err, stopAll(stage, grace))
	}
	if c.slot != nil {
		c.slot.Free()
	}
	if c.folder != nil { // else the start failed before there was anything
		err = errors.Join(err, c.folder.Remove(keepLogs))
		c.say("cluster stopped")
	}
	if err != nil {
		return fmt.Errorf("stop cluster: %w", err)
	}
	return nil
}

// inOrder is in which order the cluster's programs stop: first those that call the API server, then it, then etcd.
func inOrder(own []*process.Process) [3][]*process.Process {
	var stages [3][]*process.Process
	for _, p := range own {
		stage := 0
		switch p.Name() {
		case apiServer:
			stage = 1
		case "etcd":
			stage = 2
		}
		stages[stage] = append(stages[stage], p)
	}
	return stages
}

// stopAll stops the processes at the same time. That one had to be killed is no error: it is gone.
func stopAll(ps []*process.Process, grace time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	errs := make([]error, len(ps))
	var wg sync.WaitGroup
	for i, p := range ps {
		wg.Go(func() {
			if err := p.Stop(ctx); err != nil {
				errs[i] = p.Kill()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
