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
	clients, servers := own[min(2, len(own)):], own[:min(2, len(own))]
	err = errors.Join(err, stopAll(clients, ownGrace))
	for i := len(servers) - 1; i >= 0; i-- { // the API server, then etcd
		err = errors.Join(err, stopAll(servers[i:i+1], ownGrace))
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
