// Package scenarios tests Sartor as a whole: real control plane, real Prometheus, real metrics API, real TLS.
package scenarios

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/cluster"
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
