package charts

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/cluster/poll"
)

// start starts a cluster that stops with the test. Its logs stay when the test fails.
func start(t *testing.T, o cluster.Options) *cluster.Cluster {
	o.Progress = t.Output()
	c, err := cluster.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			c.KeepLogs()
			t.Logf("logs are in %s", c.LogDir())
		}
		require.NoError(t, c.Stop())
	})
	return c
}

// kubectl runs it with manifests as its input.
func kubectl(t *testing.T, c *cluster.Cluster, manifests string, args ...string) string {
	t.Helper()
	out, err := c.Kubectl(t.Context(), manifests, args...)
	require.NoError(t, err)
	return out
}

func eventually(t *testing.T, what string, try func(context.Context) error) {
	t.Helper()
	require.NoError(t, poll.Within(t.Context(), 2*time.Minute, 500*time.Millisecond, try), what)
}
