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

// testsOfTheTree are the names of all tests, by the folders in which they are, with "" for anywhere.
func testsOfTheTree(t *testing.T) map[string]map[string]bool {
	names := map[string]map[string]bool{"": {}}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		folder := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "../")
		if names[folder] == nil {
			names[folder] = map[string]bool{}
		}
		for _, m := range declared.FindAllSubmatch(text, -1) {
			names[folder][string(m[1])], names[""][string(m[1])] = true, true
		}
		return err
	})
	require.NoError(t, err)
	return names
}

// A row names its tests as `folder`: `Test...`, `Test...`; `folder`: and so on.
func TestEveryDifferenceAndFaultNamesTestsThatExist(t *testing.T) {
	tests := testsOfTheTree(t)
	token := regexp.MustCompile("`([^`]+)`")
	for _, file := range []string{"differences.md", "faults.md"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			folder, cells := "", strings.Split(line, " | ")
			for _, m := range token.FindAllStringSubmatch(cells[len(cells)-1], -1) {
				switch {
				case regexp.MustCompile(`^(Test|Fuzz)\w+$`).MatchString(m[1]):
					require.True(t, tests[folder][m[1]], "%s is no test of %q, in %s: %s", m[1], folder, file, line)
				case tests[m[1]] != nil:
					folder = m[1]
				}
			}
		}
	}
}

// A fault without a test is told as one.
func TestEveryFaultNamesATest(t *testing.T) {
	text, err := os.ReadFile("faults.md")
	require.NoError(t, err)
	rows := regexp.MustCompile(`(?m)^\| [^-].*\|$`).FindAllString(string(text), -1)
	require.Greater(t, len(rows), 50)
	for _, row := range rows {
		if !strings.HasPrefix(row, "| fault |") && !strings.Contains(row, "| no test; ") {
			require.Regexp(t, "`(Test|Fuzz)\\w+`", row)
		}
	}
}

// What troubleshooting quotes is what the programs say, and its metrics are those that they serve.
func TestTroubleshootingQuotesThePrograms(t *testing.T) {
	text, err := os.ReadFile("troubleshooting.md")
	require.NoError(t, err)
	var said strings.Builder
	require.NoError(t, filepath.WalkDir("../e2e/scenarios/testdata", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		golden, err := os.ReadFile(path)
		said.Write(golden)
		return err
	}))
	quotes := regexp.MustCompile(`(?m)^> (.+)$`).FindAllStringSubmatch(string(text), -1)
	require.Greater(t, len(quotes), 8)
	for _, quote := range quotes {
		require.Contains(t, said.String(), quote[1])
	}
	metrics, err := os.ReadFile("../deploy/monitoring/README.md")
	require.NoError(t, err)
	for _, name := range regexp.MustCompile(`\b(?:vpa|sartor)_[a-z]+_[a-z_]+[a-z]\b`).FindAllString(string(text), -1) {
		require.Contains(t, string(metrics), "`"+name, name)
	}
	flags, err := os.ReadFile("flags.md")
	require.NoError(t, err)
	for _, name := range regexp.MustCompile("`(--(?:[a-z]+-)+[a-z]+)").FindAllStringSubmatch(string(text), -1) {
		require.Contains(t, string(flags), "| `"+name[1]+"`")
	}
}

func TestLinksLeadSomewhere(t *testing.T) {
	for _, file := range []string{"../README.md", "../DESIGN.md", "../CHANGELOG.md", "../SECURITY.md", "concepts.md", "differences.md", "faults.md", "migration.md", "troubleshooting.md", "runbooks/README.md", "../deploy/monitoring/README.md"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(string(text), -1) {
			require.FileExists(t, filepath.Join(filepath.Dir(file), m[1]), "in %s", file)
		}
	}
}
