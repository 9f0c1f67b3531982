// Package licence tells under which licences modules are, out of their own files, and whether we may ship them.
package licence

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	classifier "github.com/google/licenseclassifier/v2"
	"github.com/google/licenseclassifier/v2/assets"
)

// Allowed are the licences of what may be compiled into the programs, by their SPDX identifiers, and why they may.
//
// The Mozilla Public License and its like are not among them: whoever ships a binary has to offer the source of what is under
// it. That can be done, and is to be decided when there is a module that is worth it.
var Allowed = map[string]string{
	"Apache-2.0":   "the project's own; its text and the authors' notices go with each copy",
	"BSD-2-Clause": "its text and the copyright go with each copy",
	"BSD-3-Clause": "the same, and nobody may advertise with the authors' names",
	"ISC":          "its text and the copyright go with each copy",
	"MIT":          "its text and the copyright go with each copy",
}

const (
	// least is how much of a text has to be a known licence's, or the words by which files name theirs: the rest is authors'
	// own names within it. Of all that we ship, 0.929 is the least.
	least = 0.92
	// mostWords is how many words a file may have that are of no known licence: titles, and which file is under which. Of all
	// that we ship, 97 are the most. A shorter clause that takes back what a licence gives is seen where the text changes, in
	// third_party/licences.txt.
	mostWords = 120
)

var (
	// licenceFile are names of files that say what one may do.
	licenceFile = regexp.MustCompile(`(?i)^(un)?(licen[cs]es?|copying|copyright)([-._].*)?$`)
	// noticeFile are names of files that go with the licence, and need no telling what they are.
	noticeFile = regexp.MustCompile(`(?i)^(notice|patents)([-._].*)?$`)
	// program are endings of files that are no text, whatever their name.
	program = []string{".go", ".sh", ".py", ".json", ".tmpl", ".tpl"}
)

// Text is a file that says under which terms a module is.
type Text struct {
	// Path is relative to the module's folder, with slashes.
	Path string
	// Content is as it was published.
	Content string
}

// Finding is what a module's files say.
type Finding struct {
	Module
	// Licences are their identifiers, sorted: SPDX's, where SPDX knows them. All of them hold at once.
	Licences []string
	// Texts are the files, sorted by path; they have to go with each copy.
	Texts []Text
	// Problem is why it may not be shipped, and what can be done; empty if it may.
	Problem string
}

// Classifier knows licences by their texts. Its methods may not be called at once.
type Classifier struct {
	known *classifier.Classifier
	read  map[string]reading
}

// reading is what is in a text.
type reading struct {
	licences []string
	others   int // words that are of no known licence
}

// NewClassifier reads the texts of the licences that there are; a matter of seconds.
func NewClassifier() (*Classifier, error) {
	known, err := assets.DefaultClassifier()
	if err != nil {
		return nil, fmt.Errorf("read the known licences: %w", err)
	}
	return &Classifier{known: known, read: map[string]reading{}}, nil
}

// Find reads the licences of a module: those in its top folder, and those between there and each package that is compiled,
// which is where code is that was taken from elsewhere.
func (c *Classifier) Find(m Module) (Finding, error) {
	f := Finding{Module: m}
	folders, err := foldersOf(m)
	if err != nil {
		return f, err
	}
	for _, dir := range folders {
		texts, err := textsIn(m.Dir, dir)
		if err != nil {
			return f, fmt.Errorf("read the licences of module %s: %w", m.Path, err)
		}
		f.Texts = append(f.Texts, texts...)
	}
	var unknown []string
	for _, text := range f.Texts {
		if !licenceFile.MatchString(filepath.Base(text.Path)) {
			continue
		}
		r := c.readText(text.Content)
		f.Licences = append(f.Licences, r.licences...)
		if len(r.licences) == 0 || r.others > mostWords {
			unknown = append(unknown, filepath.Join(m.Dir, filepath.FromSlash(text.Path)))
		}
	}
	slices.Sort(f.Licences)
	f.Licences = slices.Compact(f.Licences)
	f.Problem = problem(f, unknown)
	return f, nil
}

// problem says why a module may not be shipped. unknown are the paths of files that hold what no known licence says.
func problem(f Finding, unknown []string) string {
	const remedy = "take another module, or have it decided and add it to Allowed in hack/supply/licence, with the reason"
	var refused []string
	for _, id := range f.Licences {
		if Allowed[id] == "" {
			refused = append(refused, id)
		}
	}
	switch name := strings.TrimSpace(f.Path + " " + f.Version); {
	case len(unknown) > 0:
		return fmt.Sprintf("module %s: %s is no licence that is known, or one with terms added: read it; %s", name, strings.Join(unknown, " and "), remedy)
	case len(f.Licences) == 0:
		return fmt.Sprintf("module %s: there is no licence in %s, and what has none may not be copied: %s", name, f.Dir, remedy)
	case len(refused) > 0:
		return fmt.Sprintf("module %s: %s (in %s) is not among the allowed licences: %s", name, strings.Join(refused, " and "), f.Dir, remedy)
	}
	return ""
}

// foldersOf are a module's folders that can hold licences of what is compiled, sorted.
func foldersOf(m Module) ([]string, error) {
	found := map[string]bool{m.Dir: true}
	if m.Path == "std" {
		return []string{m.Dir}, nil // one licence for all of it
	}
	for _, dir := range m.Packages {
		if within, err := filepath.Rel(m.Dir, dir); err != nil || strings.HasPrefix(within, "..") {
			return nil, fmt.Errorf("module %s: its package in %s is not within %s", m.Path, dir, m.Dir)
		}
		for ; !found[dir]; dir = filepath.Dir(dir) {
			found[dir] = true
		}
	}
	folders := make([]string, 0, len(found))
	for dir := range found {
		folders = append(folders, dir)
	}
	slices.Sort(folders)
	return folders, nil
}

// textsIn reads the files in a folder that say under which terms it is, sorted by name.
func textsIn(top, dir string) ([]Text, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w; go mod download fetches it", err)
	} else if err != nil {
		return nil, err
	}
	var texts []Text
	for _, e := range entries {
		name := e.Name()
		if !e.Type().IsRegular() || !licenceFile.MatchString(name) && !noticeFile.MatchString(name) || slices.Contains(program, filepath.Ext(name)) {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		path, err := filepath.Rel(top, filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		texts = append(texts, Text{Path: filepath.ToSlash(path), Content: string(content)})
	}
	return texts, nil
}

// readText tells which licences a text has or names, one for each time, and how much else.
func (c *Classifier) readText(content string) reading {
	if r, ok := c.read[content]; ok {
		return r
	}
	var r reading
	lines := strings.Split(content, "\n")
	for _, match := range c.known.Match([]byte(content)).Matches {
		if match.MatchType != "Copyright" {
			if match.Confidence < least {
				continue
			}
			r.licences = append(r.licences, match.Name)
		}
		for i := max(match.StartLine, 1); i <= min(match.EndLine, len(lines)); i++ {
			lines[i-1] = ""
		}
	}
	r.others = len(strings.Fields(strings.Join(lines, "\n")))
	c.read[content] = r
	return r
}
