package node

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/install"
)

func TestSartorOnARealNode(t *testing.T) {
	c := start(t)
	require.NoError(t, install.Pods(t.Context(), c, install.Options{Progress: t.Output()}))
	out, err := c.Kubectl(t.Context(), "", "get", "pods", "-A", "-o", "wide")
	require.NoError(t, err)
	t.Log(out)
}
