package programs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheKeyFollowsFromAllThatTheProgramsFollowFrom(t *testing.T) {
	write := func(dir, name, text string) {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	base := func() string {
		dir := t.TempDir()
		write(dir, "go.mod", "module x\n\ngo 1.26.0\n\nrequire (\n\tk8s.io/kubernetes v1.36.3\n)\n")
		write(dir, "go.sum", "sums\n")
		write(dir, "kubernetes/main.go", "package main\n")
		return dir
	}
	key := func(dir string) string {
		m, err := readModule(t.Context(), dir, "k8s.io/kubernetes")
		require.NoError(t, err)
		return m.id()
	}
	same := key(base())
	assert.True(t, strings.HasPrefix(same, "v1.36.3-"), same)
	assert.Equal(t, same, key(base()), "another folder with the same files")
	for name, text := range map[string]string{
		"go.mod":             "module x\n\ngo 1.26.0\n\nrequire (\n\tk8s.io/kubernetes v1.36.4\n)\n",
		"go.sum":             "other sums\n",
		"kubernetes/main.go": "package main // changed\n",
	} {
		dir := base()
		write(dir, name, text)
		assert.NotEqual(t, same, key(dir), name)
	}
}

func TestOurModulesAreFoundAndNameTheirVersions(t *testing.T) {
	dir, err := sourceDir()
	require.NoError(t, err)
	m, err := readModule(t.Context(), dir, "k8s.io/kubernetes")
	require.NoError(t, err)
	assert.Regexp(t, `^v1\.\d+\.\d+$`, m.version)
	p, err := prometheusModule(t.Context())
	require.NoError(t, err)
	assert.Regexp(t, `^v0\.\d+\.\d+$`, p.version)
	u, err := upstreamModule(t.Context())
	require.NoError(t, err)
	assert.Contains(t, requirements(t), upstreamPath+" "+u.version, "the programs and the oracle are of one release")
}

// requirements is the go.mod that the tests' oracle follows from.
func requirements(t *testing.T) string {
	dir, err := sourceDir()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(dir, "..", "go.mod"))
	require.NoError(t, err)
	return string(text)
}

func TestWithoutGoTheErrorSaysWhatToDo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Kubernetes(t.Context(), func(string, ...any) {})
	assert.ErrorContains(t, err, "no go in PATH")
	assert.ErrorContains(t, err, "https://go.dev/dl")
}

func TestTwoAtOnceBuildOnce(t *testing.T) {
	t.Setenv("SARTOR_CACHE", t.TempDir())
	var builds atomic.Int32
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			dir, err := ensure(t.Context(), "thing", t.Logf, func(_ context.Context, dir string) error {
				builds.Add(1)
				return os.WriteFile(filepath.Join(dir, "program"), nil, 0o755)
			})
			assert.NoError(t, err)
			assert.FileExists(t, filepath.Join(dir, "program"))
		})
	}
	wg.Wait()
	assert.EqualValues(t, 1, builds.Load())
}

func TestAFailedBuildLeavesNothingThatLooksBuilt(t *testing.T) {
	t.Setenv("SARTOR_CACHE", t.TempDir())
	broken := errors.New("broken")
	_, err := ensure(t.Context(), "thing", t.Logf, func(_ context.Context, dir string) error {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "half"), nil, 0o755))
		return broken
	})
	require.ErrorIs(t, err, broken)
	dir, err := ensure(t.Context(), "thing", t.Logf, func(_ context.Context, dir string) error { return nil })
	require.NoError(t, err)
	assert.NoFileExists(t, filepath.Join(dir, "half"))
}

func TestABuildReportsHowFarItIs(t *testing.T) {
	var c counter
	_, _ = c.Write([]byte("go: downloading k8s.io/api v1\ngo: downloading k8s.io/x v1\n"))
	assert.Equal(t, "2 modules downloaded", c.String())
	_, _ = c.Write([]byte("unicode\nstrings\nbytes\n"))
	assert.Equal(t, "3 packages compiled", c.String())
}
