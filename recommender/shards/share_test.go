package shards

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// takeover is how long a shard of a replica that is killed may be nobody's: its last renewal may be seen up to a
// retry period late.
const takeover = leaseDuration + retryPeriod + 3*tick

func TestTwoAndThreeReplicasShareFiveShards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start(t, "a", 5)
		within(t, 2*retryPeriod, "one has all", func() bool { return w.shared(5, a) })
		b := w.start(t, "b", 5)
		within(t, balance, "two share", func() bool { return w.shared(5, a, b) })
		require.Len(t, a.yields(), 2)
		c := w.start(t, "c", 5)
		within(t, balance, "three share", func() bool { return w.shared(5, a, b, c) })
		owners := w.owners(5)
		during(t, 5*time.Minute, "nothing moves", func() bool { return w.shared(5, a, b, c) })
		require.Equal(t, owners, w.owners(5))
		require.Empty(t, c.yields())
	})
}

func TestTheShardsOfAKilledReplicaAreTakenInTime(t *testing.T) {
	for _, count := range []int{1, 2, 5} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			a := w.start(t, "a", count)
			within(t, 2*retryPeriod, "one has all", func() bool { return w.shared(count, a) })
			b, c := w.start(t, "b", count), w.start(t, "c", count)
			during(t, balance, "work goes on", func() bool { return len(a.shards.Held())+len(b.shards.Held())+len(c.shards.Held()) > 0 })
			kept := a.shards.Held()
			a.kill()
			took := within(t, takeover, "two share", func() bool { return w.shared(count, b, c) })
			require.Greater(t, took, leaseDuration-retryPeriod-time.Second, "taken while it may have been held: %v", kept)
		})
	}
}

func TestOfOneShardOneReplicaIsTheLeaderAndTheOthersStandBy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start(t, "a", 1)
		within(t, tick, "at once", func() bool { return a.shards.Owns(0) })
		b, c := w.start(t, "b", 1), w.start(t, "c", 1)
		during(t, 5*time.Minute, "the leader stays", func() bool {
			return a.shards.Owns(0) && b.shards.Held() == nil && c.shards.Held() == nil
		})
		require.Empty(t, a.yields())
		require.Len(t, w.server.names(), 1, "one lease is all")
		lease := w.server.get("vpa-recommender-lease")
		require.Equal(t, "a", holder(lease))
		require.EqualValues(t, 15, *lease.Spec.LeaseDurationSeconds)
		require.EqualValues(t, 0, *lease.Spec.LeaseTransitions)
		require.NoError(t, a.stop())
		within(t, retryPeriod+tick, "the next leads at once", func() bool { return w.shared(1, b) || w.shared(1, c) })
		require.EqualValues(t, 1, *w.server.get("vpa-recommender-lease").Spec.LeaseTransitions)
	})
}

func TestAReplicaThatEndsLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.start(t, "a", 5), w.start(t, "b", 5)
		within(t, balance, "two share", func() bool { return w.shared(5, a, b) })
		yields := len(a.yields())
		require.NoError(t, a.stop())
		require.Empty(t, a.shards.Held())
		within(t, retryPeriod+2*tick, "the other has all at once", func() bool { return w.shared(5, b) })
		require.Len(t, a.yields(), yields, "it was not asked to save for another")
		require.NoError(t, b.stop())
		require.Len(t, w.server.names(), 5, "no presences")
		for _, name := range w.server.names() {
			require.Empty(t, holder(w.server.get(name)), name)
		}
	})
}

func TestAShardIsOwnedUntilItIsSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		saving, saved := make(chan int), make(chan struct{})
		a := w.start(t, "a", 2, func(o *Options) {
			o.Yield = func(_ context.Context, shard int) {
				saving <- shard
				<-saved
			}
		})
		within(t, balance, "one has all", func() bool { return w.shared(2, a) })
		b := w.start(t, "b", 2)
		shard := <-saving
		during(t, time.Minute, "it is not given up", func() bool { return a.shards.Owns(shard) && !b.shards.Owns(shard) })
		require.Equal(t, "a", holder(w.server.get(a.shards.o.shardName(shard))))
		close(saved)
		within(t, retryPeriod+2*tick, "the other has it", func() bool { return b.shards.Owns(shard) })
		require.True(t, w.shared(2, a, b))
	})
}

func TestSavingEndsWithTheShardOrTheProcess(t *testing.T) {
	for name, end := range map[string]func(*runner){
		"lost":  func(r *runner) { r.link.set(func(l *link) { l.cut = true }) },
		"ended": func(r *runner) { r.cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				saving, ended := make(chan int), make(chan bool)
				a := w.start(t, "a", 2, func(o *Options) {
					o.Yield = func(ctx context.Context, shard int) {
						saving <- shard
						<-ctx.Done()
						ended <- true
					}
				})
				within(t, 2*retryPeriod, "one has all", func() bool { return w.shared(2, a) })
				b := w.start(t, "b", 2)
				shard := <-saving
				end(a)
				<-ended
				within(t, takeover, "the other has it", func() bool { return b.shards.Owns(shard) })
			})
		})
	}
}

func TestCallsAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.start(t, "a", 5), w.start(t, "b", 5)
		within(t, balance, "two share", func() bool { return w.shared(5, a, b) })
		during(t, balance, "it settles", func() bool { return true })
		w.server.calls()
		const periods = 100
		during(t, periods*retryPeriod, "they share", func() bool { return w.shared(5, a, b) })
		reads, writes := w.server.calls()
		require.InDelta(t, 2*periods, reads, 2, "a list for each replica and period")
		require.InDelta(t, (5+2)*periods, writes, 7, "a write for each lease and period")
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, id := range []string{"a", "b", "c"} {
			w.start(t, id, 1)
		}
		const periods = 100
		during(t, periods*retryPeriod, "it runs", func() bool { return true })
		reads, writes := w.server.calls()
		require.InDelta(t, 3*periods, reads, 4)
		require.InDelta(t, periods, writes, 4)
	})
}

func TestChangesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start(t, "a", 1)
		<-a.shards.Changed()
		require.Equal(t, []int{0}, a.shards.Held())
		require.False(t, a.shards.Owns(-1) || a.shards.Owns(1))
		a.link.set(func(l *link) { l.cut = true })
		<-a.shards.Changed()
		require.Empty(t, a.shards.Held())
		a.link.set(func(l *link) { l.cut = false })
		<-a.shards.Changed()
		require.True(t, a.shards.Owns(0))
		require.NoError(t, a.stop())
		<-a.shards.Changed()
		require.False(t, a.shards.Owns(0))
	})
}

func TestThePresenceOfAReplicaThatIsGoneIsDeletedInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.start(t, "a", 2), w.start(t, "b", 2)
		within(t, balance, "two share", func() bool { return w.shared(2, a, b) })
		name := a.shards.o.presenceName("a")
		a.kill()
		during(t, 5*leaseDuration, "it may come back", func() bool { return w.server.get(name) != nil })
		within(t, 10*leaseDuration, "it is deleted", func() bool { return w.server.get(name) == nil })
		require.NotNil(t, w.server.get(b.shards.o.presenceName("b")))
	})
}

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"Count=0: must be at least 1":                     func(o *Options) { o.Count = 0 },
		"Namespace=: must be":                             func(o *Options) { o.Namespace = "" },
		"Name=A: must be a name":                          func(o *Options) { o.Name = "A" },
		"leaves room":                                     func(o *Options) { o.Name = strings.Repeat("a", 250) },
		"Identity=: must tell":                            func(o *Options) { o.Identity = "" },
		"RetryPeriod=0s: must be longer than 0":           func(o *Options) { o.RetryPeriod = 0 },
		"RenewDeadline=2.4s: must be longer than 1.2":     func(o *Options) { o.RenewDeadline = 2400 * time.Millisecond },
		"LeaseDuration=10s: must be longer than RenewDea": func(o *Options) { o.LeaseDuration = 10 * time.Second },
	} {
		o := options("a", 1)
		change(&o)
		_, err := New(o, &link{}, time.Now, discard)
		require.ErrorContains(t, err, want)
	}
}
