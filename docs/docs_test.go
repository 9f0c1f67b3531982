// Package docs holds the documentation to the code.
package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// testsOfTheTree are the names of all tests in both modules.
func testsOfTheTree(t *testing.T) map[string]bool {
	names := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(text, -1) {
			names[string(m[1])] = true
		}
		return err
	})
	require.NoError(t, err)
	return names
}

func TestEveryDifferenceAndFaultNamesTestsThatExist(t *testing.T) {
	tests := testsOfTheTree(t)
	for _, file := range []string{"differences.md", "faults.md"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, name := range regexp.MustCompile(`\b(Test|Fuzz)\w+`).FindAllString(string(text), -1) {
			require.True(t, tests[name], "%s, in %s", name, file)
		}
	}
}

func TestLinksLeadSomewhere(t *testing.T) {
	for _, file := range []string{"../README.md", "../DESIGN.md", "../CHANGELOG.md", "../SECURITY.md", "concepts.md", "differences.md", "faults.md"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(string(text), -1) {
			require.FileExists(t, filepath.Join(filepath.Dir(file), m[1]), "in %s", file)
		}
	}
}
