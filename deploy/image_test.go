package deploy

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// There is no Docker to build images with where tests run: what can be wrong is held to what is compiled.
func TestImagesAreBuiltFromAllThatTheProgramsAreMadeOf(t *testing.T) {
	dockerfile, err := os.ReadFile("../Dockerfile")
	require.NoError(t, err)
	var copied []string
	for _, m := range regexp.MustCompile(`(?m)^COPY (\S+) \S+$`).FindAllSubmatch(dockerfile, -1) {
		copied = append(copied, string(m[1]))
	}
	ignored, err := os.ReadFile("../.dockerignore")
	require.NoError(t, err)
	const module = "github.com/sartor-vpa/sartor/"
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "../recommender", "../admission").Output()
	require.NoError(t, err)
	own := 0
	for name := range strings.Lines(string(out)) {
		path, ours := strings.CutPrefix(strings.TrimSpace(name), module)
		if !ours {
			continue
		}
		own++
		top, _, _ := strings.Cut(path, "/")
		require.True(t, slices.Contains(copied, top), "the Dockerfile has to copy %s, which %s is in", top, path)
		require.Contains(t, string(ignored), "\n!"+top+"\n")
	}
	require.Greater(t, own, 20)
}

func TestImagesAreCompiledByAGoThatMayCompileThem(t *testing.T) {
	dockerfile, err := os.ReadFile("../Dockerfile")
	require.NoError(t, err)
	mod, err := os.ReadFile("../go.mod")
	require.NoError(t, err)
	least := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(mod)
	require.NotNil(t, least)
	require.Regexp(t, ` golang:`+regexp.QuoteMeta(string(least[1]))+`\.[1-9]\d* AS build\n`, string(dockerfile))
}

// Every licence of what is compiled in asks that its text goes with each copy, and so with each image.
func TestImagesHoldTheLicencesOfWhatTheyAreMadeOf(t *testing.T) {
	dockerfile, err := os.ReadFile("../Dockerfile")
	require.NoError(t, err)
	ignored, err := os.ReadFile("../.dockerignore")
	require.NoError(t, err)
	// The stage base is both images'.
	_, base, found := strings.Cut(string(dockerfile), " AS base\n")
	require.True(t, found)
	base, _, found = strings.Cut(base, "\nFROM ")
	require.True(t, found)
	require.Contains(t, base, "COPY LICENSE third_party/licences.txt /licenses/")
	for _, path := range []string{"LICENSE", "third_party/licences.txt"} {
		require.FileExists(t, "../"+path)
		require.Contains(t, string(ignored), "\n!"+path+"\n")
	}
	require.Equal(t, 2, strings.Count(string(dockerfile), "\nFROM base AS "))
}
