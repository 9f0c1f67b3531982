package runs_test

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/cluster/runs"
)

func TestCreateSweepsTheFoldersOfDeadOwnersAlone(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("SARTOR_CACHE", cache)
	alive, err := runs.Create(t.Context(), "alive")
	require.NoError(t, err)

	// What a killed owner leaves: files, and a lock that nobody holds. The one without a lock died
	// right after making the folder.
	for _, dead := range []string{"run/dead-1", "run/dead-2/etcd"} {
		require.NoError(t, os.MkdirAll(filepath.Join(cache, dead), 0o700))
	}
	require.NoError(t, os.WriteFile(filepath.Join(cache, "run/dead-2/lock"), nil, 0o600))

	next, err := runs.Create(t.Context(), "next")
	require.NoError(t, err)
	left, err := runs.List()
	require.NoError(t, err)
	assert.Equal(t, []string{filepath.Base(alive.Path), filepath.Base(next.Path)}, left)
	assert.NoDirExists(t, filepath.Join(cache, "run/dead-1"))
	assert.NoDirExists(t, filepath.Join(cache, "run/dead-2"))

	require.NoError(t, alive.Remove(false))
	require.NoError(t, next.Remove(false))
	assert.NoDirExists(t, alive.Path)
	assert.NoDirExists(t, alive.Logs)
}

func TestKeptLogsAreTheNewestFew(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("SARTOR_CACHE", cache)
	for range 8 {
		f, err := runs.Create(t.Context(), "failed")
		require.NoError(t, err)
		require.NoError(t, f.Remove(true))
		assert.DirExists(t, f.Logs)
	}
	last, err := runs.Create(t.Context(), "last")
	require.NoError(t, err)
	logs, err := os.ReadDir(filepath.Join(cache, "logs"))
	require.NoError(t, err)
	assert.Len(t, logs, 6, "five, and the running one's")
	require.NoError(t, last.Remove(false))
}

func TestANameThatIsAPathIsRefused(t *testing.T) {
	t.Setenv("SARTOR_CACHE", t.TempDir())
	for _, name := range []string{"", "a/b", "..", "a b"} {
		_, err := runs.Create(t.Context(), name)
		assert.ErrorContains(t, err, "names a folder", "%q", name)
	}
}

func TestSlotsDoNotShareAPort(t *testing.T) {
	t.Setenv("SARTOR_CACHE", t.TempDir())
	seen := map[int]bool{}
	for range 3 {
		slot, err := runs.Reserve()
		require.NoError(t, err)
		defer slot.Free()
		for _, name := range []string{"a", "b"} {
			port, err := slot.Port(name)
			require.NoError(t, err)
			assert.False(t, seen[port], "port %d", port)
			assert.Less(t, port, 32768, "else the kernel may give it to an outgoing connection")
			seen[port] = true
			again, err := slot.Port(name)
			require.NoError(t, err)
			assert.Equal(t, port, again)
		}
	}
}

func TestAPortThatSomebodyElseHasIsNotGivenOut(t *testing.T) {
	t.Setenv("SARTOR_CACHE", t.TempDir())
	slot, err := runs.Reserve()
	require.NoError(t, err)
	defer slot.Free()
	first, err := slot.Port("first")
	require.NoError(t, err)
	taken, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(first+1)))
	require.NoError(t, err)
	defer taken.Close()
	second, err := slot.Port("second")
	require.NoError(t, err)
	assert.Equal(t, first+2, second)
}

func TestASlotWithoutPortsSaysSo(t *testing.T) {
	t.Setenv("SARTOR_CACHE", t.TempDir())
	slot, err := runs.Reserve()
	require.NoError(t, err)
	defer slot.Free()
	for i := 0; err == nil; i++ {
		require.Less(t, i, 65)
		_, err = slot.Port(strconv.Itoa(i))
	}
	assert.ErrorContains(t, err, "no port left")
}
