package shards

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
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

// server keeps leases as an API server does: a write counts only for the version that it was made from.
type server struct {
	mu            sync.Mutex
	leases        map[string]*coordinationv1.Lease
	version       int
	reads, writes int
	// written is called after each write.
	written func()
}

var resource = schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}

func (s *server) list() []coordinationv1.Lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	var all []coordinationv1.Lease
	for _, lease := range s.leases {
		all = append(all, *lease.DeepCopy())
	}
	return all
}

// get returns a copy; nil if there is none.
func (s *server) get(name string) *coordinationv1.Lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	return s.leases[name].DeepCopy()
}

// names are those of all leases.
func (s *server) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.leases))
}

// calls returns how many reads and writes there were since the last time.
func (s *server) calls() (reads, writes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	reads, writes = s.reads, s.writes
	s.reads, s.writes = 0, 0
	return reads, writes
}

func (s *server) put(lease *coordinationv1.Lease, create bool) (*coordinationv1.Lease, error) {
	defer s.written()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	old := s.leases[lease.Name]
	switch {
	case create && old != nil:
		return nil, apierrors.NewAlreadyExists(resource, lease.Name)
	case !create && (old == nil || old.UID != lease.UID || old.ResourceVersion != lease.ResourceVersion):
		return nil, apierrors.NewConflict(resource, lease.Name, errors.New("another version"))
	}
	lease = lease.DeepCopy()
	s.version++
	lease.ResourceVersion = strconv.Itoa(s.version)
	if create {
		lease.UID, lease.CreationTimestamp = types.UID(lease.ResourceVersion), metav1.NewTime(time.Now().Truncate(time.Second))
	}
	s.leases[lease.Name] = lease
	return lease.DeepCopy(), nil
}

func (s *server) delete(name string, p *metav1.Preconditions) error {
	defer s.written()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	old := s.leases[name]
	switch {
	case old == nil:
		return apierrors.NewNotFound(resource, name)
	case p != nil && (*p.UID != old.UID || *p.ResourceVersion != old.ResourceVersion):
		return apierrors.NewConflict(resource, name, errors.New("another version"))
	}
	delete(s.leases, name)
	return nil
}

// link is a replica's way to the API server, with its troubles.
type link struct {
	coordinationv1client.LeaseInterface
	server *server

	mu sync.Mutex
	// cut calls hang until they time out, failing ones fail at once, deaf ones do their work and hang then.
	// To a blind one lists fail.
	cut, failing, deaf, blind bool
	// delay is how long a call takes, half of it before it does its work.
	delay time.Duration
}

func (l *link) Leases(string) coordinationv1client.LeaseInterface { return l }

func (l *link) set(change func(*link)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l)
}

func call[T any](ctx context.Context, l *link, work func() (T, error)) (none T, _ error) {
	l.mu.Lock()
	cut, failing, deaf, delay := l.cut, l.failing, l.deaf, l.delay
	l.mu.Unlock()
	switch {
	case failing:
		return none, apierrors.NewInternalError(errors.New("no way"))
	case cut:
		<-ctx.Done()
		return none, ctx.Err()
	}
	if !pause(ctx, delay/2) {
		// What is on its way arrives whether the caller waits or not.
		time.AfterFunc(delay/2, func() { _, _ = work() })
		return none, ctx.Err()
	}
	got, err := work()
	if deaf {
		<-ctx.Done()
	}
	if !pause(ctx, delay/2) {
		return none, ctx.Err()
	}
	return got, err
}

// pause is false if ctx ended before.
func pause(ctx context.Context, d time.Duration) bool {
	if d == 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}

func (l *link) Get(ctx context.Context, name string, _ metav1.GetOptions) (*coordinationv1.Lease, error) {
	return call(ctx, l, func() (*coordinationv1.Lease, error) {
		lease := l.server.get(name)
		if lease == nil {
			return nil, apierrors.NewNotFound(resource, name)
		}
		return lease, nil
	})
}

func (l *link) List(ctx context.Context, _ metav1.ListOptions) (*coordinationv1.LeaseList, error) {
	return call(ctx, l, func() (*coordinationv1.LeaseList, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.blind {
			return nil, apierrors.NewForbidden(resource, "", errors.New("no rights"))
		}
		return &coordinationv1.LeaseList{Items: l.server.list()}, nil
	})
}

func (l *link) Create(ctx context.Context, lease *coordinationv1.Lease, _ metav1.CreateOptions) (*coordinationv1.Lease, error) {
	return call(ctx, l, func() (*coordinationv1.Lease, error) { return l.server.put(lease, true) })
}

func (l *link) Update(ctx context.Context, lease *coordinationv1.Lease, _ metav1.UpdateOptions) (*coordinationv1.Lease, error) {
	return call(ctx, l, func() (*coordinationv1.Lease, error) { return l.server.put(lease, false) })
}

func (l *link) Delete(ctx context.Context, name string, o metav1.DeleteOptions) error {
	_, err := call(ctx, l, func() (struct{}, error) { return struct{}{}, l.server.delete(name, o.Preconditions) })
	return err
}
