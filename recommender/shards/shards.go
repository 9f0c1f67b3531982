// Package shards says which replica works on which VPAs. The VPAs are split into shards, each shard has a lease
// (coordination.k8s.io), and who holds the lease works on the shard. Replicas share the shards evenly and take
// over those of replicas that are gone. One shard is plain leader election: one works, the others stand by.
//
// A lease means here what it means to client-go's leaderelection, so that the two can stand for the same one.
// Two things are stricter. A holder ends by its own clock (Shards.Owns), whatever hangs. And nobody writes
// or releases a lease but in the version that it has read, so that nobody ends another's term.
//
// Each round, which is each retry period, a replica renews the leases that it holds and its presence, which is one
// more lease, and lists all. From the list each replica computes the same assignment (decide), so that they do not
// fight: shards that nobody holds are taken by those to whom they fall; who holds more than its part gives it up.
//
// What it costs the API server, for each replica: one list, one write for each shard held and one for the presence
// in a retry period, and one list more when a lease runs out or is given up. With one shard there is no presence,
// and a get of the one lease in place of the list.
//
// Replicas with different counts of shards would split the VPAs in different ways. They do not work side by side:
// the count of the replica that is there for longest holds, and others wait until those with that count are gone.
// A replica with one shard sees no others, but those with more give way to it: within a retry period and the time that
// they need to save. Nor is anything known of a lease that somebody deletes while its holder cannot renew it, to a
// replica that starts just then.
package shards

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/validation"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
)

// Options say whose the leases are, and for how long.
type Options struct {
	// Count is the number of shards, at least 1.
	Count int
	// Namespace and Name are those of the lease. A shard's has -shard-0 and so on at the end if there are several.
	Namespace, Name string
	// Identity is this replica's: its host's name and a random part. No two replicas may have the same.
	Identity string
	// LeaseDuration is how long after its last renewal a lease is free to be taken. It is written into the lease in
	// whole seconds, rounded up.
	LeaseDuration time.Duration
	// RenewDeadline is how long after the start of the last renewal a shard is owned; shorter than LeaseDuration.
	// No call to the API server lasts longer than half of it.
	RenewDeadline time.Duration
	// RetryPeriod is the time between two renewals; 1.2 times as long is shorter than RenewDeadline.
	RetryPeriod time.Duration
	// Yield is called before a shard is given up in good order: another replica shall have it. It saves what is
	// unsaved of the shard and returns when nothing more will be written for it; the shard is owned until then.
	// Its context ends when the shard is lost meanwhile or the process ends; it must return then. Afterwards the shard may
	// come back like any other. One shard is given up at a time. It is not called at the end of the process. May be nil.
	Yield func(ctx context.Context, shard int)
}

func (o Options) validate() error {
	longest := o.Name + presenceInfix + strings.Repeat("0", 2*presenceBytes)
	for _, c := range []struct {
		ok    bool
		field string
		value any
		must  string
	}{
		{o.Count >= 1, "Count", o.Count, "must be at least 1"},
		{o.Namespace != "", "Namespace", o.Namespace, "must be the leases' namespace"},
		{len(validation.IsDNS1123Subdomain(longest)) == 0, "Name", o.Name, "must be a name (small letters, digits, - and .) that leaves room for a suffix"},
		{o.Identity != "", "Identity", o.Identity, "must tell this replica from all others"},
		{o.RetryPeriod > 0, "RetryPeriod", o.RetryPeriod, "must be longer than 0"},
		{o.RenewDeadline > o.RetryPeriod+o.RetryPeriod/5, "RenewDeadline", o.RenewDeadline, "must be longer than 1.2 times RetryPeriod"},
		{o.LeaseDuration > o.RenewDeadline, "LeaseDuration", o.LeaseDuration, "must be longer than RenewDeadline"},
	} {
		if !c.ok {
			return fmt.Errorf("%s=%v: %s", c.field, c.value, c.must)
		}
	}
	return nil
}

// Shards holds the leases of this replica's shards. Run has to be running; the other methods may be called at any time.
type Shards struct {
	o      Options
	leases coordinationv1client.LeaseInterface
	now    func() time.Time
	log    logr.Logger
	owned  *ownership
	// yielded has the shard for which Yield has returned.
	yielded chan int

	// What follows belongs to Run's goroutine.

	eyes eyes
	// yielding is the shard for which Yield is called and has not returned; -1 if there is none.
	yielding int
	// members are the replicas that shared the shards at last, to see when that changes.
	members []string
	// failing are the calls, by what they are for, whose last attempt failed.
	failing map[string]bool
}

// New returns shards of which none is owned until Run runs. The client's own limit of queries must leave
// room for the rate that the package's comment says. The clock is time.Now, whose readings are monotonic; another's
// time is never compared with it.
func New(o Options, client coordinationv1client.LeasesGetter, now func() time.Time, log logr.Logger) (*Shards, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("shards: %w", err)
	}
	return &Shards{
		o: o, leases: client.Leases(o.Namespace), now: now, log: log,
		owned:   newOwnership(o.Count, now, log),
		yielded: make(chan int, 1), yielding: -1,
		eyes:    eyes{o: o, sights: map[string]*sight{}},
		failing: map[string]bool{},
	}, nil
}

// Owns is true while this replica, and no other, works on the shard. It is false from RenewDeadline after the start
// of the last renewal on, by this replica's own clock: before any other may take the lease, whatever the API server
// does. So ask again before each write. It takes some nanoseconds and is safe for concurrent use.
func (s *Shards) Owns(shard int) bool { return s.owned.owns(shard) }

// Held returns the shards that are owned, in order.
func (s *Shards) Held() []int { return s.owned.held() }

// Changed has a value after Owns has changed for any shard. Changes that nobody has fetched are one value, so that
// a shard may have been lost and be back.
func (s *Shards) Changed() <-chan struct{} { return s.owned.changed }

// Run takes, renews and takes over leases until ctx ends. Then no shard is owned, and what was held is released, so
// that others take it with their next round: nothing may be written for any shard when ctx ends. Trouble with the API
// server never ends it. Run is called once.
func (s *Shards) Run(ctx context.Context) error {
	yields := &sync.WaitGroup{}
	s.eyes.looked = s.now()
	for ctx.Err() == nil {
		began := s.now()
		s.round(ctx, yields, true)
		s.rest(ctx, yields, began.Add(s.o.RetryPeriod))
	}
	s.owned.endAll("Ended work on a shard")
	yields.Wait()
	if err := s.retire(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("releasing the leases in namespace %s; they run out within %s: %w", s.o.Namespace, s.o.LeaseDuration, err)
	}
	return nil
}

// rest waits for the next full round. When a lease runs out or a shard has been given up before, it looks around at
// once.
func (s *Shards) rest(ctx context.Context, yields *sync.WaitGroup, next time.Time) {
	for {
		now, wake := s.now(), next
		if end, ok := s.eyes.firstEnd(now); ok && end.Before(next) {
			wake = end
		}
		// A clock that is slower than the timer's would have it look over and over.
		timer := time.NewTimer(max(wake.Sub(now), s.o.RetryPeriod/20))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case shard := <-s.yielded:
			timer.Stop()
			s.yielding = -1
			s.owned.end(shard, "Gave up a shard")
		case <-timer.C:
		}
		if !s.now().Before(next) {
			return
		}
		s.round(ctx, yields, false)
	}
}

// complain logs a call's first failure, and its first success after that.
func (s *Shards) complain(call string, err error) {
	switch {
	case errors.Is(err, context.Canceled):
	case err != nil && !s.failing[call]:
		s.failing[call] = true
		s.log.Error(err, "A call for the leases fails and is repeated", "call", call)
	case err == nil && s.failing[call]:
		delete(s.failing, call)
		s.log.Info("A call for the leases succeeds again", "call", call)
	}
}
