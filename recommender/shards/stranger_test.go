package shards

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

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
