package shards

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
)

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
