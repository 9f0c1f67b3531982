package shards

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// result is what became of a write: the lease as it is now, or why it is not known.
type result struct {
	name  string
	lease *coordinationv1.Lease
	err   error
}

// write does all at once and returns what was written. That somebody else was quicker is no trouble: the next list
// shows who.
func (s *Shards) write(ctx context.Context, writes []func(context.Context) result) []*coordinationv1.Lease {
	var written []*coordinationv1.Lease
	for _, r := range together(ctx, writes) {
		s.complain("write "+r.name, ignore(r.err, apierrors.IsConflict, apierrors.IsAlreadyExists, apierrors.IsNotFound))
		if r.err == nil {
			s.eyes.see(r.lease, s.now(), false)
			written = append(written, r.lease)
		}
	}
	return written
}

// together does all at once: one that hangs shall not keep the others from being in time.
func together(ctx context.Context, writes []func(context.Context) result) []result {
	results := make([]result, len(writes))
	var calls sync.WaitGroup
	for i, write := range writes {
		calls.Go(func() { results[i] = write(ctx) })
	}
	calls.Wait()
	return results
}

func (s *Shards) writesOf(p plan) []func(context.Context) result {
	var writes []func(context.Context) result
	for _, shard := range p.take {
		writes = append(writes, s.hold(shard))
	}
	for _, shard := range p.release {
		if lease := s.eyes.lease(s.o.shardName(shard)); lease != nil {
			writes = append(writes, s.release(lease))
		}
	}
	return writes
}

// hold takes or renews the shard's lease. The shard is owned from the start of the call on: others count later.
func (s *Shards) hold(shard int) func(context.Context) result {
	name := s.o.shardName(shard)
	old := s.eyes.lease(name)
	return func(ctx context.Context) result {
		began := s.now()
		r := s.put(ctx, old, s.o.held(name, old, began))
		if r.err == nil {
			s.owned.extend(shard, began.Add(s.o.RenewDeadline))
		}
		return r
	}
}

// release lets others have the lease.
func (s *Shards) release(lease *coordinationv1.Lease) func(context.Context) result {
	return func(ctx context.Context) result { return s.put(ctx, lease, released(lease, s.now())) }
}

func (s *Shards) showPresence() func(context.Context) result {
	old := s.eyes.lease(s.o.presenceName(s.o.Identity))
	return func(ctx context.Context) result {
		return s.put(ctx, old, s.o.presence(old, s.now()))
	}
}

// put replaces old, if it is still as it was seen, or creates the lease if old is nil.
func (s *Shards) put(ctx context.Context, old, lease *coordinationv1.Lease) result {
	r := result{name: lease.Name}
	if old == nil {
		r.lease, r.err = s.leases.Create(ctx, lease, metav1.CreateOptions{})
	} else {
		r.lease, r.err = s.leases.Update(ctx, lease, metav1.UpdateOptions{})
	}
	return r
}

// delete deletes the lease if it is still as it was seen.
func (s *Shards) delete(ctx context.Context, lease *coordinationv1.Lease) error {
	err := s.leases.Delete(ctx, lease.Name, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &lease.UID, ResourceVersion: &lease.ResourceVersion},
	})
	return ignore(err, apierrors.IsNotFound, apierrors.IsConflict)
}

// retire releases all leases that have this replica's name, also those whose renewal was under way when the work
// ended. Its presence goes first, lest the others leave the shards to it.
func (s *Shards) retire(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.o.RenewDeadline)
	defer cancel()
	var presence error
	if s.o.Count > 1 {
		presence = ignore(s.leases.Delete(ctx, s.o.presenceName(s.o.Identity), metav1.DeleteOptions{}), apierrors.IsNotFound)
	}
	err := s.releaseAll(ctx)
	if apierrors.IsConflict(err) {
		err = s.releaseAll(ctx)
	}
	return errors.Join(presence, err)
}

// releaseAll returns the first error if there are several: most often they are the same.
func (s *Shards) releaseAll(ctx context.Context) error {
	leases, err := s.list(ctx)
	if err != nil {
		return err
	}
	var releases []func(context.Context) result
	for shard := range s.o.Count {
		if lease := leases[s.o.shardName(shard)]; lease != nil && holder(lease) == s.o.Identity {
			releases = append(releases, s.release(lease))
		}
	}
	for _, r := range together(ctx, releases) {
		err = cmp.Or(err, r.err)
	}
	return err
}

// ignore returns nil in place of errors that are of one of the kinds.
func ignore(err error, kinds ...func(error) bool) error {
	if slices.ContainsFunc(kinds, func(is func(error) bool) bool { return is(err) }) {
		return nil
	}
	return err
}
