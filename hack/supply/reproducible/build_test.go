// Package reproducible holds the build to giving the same bytes wherever it is made. Tests only.
package reproducible

import (
	"crypto/sha256"
	"debug/buildinfo"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	tag = "v9.9.9"
	// The commit's time, in a zone that is not the one that it is told in.
	date, dateToldAs = "2026-11-22T08:00:00 +0900", "2026-11-21T23:00:00Z"
)

// programs are what make build makes.
var programs = []string{"recommender", "admission"}

// run runs a command in a folder, with more environment, and returns what it prints.
func run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	// Whatever this machine sets in GOFLAGS, the build has to be the same without. What the Makefile takes from outside is the
	// repository's here.
	inherited := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains([]string{"VERSION", "COMMIT", "DATE", "GOOS", "GOARCH", "GO", "MAKEFLAGS"}, name)
	})
	cmd.Env = append(append(inherited, "PWD="+dir, "GOFLAGS="), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s %s: %s", name, args, &stderr)
	return strings.TrimSpace(string(out))
}

// copied copies some files and folders of the tree, without those that leave says.
func copied(t *testing.T, from, to string, leave func(path string) bool, names ...string) {
	t.Helper()
	for _, name := range names {
		require.NoError(t, filepath.WalkDir(filepath.Join(from, name), func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			relative, err := filepath.Rel(from, path)
			if err != nil || leave(relative) || e.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			target := filepath.Join(to, relative)
			if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
				return err
			}
			return os.WriteFile(target, content, 0o644)
		}))
	}
}

// checkout makes a repository of the tree as it is, with one commit and one tag, and returns its folder.
func checkout(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "checkout")
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	copied(t, root, dir, func(string) bool { return false }, "Makefile", "Dockerfile", "LICENSE", "go.mod", "go.sum", "recommender", "admission", "pkg", "third_party")
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".gitignore"), []byte("/bin/\n"), 0o600))
	who := []string{
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.org",
		"GIT_AUTHOR_DATE=" + date, "GIT_COMMITTER_DATE=" + date, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "--all"}, {"commit", "-q", "-m", "all"}, {"tag", tag}} {
		run(t, dir, who, "git", args...)
	}
	return dir
}

// sums are the programs' SHA-256 sums.
func sums(t *testing.T, bin string) map[string][32]byte {
	t.Helper()
	all := map[string][32]byte{}
	for _, name := range programs {
		program, err := os.ReadFile(filepath.Join(bin, name))
		require.NoError(t, err)
		require.Greater(t, len(program), 10_000_000)
		all[name] = sha256.Sum256(program)
	}
	return all
}

// Builds differ in their folder, its name's length, who asks (home, locale, umask), the zone of the clock and the minute, where the
// modules lie, whether there is a repository, and whether there are tests. The compiler is the same, and so is its cache, but where
// SARTOR_COLD_CACHE is set: then one build compiles everything anew, which takes minutes.
func TestABuildIsTheSameToTheByteWhereverItIsMade(t *testing.T) {
	first := checkout(t)
	run(t, first, nil, "make", "build")
	want := sums(t, filepath.Join(first, "bin"))

	t.Run("it says which it is", func(t *testing.T) {
		commit := run(t, first, nil, "git", "rev-parse", "HEAD")
		for _, name := range programs {
			require.Contains(t, run(t, first, nil, filepath.Join(first, "bin", name), "--version"), tag+", commit "+commit+" of "+dateToldAs+", go")
		}
	})

	t.Run("in another checkout by somebody else", func(t *testing.T) {
		second := filepath.Join(t.TempDir(), "elsewhere", "and", "deeper")
		run(t, first, nil, "git", "clone", "-q", first, second)
		modules := filepath.Join(t.TempDir(), "modules")
		require.NoError(t, os.Symlink(run(t, first, nil, "go", "env", "GOMODCACHE"), modules))
		cache := run(t, first, nil, "go", "env", "GOCACHE")
		if os.Getenv("SARTOR_COLD_CACHE") != "" {
			cache = t.TempDir()
		}
		env := []string{"TZ=Asia/Tokyo", "LC_ALL=C", "HOME=" + t.TempDir(), "GOMODCACHE=" + modules, "GOCACHE=" + cache, "GOTELEMETRY=off"}
		run(t, second, env, "bash", "-c", "umask 077 && make build")
		require.Equal(t, want, sums(t, filepath.Join(second, "bin")))
	})

	t.Run("in an image", func(t *testing.T) {
		require.Equal(t, want, sums(t, asInTheImage(t, first)))
	})

	t.Run("its bill of materials names every module", func(t *testing.T) { bills(t, first) })
}

// asInTheImage does what Dockerfile's RUN does, with what it has copied and what make image-args tells, and returns the folder of the
// programs.
func asInTheImage(t *testing.T, tree string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(tree, "Dockerfile"))
	require.NoError(t, err)
	dockerfile := strings.ReplaceAll(string(text), "\\\n", " ")
	build := regexp.MustCompile(`(?m)^RUN (.* go build .*) -o /out/ (.*)$`).FindStringSubmatch(dockerfile)
	require.NotNil(t, build, dockerfile)

	dir, out := t.TempDir(), t.TempDir()
	var parts []string
	for _, m := range regexp.MustCompile(`(?m)^COPY (\w+) (\w+)$`).FindAllStringSubmatch(dockerfile, -1) {
		require.Equal(t, m[1], m[2])
		parts = append(parts, m[1])
	}
	tests := func(path string) bool {
		return strings.HasSuffix(path, "_test.go") || strings.Contains(path, "/testdata/")
	}
	copied(t, tree, dir, tests, append(parts, "go.mod", "go.sum")...)

	args := run(t, tree, []string{"TZ=America/New_York"}, "make", "-s", "image-args")
	env := []string{"TARGETOS=", "TARGETARCH="}
	for _, m := range regexp.MustCompile(`--build-arg (\w+=\S*)`).FindAllStringSubmatch(args, -1) {
		env = append(env, m[1])
	}
	require.Len(t, env, 5, args)
	run(t, dir, env, "sh", "-c", build[1]+" -o "+out+"/ "+build[2])
	return out
}

// bills writes the programs' bills of materials, twice, and compares them with what the programs say.
func bills(t *testing.T, tree string) {
	module, err := filepath.Abs("..")
	require.NoError(t, err)
	var files []string
	for _, name := range programs {
		files = append(files, filepath.Join(tree, "bin", name))
	}
	args := append([]string{"run", "./cmd/sbom", "-root", tree, "-version", tag, "-date", dateToldAs}, files...)
	var written [2]string
	for i := range written {
		run(t, module, []string{"TZ=Asia/Tokyo"}, "go", args...)
		for _, file := range files {
			text, err := os.ReadFile(file + ".cdx.json")
			require.NoError(t, err)
			written[i] += string(text)
		}
	}
	require.Equal(t, written[0], written[1])
	for _, file := range files {
		info, err := buildinfo.ReadFile(file)
		require.NoError(t, err)
		require.Greater(t, len(info.Deps), 50)
		text, err := os.ReadFile(file + ".cdx.json")
		require.NoError(t, err)
		for _, m := range info.Deps {
			require.Contains(t, string(text), `"purl": "pkg:golang/`+m.Path+"@"+m.Version+`"`)
		}
		require.Equal(t, len(info.Deps)+2, strings.Count(string(text), `"purl": `), "the modules, Go's standard library, and the program")
		require.Equal(t, len(info.Deps)+2, strings.Count(string(text), `"licenses": `), "each has one")
	}
}
