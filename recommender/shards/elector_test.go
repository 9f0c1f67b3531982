package shards

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// elect runs client-go's elector until the returned function is called, which releases the lease.
func elect(t *testing.T, w *world) (leads func() bool, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var leading atomic.Bool
	ended := make(chan struct{})
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta: metav1.ObjectMeta{Namespace: "vpa", Name: "vpa-recommender-lease"},
			Client:    &link{server: &w.server}, LockConfig: resourcelock.ResourceLockConfig{Identity: "client-go"},
		},
		LeaseDuration: leaseDuration, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod, ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { leading.Store(true) },
			OnStoppedLeading: func() {},
		},
	})
	require.NoError(t, err)
	go func() {
		defer close(ended)
		elector.Run(ctx)
	}()
	return leading.Load, func() {
		leading.Store(false)
		cancel()
		<-ended
	}
}

func TestClientGosElectorAndThisOneLeadInTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for range 5 {
			leads, stop := elect(t, w)
			within(t, takeover, "client-go's leads", leads)
			a := w.start(t, "a", 1)
			during(t, time.Minute, "it goes on", func() bool { return leads() && !a.shards.Owns(0) })
			stop()
			within(t, retryPeriod+tick, "ours leads at once", func() bool { return a.shards.Owns(0) })
			leads, stop = elect(t, w)
			during(t, time.Minute, "it goes on", func() bool { return !leads() && a.shards.Owns(0) })
			a.kill()
			// Its attempts are up to 2.2 periods apart, one to see the lease and one to take it.
			took := within(t, leaseDuration+5*retryPeriod, "client-go's leads", leads)
			require.Greater(t, took, leaseDuration-retryPeriod-tick)
			stop()
		}
	})
}
