package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// literals are the strings in the code below a folder, without tests' and without paths of imports.
func literals(t *testing.T, folder string) []string {
	var all []string
	require.NoError(t, filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if _, is := n.(*ast.ImportSpec); is {
				return false
			}
			if literal, is := n.(*ast.BasicLit); is && literal.Kind == token.STRING {
				text, err := strconv.Unquote(literal.Value)
				require.NoError(t, err)
				all = append(all, text)
			}
			return true
		})
		return nil
	}))
	return all
}

func annotationsPage(t *testing.T) string {
	text, err := os.ReadFile("annotations.md")
	require.NoError(t, err)
	return string(text)
}

// ours are annotations and labels of this project, in code or manifests.
var ours = regexp.MustCompile(`\bsartor\.dev/[a-z-]+`)

func TestEveryAnnotationAndLabelOfOursIsOnThePage(t *testing.T) {
	found := map[string]bool{}
	for _, folder := range []string{"../recommender", "../admission", "../pkg"} {
		for _, literal := range literals(t, folder) {
			for _, name := range ours.FindAllString(literal, -1) {
				found[name] = true
			}
		}
	}
	require.NoError(t, filepath.WalkDir("../deploy", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		for _, name := range ours.FindAllString(string(text), -1) {
			found[name] = true
		}
		return err
	}))
	require.Greater(t, len(found), 10)
	page := annotationsPage(t)
	var missing []string
	for name := range found {
		if !strings.Contains(page, "| `"+name+"` |") {
			missing = append(missing, name)
		}
	}
	require.Empty(t, missing, "they are not on the page")
	for _, name := range regexp.MustCompile("(?m)^\\| `("+ours.String()+")` \\|").FindAllStringSubmatch(page, -1) {
		require.True(t, found[name[1]], "%s is on the page, and nothing knows it", name[1])
	}
}

// noReasons are other words of the loop that are written like reasons: the steps of a round, as a metric names them, and a
// line of the log.
var noReasons = []string{"LoadVPAs", "LoadPods", "LoadMetrics", "UpdateVPAs", "MaintainCheckpoints", "Published"}

// Types and reasons of conditions and events are the words of the loop that begin with a capital letter.
func TestEveryConditionReasonAndEventIsOnThePage(t *testing.T) {
	page := annotationsPage(t)
	word := regexp.MustCompile(`^[A-Z][A-Za-z]{3,}$`)
	var words []string
	for _, literal := range literals(t, "../recommender/loop") {
		if word.MatchString(literal) {
			words = append(words, literal)
		}
	}
	for _, step := range noReasons {
		require.Contains(t, words, step, "the loop does not say it any more")
	}
	require.Greater(t, len(words), 30)
	var missing []string
	for _, word := range words {
		if !slices.Contains(noReasons, word) && !strings.Contains(page, "`"+word+"`") {
			missing = append(missing, word)
		}
	}
	require.Empty(t, missing, "they are not on the page")
	tables := page[strings.Index(page, "## Conditions"):]
	for _, name := range regexp.MustCompile("`([A-Z][A-Za-z]{3,})`").FindAllStringSubmatch(tables, -1) {
		if name[1] != "NoPodsMatched" && name[1] != "LowConfidence" { // upstream's constants
			require.Contains(t, words, name[1], "it is on the page, and the loop does not say it")
		}
	}
}
