package webhook

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// TestARollingRestartUnderLoadLosesNoRequest replaces replicas one by one while clients call them. As behind a
// Service, new connections go to a replica that stops for a while longer, and open ones stay where they are.
func TestARollingRestartUnderLoadLosesNoRequest(t *testing.T) {
	const clients, restarts, notice, delay = 8, 3, 100 * time.Millisecond, 400 * time.Millisecond
	start := func() *serving { return serve(t, http.HandlerFunc(readsAll), delay, time.Minute) }
	var endpoint atomic.Pointer[serving]
	endpoint.Store(start())
	client := endpoint.Load().client // all replicas have httptest's one certificate
	client.Transport.(*http.Transport).MaxIdleConnsPerHost = clients
	client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, strings.TrimPrefix(endpoint.Load().url, "https://"))
	}
	var done atomic.Bool
	var requests, connections atomic.Int64
	var group errgroup.Group
	for range clients {
		group.Go(func() error {
			for !done.Load() {
				// A body that net/http cannot rewind: it repeats nothing on its own.
				request, err := http.NewRequest(http.MethodPost, "https://example.com/pods", io.NopCloser(strings.NewReader("{}")))
				if err != nil {
					return err
				}
				response, err := client.Do(request)
				if err != nil {
					return err
				}
				if _, err := io.Copy(io.Discard, response.Body); err != nil {
					return err
				}
				if err := response.Body.Close(); err != nil {
					return err
				}
				if response.Close {
					connections.Add(1)
				}
				requests.Add(1)
			}
			return nil
		})
	}
	for range restarts {
		before := requests.Load()
		require.Eventually(t, func() bool { return requests.Load() > before+clients }, 30*time.Second, time.Millisecond)
		old, young := endpoint.Load(), start()
		old.stop()
		require.Never(t, func() bool { return len(old.ended) > 0 }, notice, notice/2, "it goes on while the cluster takes notice")
		endpoint.Store(young)
		require.NoError(t, <-old.ended)
	}
	done.Store(true)
	require.NoError(t, group.Wait())
	require.Positive(t, connections.Load(), "connections were moved on")
	t.Logf("%d requests, none lost", requests.Load())
}
