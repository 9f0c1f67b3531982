package shards

import (
	"context"
	"slices"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// round renews what is held if it is a full one, looks at all leases, and does what follows from them. It lasts
// half of RenewDeadline at most, so that a call that hangs leaves time for the next renewal.
func (s *Shards) round(ctx context.Context, yields *sync.WaitGroup, full bool) {
	during, cancel := context.WithTimeout(ctx, s.o.RenewDeadline/2)
	defer cancel()
	leases, err := s.renewAndList(during, full)
	s.complain("list", err)
	if err != nil {
		return
	}
	now := s.now()
	s.eyes.look(leases, now)
	v := s.view(now)
	s.endLost(v)
	s.tellMembers(v)
	p := decide(v)
	s.write(during, s.writesOf(p))
	if p.yield >= 0 {
		s.yield(ctx, yields, p.yield)
	}
	if litter := s.eyes.litter(now); litter != nil && s.o.Count > 1 {
		s.complain("delete "+litter.Name, s.delete(during, litter))
	}
}

// renewAndList returns all leases. Those that have been renewed in the meantime are returned as written, but the
// presence only once it is in the list: from then on all see each other. A replica that does not see the leases
// takes none, and so is not present.
func (s *Shards) renewAndList(ctx context.Context, renew bool) (map[string]*coordinationv1.Lease, error) {
	var writes []func(context.Context) result
	if renew {
		for _, shard := range s.owned.held() {
			writes = append(writes, s.hold(shard))
		}
		if s.o.Count > 1 && !s.eyes.blind(s.now()) {
			writes = append(writes, s.showPresence())
		}
	}
	var leases map[string]*coordinationv1.Lease
	var err error
	var listing sync.WaitGroup
	listing.Go(func() { leases, err = s.list(ctx) })
	written := s.write(ctx, writes)
	listing.Wait()
	if err == nil {
		for _, lease := range written {
			if leases[lease.Name] != nil || lease.Name != s.o.presenceName(s.o.Identity) {
				leases[lease.Name] = lease
			}
		}
	}
	return leases, err
}

// list returns the leases of the namespace, or the one that matters.
func (s *Shards) list(ctx context.Context) (map[string]*coordinationv1.Lease, error) {
	found := map[string]*coordinationv1.Lease{}
	if s.o.Count == 1 {
		lease, err := s.leases.Get(ctx, s.o.Name, metav1.GetOptions{})
		if err == nil {
			found[lease.Name] = lease
		}
		return found, ignore(err, apierrors.IsNotFound)
	}
	list, err := s.leases.List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for i := range list.Items {
		found[list.Items[i].Name] = &list.Items[i]
	}
	return found, nil
}

func (s *Shards) view(now time.Time) view {
	replicas := s.eyes.replicas(now)
	v := view{
		me: s.o.Identity, count: s.o.Count, now: now, settle: s.o.LeaseDuration,
		shards:   make([]standing, s.o.Count),
		replicas: replicas, led: s.eyes.led(now), contested: s.eyes.contested(replicas, now),
		yielding: s.yielding,
	}
	for i := range v.shards {
		v.shards[i] = standing{holder: s.eyes.holder(s.o.shardName(i), now), owned: s.owned.owns(i)}
	}
	return v
}

// endLost ends work on shards whose lease somebody has given to another, or to nobody, by hand.
func (s *Shards) endLost(v view) {
	for i, standing := range v.shards {
		if standing.owned && standing.holder != v.me {
			s.owned.end(i, "Lost a shard, its lease was taken away", "holder", standing.holder)
		}
	}
}

func (s *Shards) tellMembers(v view) {
	members := v.members()
	slices.Sort(members)
	if s.o.Count > 1 && !slices.Equal(members, s.members) {
		s.members = members
		s.log.Info("The replicas that share the shards have changed", "replicas", members, "otherCountOfShards", v.rivals())
	}
}

// yield gives the shard up in the background; it is renewed until that is done.
func (s *Shards) yield(ctx context.Context, yields *sync.WaitGroup, shard int) {
	s.yielding = shard
	held := s.owned.whileHeld(ctx, shard)
	s.log.Info("Giving up a shard, another replica shall have it", "shard", shard)
	yields.Go(func() {
		if s.o.Yield != nil && held.Err() == nil {
			s.o.Yield(held, shard)
		}
		s.yielded <- shard
	})
}
