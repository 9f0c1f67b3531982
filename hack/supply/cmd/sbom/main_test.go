package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatCannotBeDescribedIsSaidAndNothingIsWritten(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	require.NoError(t, os.WriteFile(program, []byte("no program"), 0o600))
	require.ErrorContains(t, run(t.Context(), dir, "", "", "", nil), "which programs")
	require.ErrorContains(t, run(t.Context(), dir, "", "", "yesterday", []string{program}), "-date")
	require.ErrorContains(t, run(t.Context(), dir, "", "", "", []string{program}), program)
	require.NoFileExists(t, program+".cdx.json")
}
