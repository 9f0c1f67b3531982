// Package contributing holds what people are told to run to the Makefile. Tests only.
package contributing

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// read is a file at the top of the tree.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", name))
	require.NoError(t, err)
	return string(text)
}

// matches are what the first group of a pattern matched, in the text's order.
func matches(text, pattern string) []string {
	var all []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

func TestPhasesAreToldInTheOrderInWhichTheyRun(t *testing.T) {
	ran := matches(read(t, "Makefile"), `(?m)^\t@\$\(PHASE\) ([a-z0-9-]+) `)
	require.Greater(t, len(ran), 8)
	_, table, found := strings.Cut(read(t, "CONTRIBUTING.md"), "| phase | seconds | what it shows |\n| --- | --- | --- |\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n\n")
	require.Equal(t, ran, matches(table, `(?m)^\| ([a-z0-9-]+) \| \d+ \| `))
}

func TestWhatOneIsToldToMakeCanBeMadeAndHasHelp(t *testing.T) {
	// As the target help prints it.
	targets := matches(read(t, "Makefile"), `(?m)^([a-z0-9-]+):.*## `)
	for _, name := range []string{"CONTRIBUTING.md", "README.md", "SECURITY.md", "DESIGN.md"} {
		told := matches(read(t, name), "(?m)(?:`|^    )(?:[A-Z]+=\\S+ )*make ([a-z][a-z0-9-]*)")
		for _, target := range told {
			require.Contains(t, targets, target, name)
		}
	}
	require.Greater(t, len(matches(read(t, "CONTRIBUTING.md"), "`make ([a-z][a-z0-9-]*)")), 5)
}

func TestFilesThatOneIsToldOfAreThere(t *testing.T) {
	text := read(t, "CONTRIBUTING.md")
	links := matches(text, `\]\(([^)#]+)(?:#[a-z-]+)?\)`)
	require.NotEmpty(t, links)
	for _, link := range links {
		require.FileExists(t, filepath.Join("..", "..", "..", filepath.FromSlash(link)))
	}
	for _, anchor := range matches(text, `\]\(DESIGN\.md#([a-z-]+)\)`) {
		require.Regexp(t, `(?mi)^## `+anchor+`$`, read(t, "DESIGN.md"))
	}
	for _, dir := range matches(text, `(?:go test|golangci-lint run)[^\n]* (\./[a-z/]+[a-z])`) {
		require.DirExists(t, filepath.Join("..", "..", "..", filepath.FromSlash(strings.Replace(dir, "./scenarios", "e2e/scenarios", 1))))
	}
}
