package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFlagsMayBeWrittenWithUnderscores(t *testing.T) {
	c := command()
	require.NoError(t, c.ParseFlags([]string{"--bind_address=127.0.0.1"}))
	require.Equal(t, "127.0.0.1", c.Flags().Lookup("bind-address").Value.String())
}
