package history

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// flaky reads one memory sample a piece, and fails as often as it is told to.
type flaky struct {
	mu       sync.Mutex
	failures int
	read     []Window
}

func (f *flaky) Read(_ context.Context, w Window) ([]usage.Sample, Dropped, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.read) == 1 && f.failures > 0 {
		f.failures--
		return nil, nil, errors.New("503 Service Unavailable")
	}
	f.read = append(f.read, w)
	return []usage.Sample{{Container: usage.Container{Pod: pod, Name: "shop"}, Resource: usage.Memory, Time: w.From, Amount: 1e9}}, nil, nil
}

var shop = types.NamespacedName{Namespace: "store", Name: "shop"}

func start(t *testing.T, r Reader) *Loader {
	l := NewLoader(r, 2, aggregate.DefaultOptions(), testr.New(t))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); l.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return l
}

func TestAFailedPieceIsTriedAgainAndDoneOnesAreNot(t *testing.T) {
	r := &flaky{failures: 1}
	l := start(t, r)
	wanted := Window{Workload: window.Workload, From: begin.Add(-60 * time.Hour), To: begin.Add(10 * time.Second)}
	l.Want(shop, wanted)

	failed := <-l.Answers()
	require.ErrorContains(t, failed.Err, "history from 2026-02-28T00:00:00Z to 2026-03-01T00:00:00Z: 503")
	require.Nil(t, failed.Usage)
	complete := <-l.Answers()
	require.NoError(t, complete.Err)
	require.Equal(t, 3, complete.Samples)
	require.Equal(t, begin, complete.Window.To, "whole minutes")
	var read []time.Duration
	for _, w := range r.read {
		read = append(read, w.To.Sub(w.From))
	}
	require.Equal(t, []time.Duration{24 * time.Hour, 24 * time.Hour, 12 * time.Hour}, read, "oldest first, each once")
}

func TestWhatIsForgottenIsNotRead(t *testing.T) {
	r := &flaky{}
	l := NewLoader(r, 1, aggregate.DefaultOptions(), testr.New(t))
	l.Want(shop, window)
	l.Forget(shop)
	other := types.NamespacedName{Namespace: "store", Name: "other"}
	l.Want(other, window)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); l.Run(ctx) }()
	require.Equal(t, other, (<-l.Answers()).VPA)
	cancel()
	<-done
	require.Len(t, r.read, 1)
}
