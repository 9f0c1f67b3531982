package shards

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestAReplicaThatCannotRenewOwnsNothingBeforeAnotherDoes(t *testing.T) {
	for name, trouble := range map[string]func(*link){
		"calls hang":        func(l *link) { l.cut = true },
		"calls fail":        func(l *link) { l.failing = true },
		"answers are lost":  func(l *link) { l.deaf = true },
		"calls take a year": func(l *link) { l.delay = 365 * 24 * time.Hour },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				a, b := w.start(t, "a", 3), w.start(t, "b", 3)
				within(t, balance, "two share", func() bool { return w.shared(3, a, b) })
				a.link.set(trouble)
				within(t, renewDeadline+tick, "it owns nothing", func() bool { return len(a.shards.Held()) == 0 })
				if name != "answers are lost" { // its renewals arrive
					within(t, takeover-renewDeadline+retryPeriod, "the other owns all", func() bool { return w.shared(3, b) })
				}
				during(t, time.Minute, "so it stays", func() bool { return len(a.shards.Held()) == 0 })
				a.link.set(func(l *link) { l.cut, l.failing, l.deaf, l.delay = false, false, false, 0 })
				within(t, balance, "two share again", func() bool { return w.shared(3, a, b) })
			})
		})
	}
}

func TestALateAnswerDoesNotMakeTheTermLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		began := time.Now()
		a := w.start(t, "a", 1)
		within(t, tick, "it leads", func() bool { return a.shards.Owns(0) })
		a.link.set(func(l *link) { l.delay = 4 * time.Second })
		during(t, retryPeriod+3*time.Second, "its renewal is under way", func() bool { return a.shards.Owns(0) })
		a.link.set(func(l *link) { l.cut = true })
		within(t, time.Minute, "it leads no longer", func() bool { return !a.shards.Owns(0) })
		require.InDelta(t, retryPeriod+renewDeadline, time.Since(began), float64(2*tick))
	})
}

func TestARenewalThatIsUnderWayAtTheEndIsReleasedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start(t, "a", 1)
		within(t, tick, "it leads", func() bool { return a.shards.Owns(0) })
		a.link.set(func(l *link) { l.delay = 4 * time.Second })
		during(t, retryPeriod+tick, "a renewal is under way", func() bool { return true })
		a.link.set(func(l *link) { l.delay = 1600 * time.Millisecond })
		require.NoError(t, a.stop())
		require.Empty(t, holder(w.server.get("vpa-recommender-lease")))
	})
}

func TestASlowAPIServerCostsNoShard(t *testing.T) {
	for _, delay := range []time.Duration{100 * time.Millisecond, time.Second, 2 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			slow := func(r *runner) *runner {
				r.link.set(func(l *link) { l.delay = delay })
				return r
			}
			a, b := slow(w.start(t, "a", 5)), slow(w.start(t, "b", 5))
			within(t, 2*balance, "two share", func() bool { return w.shared(5, a, b) })
			during(t, time.Minute, "nothing moves", func() bool { return w.shared(5, a, b) })
			require.NoError(t, a.stop())
			within(t, retryPeriod+4*delay, "the other has all", func() bool { return w.shared(5, b) })
		})
	}
}

func TestAfterAnOutageEachGoesOnWithItsOwn(t *testing.T) {
	for _, count := range []int{1, 5} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			a := w.start(t, "a", count)
			within(t, 2*retryPeriod, "one has all", func() bool { return w.shared(count, a) })
			b := w.start(t, "b", count)
			during(t, balance, "work goes on", func() bool { return len(a.shards.Held()) > 0 })
			owners := w.owners(count)
			for _, r := range []*runner{a, b} {
				r.link.set(func(l *link) { l.failing = true })
			}
			during(t, time.Minute, "it is an outage", func() bool { return true })
			require.Equal(t, make([]string, count), w.owners(count))
			b.link.set(func(l *link) { l.failing = false })
			during(t, retryPeriod, "the first to see waits for the other", func() bool { return w.owners(count)[0] != "b" || owners[0] == "b" })
			a.link.set(func(l *link) { l.failing = false })
			within(t, retryPeriod+2*tick, "all as before", func() bool { return sameOwners(owners, w.owners(count)) })
		})
	}
}

func sameOwners(a, b []string) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestClocksNeedNotAgree(t *testing.T) {
	for name, clock := range map[string]func(start time.Time) time.Time{
		"an hour ahead":        func(time.Time) time.Time { return time.Now().Add(time.Hour) },
		"an hour behind":       func(time.Time) time.Time { return time.Now().Add(-time.Hour) },
		"a twentieth too slow": func(start time.Time) time.Time { return start.Add(time.Since(start) * 19 / 20) },
		"a twentieth too fast": func(start time.Time) time.Time { return start.Add(time.Since(start) * 21 / 20) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				start := time.Now()
				a := w.startWithClock(t, "a", 5, func() time.Time { return clock(start) })
				b := w.start(t, "b", 5)
				within(t, balance, "two share", func() bool { return w.shared(5, a, b) })
				during(t, time.Minute, "nothing moves", func() bool { return w.shared(5, a, b) })
				for _, r := range []*runner{a, b} {
					r.link.set(func(l *link) { l.cut = true })
					within(t, 2*takeover, "the other has all", func() bool { return len(r.shards.Held()) == 0 && countOwned(w.owners(5)) == 5 })
					r.link.set(func(l *link) { l.cut = false })
					within(t, balance, "two share again", func() bool { return w.shared(5, a, b) })
				}
				a.kill()
				within(t, takeover+2*time.Second, "the other has all", func() bool { return w.shared(5, b) })
			})
		})
	}
}

func countOwned(owners []string) int {
	owned := 0
	for _, o := range owners {
		if o != "" {
			owned++
		}
	}
	return owned
}

// foreign writes a lease as somebody else might.
func (w *world) foreign(t *testing.T, name string, spec coordinationv1.LeaseSpec) {
	old := w.server.get(name)
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "vpa"}}
	if old != nil {
		lease = old
	}
	lease.Spec = spec
	_, err := w.server.put(lease, old == nil)
	require.NoError(t, err)
}

func TestALeaseThatSomebodyElseHoldsIsWaitedFor(t *testing.T) {
	long := "an identity\twith \x00 and ü " + string(make([]byte, 1000))
	for name, tc := range map[string]struct {
		spec coordinationv1.LeaseSpec
		free time.Duration
	}{
		"nobody's":            {coordinationv1.LeaseSpec{}, 0},
		"held by empty":       {coordinationv1.LeaseSpec{HolderIdentity: new(""), LeaseDurationSeconds: new(int32(60))}, 0},
		"a minute":            {coordinationv1.LeaseSpec{HolderIdentity: new("other"), LeaseDurationSeconds: new(int32(60))}, time.Minute},
		"a second":            {coordinationv1.LeaseSpec{HolderIdentity: new("other"), LeaseDurationSeconds: new(int32(1))}, time.Second},
		"no duration":         {coordinationv1.LeaseSpec{HolderIdentity: new("other")}, leaseDuration},
		"a negative duration": {coordinationv1.LeaseSpec{HolderIdentity: new("other"), LeaseDurationSeconds: new(int32(-5))}, leaseDuration},
		"garbage":             {coordinationv1.LeaseSpec{HolderIdentity: &long, LeaseDurationSeconds: new(int32(15)), LeaseTransitions: new(int32(-7))}, leaseDuration},
		"renewed in the future": {coordinationv1.LeaseSpec{HolderIdentity: new("other"), LeaseDurationSeconds: new(int32(15)),
			RenewTime: &metav1.MicroTime{Time: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}}, leaseDuration},
		"most transitions": {coordinationv1.LeaseSpec{HolderIdentity: new("other"), LeaseDurationSeconds: new(int32(15)),
			LeaseTransitions: new(int32(1<<31 - 1))}, leaseDuration},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.foreign(t, "vpa-recommender-lease", tc.spec)
				a := w.start(t, "a", 1)
				took := within(t, tc.free+3*tick, "it is taken", func() bool { return a.shards.Owns(0) })
				require.GreaterOrEqual(t, took, tc.free-time.Millisecond)
			})
		})
	}
}

func TestAShardThatAStrangerHoldsIsNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.foreign(t, "vpa-recommender-lease-shard-2", coordinationv1.LeaseSpec{HolderIdentity: new("stranger"), LeaseDurationSeconds: new(int32(300))})
		a, b := w.start(t, "a", 5), w.start(t, "b", 5)
		within(t, balance, "two share four", func() bool { return len(a.shards.Held()) == 2 && len(b.shards.Held()) == 2 })
		within(t, 300*time.Second, "two share five", func() bool { return w.shared(5, a, b) })
	})
}

func TestAShardThatIsGivenAwayByHandIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start(t, "a", 1)
		within(t, tick, "it leads", func() bool { return a.shards.Owns(0) })
		w.foreign(t, "vpa-recommender-lease", coordinationv1.LeaseSpec{HolderIdentity: new("other"), LeaseDurationSeconds: new(int32(60))})
		within(t, retryPeriod+tick, "it gives way", func() bool { return !a.shards.Owns(0) })
		within(t, time.Minute+tick, "it leads again", func() bool { return a.shards.Owns(0) })
	})
}

func TestALeaseThatIsDeletedStaysItsHolders(t *testing.T) {
	for _, count := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			a := w.start(t, "a", count)
			within(t, 2*retryPeriod, "one has all", func() bool { return w.shared(count, a) })
			b := w.start(t, "b", count)
			during(t, balance, "work goes on", func() bool { return len(a.shards.Held()) > 0 })
			owners := w.owners(count)
			for shard := range count {
				require.NoError(t, w.server.delete(a.shards.o.shardName(shard), nil))
			}
			during(t, time.Minute, "all as before", func() bool { return sameOwners(owners, w.owners(count)) })
			for shard := range count {
				require.Equal(t, owners[shard], holder(w.server.get(a.shards.o.shardName(shard))))
			}
			a.kill()
			for shard := range count {
				require.NoError(t, w.server.delete(a.shards.o.shardName(shard), nil))
			}
			within(t, takeover+retryPeriod, "the other has all", func() bool { return w.shared(count, b) })
		})
	}
}

func TestTheEndSaysWhatIsNotReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.start(t, "a", 3), w.start(t, "b", 3)
		within(t, balance, "two share", func() bool { return w.shared(3, a, b) })
		a.link.set(func(l *link) { l.failing = true })
		require.ErrorContains(t, a.stop(), "releasing the leases in namespace vpa; they run out within 15s")
		within(t, takeover, "the other has all", func() bool { return w.shared(3, b) })
	})
}

func TestAReplicaThatCannotSeeIsNotCountedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start(t, "a", 4)
		b := w.start(t, "b", 4)
		within(t, balance, "two share", func() bool { return w.shared(4, a, b) })
		b.link.set(func(l *link) { l.blind = true })
		during(t, time.Minute, "what it holds it keeps", func() bool { return len(b.shards.Held()) == 2 })
		a.kill()
		c := w.start(t, "c", 4)
		within(t, takeover+retryPeriod, "the new one has what is free", func() bool { return len(c.shards.Held()) == 2 })
	})
}
