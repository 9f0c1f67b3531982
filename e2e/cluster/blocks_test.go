package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// writeBlock makes a folder that looks like a block ending at end.
func writeBlock(t *testing.T, dir string, end time.Time) {
	block := filepath.Join(dir, "01ARZ3NDEKTSV4RRFFQ69G5FAV")
	require.NoError(t, os.MkdirAll(filepath.Join(block, "chunks"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(block, "meta.json"), fmt.Appendf(nil, `{"maxTime": %d}`, end.UnixMilli()), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(block, "chunks", "000001"), []byte("chunk"), 0o644))
}

func TestBlocksAreTakenAndLeftAsTheyAre(t *testing.T) {
	from, data := t.TempDir(), t.TempDir()
	writeBlock(t, from, time.Now().Add(-time.Minute))
	require.NoError(t, takeBlocks(from, data, true))
	inside := filepath.Join("01ARZ3NDEKTSV4RRFFQ69G5FAV", "chunks", "000001")
	chunk, err := os.ReadFile(filepath.Join(data, inside))
	require.NoError(t, err)
	assert.Equal(t, "chunk", string(chunk))
	require.NoError(t, os.RemoveAll(data), "as Stop does")
	assert.FileExists(t, filepath.Join(from, inside))
}

func TestBlocksFromTheFutureAreRefusedBesideLiveSamples(t *testing.T) {
	from := t.TempDir()
	writeBlock(t, from, time.Now().Add(time.Hour))
	assert.ErrorContains(t, takeBlocks(from, t.TempDir(), true), "in the future")
	assert.NoError(t, takeBlocks(from, t.TempDir(), false), "nothing live is lost")
}

func TestAFolderWithoutBlocksIsRefused(t *testing.T) {
	assert.ErrorContains(t, takeBlocks(t.TempDir(), t.TempDir(), true), "no TSDB block")
	assert.NoError(t, takeBlocks("", t.TempDir(), true), "none are wanted")
}
