package shards

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
)

// The tests run in synctest's bubbles, with upstream's times: a minute takes no time.
const (
	leaseDuration, renewDeadline, retryPeriod = 15 * time.Second, 10 * time.Second, 2 * time.Second
	// tick is how often the owners are looked at.
	tick = 50 * time.Millisecond
	// balance is how long replicas may take to have their parts.
	balance = 4 * leaseDuration
)

// world is an API server and the replicas that use it. It sees to it that no VPA ever has two owners.
type world struct {
	server server

	mu       sync.Mutex
	replicas []*runner
	doubles  []string
	// overlap is set while different splits may be at work.
	overlap bool
}

var discard = logr.Discard()

func newWorld(t *testing.T) *world {
	w := &world{}
	w.server.leases = map[string]*coordinationv1.Lease{}
	w.server.written = w.look
	done := make(chan struct{})
	go func() {
		for ticker := time.NewTicker(tick); ; {
			select {
			case <-done:
				ticker.Stop()
				return
			case <-ticker.C:
				w.look()
			}
		}
	}()
	t.Cleanup(func() {
		for _, r := range slices.Clone(w.replicas) {
			r.kill()
		}
		close(done)
		require.Empty(t, w.doubles)
	})
	return w
}

// look notes whoever owns what another owns.
func (w *world) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	owners := map[[2]int]string{}
	splits := map[int]string{}
	for _, r := range w.replicas {
		for _, shard := range r.shards.Held() {
			key := [2]int{shard, r.shards.o.Count}
			if other, ok := owners[key]; ok {
				w.double("shard %d of %d: %s and %s", shard, r.shards.o.Count, other, r.id)
			}
			owners[key] = r.id
			splits[r.shards.o.Count] = r.id
		}
	}
	if len(splits) > 1 && !w.overlap {
		w.double("different splits: %v", splits)
	}
}

func (w *world) double(format string, args ...any) {
	if len(w.doubles) < 5 {
		w.doubles = append(w.doubles, time.Now().Format("04:05.000 ")+fmt.Sprintf(format, args...))
	}
}

// owners is who owns each shard; empty for nobody.
func (w *world) owners(count int) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	owners := make([]string, count)
	for _, r := range w.replicas {
		if r.shards.o.Count == count {
			for _, shard := range r.shards.Held() {
				owners[shard] = r.id
			}
		}
	}
	return owners
}

// shared is true if all shards are owned, and each of the replicas has its part.
func (w *world) shared(count int, replicas ...*runner) bool {
	total := 0
	for _, r := range replicas {
		held := len(r.shards.Held())
		total += held
		if held < count/len(replicas) || held > (count+len(replicas)-1)/len(replicas) {
			return false
		}
	}
	return total == count
}

// within waits until the condition holds, and fails after the time. It returns how long it took.
func within(t *testing.T, limit time.Duration, what string, condition func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !condition() {
		if time.Since(began) > limit {
			require.FailNow(t, "not in time", "%s, in %s", what, limit)
		}
		time.Sleep(tick)
	}
	return time.Since(began)
}

// during sees to it that the condition holds for the whole time.
func during(t *testing.T, whole time.Duration, what string, condition func() bool) {
	t.Helper()
	for began := time.Now(); time.Since(began) < whole; time.Sleep(tick) {
		require.True(t, condition(), "%s, after %s", what, time.Since(began))
	}
}

// runner is a replica that runs.
type runner struct {
	id     string
	world  *world
	shards *Shards
	link   *link
	cancel context.CancelFunc
	// ended is closed when Run has returned err.
	ended chan struct{}
	err   error

	mu      sync.Mutex
	yielded []int
}

func options(id string, count int) Options {
	return Options{Count: count, Namespace: "vpa", Name: "vpa-recommender-lease", Identity: id,
		LeaseDuration: leaseDuration, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod}
}

// start runs a replica. Its Yield counts.
func (w *world) start(t *testing.T, id string, count int, change ...func(*Options)) *runner {
	return w.startWithClock(t, id, count, time.Now, change...)
}

func (w *world) startWithClock(t *testing.T, id string, count int, now func() time.Time, change ...func(*Options)) *runner {
	t.Helper()
	r := &runner{id: id, world: w, link: &link{server: &w.server}, ended: make(chan struct{})}
	o := options(id, count)
	o.Yield = func(_ context.Context, shard int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.yielded = append(r.yielded, shard)
		if !r.shards.Owns(shard) {
			panic("not owned while it is yielded")
		}
	}
	for _, c := range change {
		c(&o)
	}
	var err error
	r.shards, err = New(o, r.link, now, discard)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	w.mu.Lock()
	w.replicas = append(w.replicas, r)
	w.mu.Unlock()
	go func() {
		defer close(r.ended)
		r.err = r.shards.Run(ctx)
	}()
	return r
}

// kill ends the replica without a word to the API server: nothing that it does counts any more.
func (r *runner) kill() {
	r.world.mu.Lock()
	before := len(r.world.replicas)
	r.world.replicas = slices.DeleteFunc(r.world.replicas, func(o *runner) bool { return o == r })
	running := len(r.world.replicas) < before
	r.world.mu.Unlock()
	if running {
		r.link.set(func(l *link) { l.cut, l.failing = false, true })
		r.cancel()
		<-r.ended
	}
}

// stop ends the replica in good order.
func (r *runner) stop() error {
	r.cancel()
	<-r.ended
	r.world.mu.Lock()
	defer r.world.mu.Unlock()
	r.world.replicas = slices.DeleteFunc(r.world.replicas, func(o *runner) bool { return o == r })
	return r.err
}

func (r *runner) yields() []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.yielded)
}
