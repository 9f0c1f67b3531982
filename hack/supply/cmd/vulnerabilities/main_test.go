package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAModeThatIsNoneIsRefused(t *testing.T) {
	err := run(t.Context(), ".", "http://127.0.0.1:1", "yes")
	require.ErrorContains(t, err, `VULNERABILITIES="yes"`)
	require.ErrorContains(t, err, `"required"`)
}

func TestItPassesWithoutADatabaseUnlessOneIsRequired(t *testing.T) {
	const nobody = "http://127.0.0.1:1"
	require.NoError(t, run(t.Context(), ".", nobody, ""))
	require.ErrorContains(t, run(t.Context(), ".", nobody, "required"), nobody+" cannot be reached")
}
