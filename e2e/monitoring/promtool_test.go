package monitoring

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/cluster/process"
	"github.com/sartor-vpa/sartor/e2e/cluster/programs"
	"github.com/sartor-vpa/sartor/e2e/install"
)

// files is a path in deploy/monitoring.
func files(t *testing.T, path ...string) string {
	root, err := install.Root()
	require.NoError(t, err)
	return filepath.Join(append([]string{root, "deploy", "monitoring"}, path...)...)
}

// promtool runs it and returns what it printed.
func promtool(t *testing.T, args ...string) (string, error) {
	path, err := programs.Promtool(t.Context(), t.Logf)
	if err != nil && t.Context().Err() == nil {
		t.Skipf("alerts are not tested: promtool is not on this machine, and Debian's package cannot be had: %v", err)
	}
	require.NoError(t, err)
	cmd := exec.Command(path, args...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	err = process.Run(context.WithoutCancel(t.Context()), cmd)
	return out.String(), err
}

func TestAlertsFireWhenTheyShouldAndOnlyThen(t *testing.T) {
	out, err := promtool(t, "test", "rules", files(t, "prometheus", "rules_test.yaml"))
	require.NoError(t, err, out)
}
