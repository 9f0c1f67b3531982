package cache_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/cluster/cache"
)

func TestALockHasOneHolderAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, ok, err := cache.TryLock(path)
	require.NoError(t, err)
	require.True(t, ok)
	_, ok, err = cache.TryLock(path)
	require.NoError(t, err)
	assert.False(t, ok, "within one process too")

	first.Free()
	second, ok, err := cache.TryLock(path)
	require.NoError(t, err)
	assert.True(t, ok)
	second.Free()
}

func TestWaitingForALockEndsWithTheContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	held, _, err := cache.TryLock(path)
	require.NoError(t, err)
	ctx, cancel := context.WithCancelCause(t.Context())
	because := errors.New("because")
	cancel(because)
	_, err = cache.WaitLock(ctx, path)
	assert.ErrorIs(t, err, because)

	held.Free()
	lock, err := cache.WaitLock(t.Context(), path)
	require.NoError(t, err)
	lock.Free()
}

func TestTheCacheIsWhereTheEnvironmentSays(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", "/x")
	t.Setenv("SARTOR_CACHE", "")
	dir, err := cache.Dir()
	require.NoError(t, err)
	assert.Equal(t, "/x/sartor", dir)
	t.Setenv("SARTOR_CACHE", "/y")
	dir, err = cache.Dir()
	require.NoError(t, err)
	assert.Equal(t, "/y", dir)
}
