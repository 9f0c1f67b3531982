// Package docs holds the documentation to the code.
package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
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
}

// others are flags of other programs than ours that the pages name: upstream's updater's.
var others = []string{"--min-replicas"}

func TestFlagsThatPagesNameAreThere(t *testing.T) {
	flags, err := os.ReadFile("flags.md")
	require.NoError(t, err)
	named, missing := 0, []string(nil)
	for _, page := range []string{"../README.md", "annotations.md", "autoscaling.md", "concepts.md", "prometheus.md", "sizing.md", "troubleshooting.md"} {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile("`(--(?:[a-z]+-)+[a-z]+)").FindAllStringSubmatch(string(text), -1) {
			named++
			if !slices.Contains(others, m[1]) && !strings.Contains(string(flags), "| `"+m[1]+"`") {
				missing = append(missing, m[1]+" in "+page)
			}
		}
	}
	require.Empty(t, missing, "there are no such flags")
	require.Greater(t, named, 40)
}

// pages are all documents that people read, by their paths from here.
func pages(t *testing.T) []string {
	found, err := filepath.Glob("../*.md")
	require.NoError(t, err)
	for _, folder := range []string{".", "../deploy"} {
		require.NoError(t, filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
			if strings.HasSuffix(path, ".md") {
				found = append(found, path)
			}
			return err
		}))
	}
	require.Greater(t, len(found), 30)
	return found
}

// anchors are what links to a page may have after #: its headings, as GitHub makes them.
func anchors(t *testing.T, page string) []string {
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	var all []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(string(text), -1) {
		plain := regexp.MustCompile(`[^\w\- ]`).ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, strings.ReplaceAll(plain, " ", "-"))
	}
	return all
}

func TestLinksLeadSomewhere(t *testing.T) {
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`\]\(([^)#:]*)(?:#([^):]+))?\)`).FindAllStringSubmatch(string(text), -1) {
			to := page
			if m[1] != "" {
				to = filepath.Join(filepath.Dir(page), m[1])
			}
			require.FileExists(t, to, "in %s", page)
			if m[2] != "" {
				require.Contains(t, anchors(t, to), m[2], "%s links to %s", page, m[0])
			}
		}
	}
}

// The tables in the charts' READMEs name values that there are.
func TestTheChartsPagesNameTheirValues(t *testing.T) {
	for _, chart := range []string{"sartor", "service"} {
		folder := filepath.Join("..", "deploy", "charts", chart)
		text, err := os.ReadFile(filepath.Join(folder, "values.yaml"))
		require.NoError(t, err)
		var values map[string]any
		require.NoError(t, yaml.Unmarshal(text, &values))
		page, err := os.ReadFile(filepath.Join(folder, "README.md"))
		require.NoError(t, err)
		rows := regexp.MustCompile("(?m)^\\| (`.+?`) \\|").FindAllStringSubmatch(string(page), -1)
		require.Greater(t, len(rows), 5)
		for _, row := range rows {
			for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
				var at any = values
				for _, key := range strings.Split(name[1], ".") {
					fields, _ := at.(map[string]any)
					require.Contains(t, fields, key, "%s, in the table of the chart %s", name[1], chart)
					at = fields[key]
				}
			}
		}
	}
}
