package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/docs/flagtable"
)

func TestFlagsMayBeWrittenWithUnderscores(t *testing.T) {
	c := command()
	require.NoError(t, c.ParseFlags([]string{"--bind_address=127.0.0.1"}))
	require.Equal(t, "127.0.0.1", c.Flags().Lookup("bind-address").Value.String())
}

// TestFlagsAreDocumented holds docs/flags.md to the flags.
func TestFlagsAreDocumented(t *testing.T) {
	t.Setenv("NAMESPACE", "") // it would be a default
	flagtable.Check(t, "../docs/flags.md", "admission", command().Flags(), flagtable.Upstream(t, "admission-controller"))
}
