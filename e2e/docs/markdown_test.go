package docs

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/install"
)

// command is one of the documentation.
type command struct {
	file string // below the tree's top
	line int
	text string // has several lines if they end with \ or bring a here document
	// shown is what it prints by the documentation; nil where that says nothing.
	shown []string
	// scene is what a comment says; "" where none does.
	scene string
}

// plays is the scene on which it is run.
func (c command) plays() string { return cmp.Or(c.scene, "demo") }

func (c command) String() string { return fmt.Sprintf("%s:%d: %s", c.file, c.line, c.text) }

// block is a piece of a document that is no prose.
type block struct {
	line     int // of its first line, from 1
	language string
	scene    string
	lines    []string
}

var (
	fence = regexp.MustCompile("^( *)```(.*)$")
	scene = regexp.MustCompile(`^ *<!-- scene: ([a-z-]+) -->$`)
	// field begins a line of YAML, or of what a program says of something.
	field = regexp.MustCompile(`^[-\w ]+:( |$)`)
)

// blocks finds a document's.
func blocks(text string) []block {
	var all []block
	var open *block
	fenced, margin, next, blank := false, "", "", true
	for i, line := range strings.Split(text, "\n") {
		mark, indented := fence.FindStringSubmatch(line), strings.HasPrefix(line, "    ")
		switch {
		case fenced && mark != nil:
			fenced, open = false, nil
		case fenced:
			open.lines = append(open.lines, strings.TrimPrefix(line, margin))
		case mark != nil:
			all = append(all, block{line: i + 2, language: mark[2], scene: next})
			fenced, margin, open, next = true, mark[1], &all[len(all)-1], ""
		case indented && open != nil:
			open.lines = append(open.lines, line[4:])
		case indented && blank:
			all = append(all, block{line: i + 1, language: "indented", scene: next, lines: []string{line[4:]}})
			open, next = &all[len(all)-1], ""
		case scene.MatchString(line):
			next = scene.FindStringSubmatch(line)[1]
		default:
			open = nil
		}
		blank = strings.TrimSpace(line) == "" || blank && scene.MatchString(line)
	}
	return all
}

// languages are those of blocks, and whether they are commands.
var languages = map[string]bool{"sh": true, "console": true, "yaml": false, "json": false, "text": false, "promql": false, "go": false}

// commandsOf are those of a document.
func commandsOf(file, text string) ([]command, error) {
	var all []command
	for _, b := range blocks(text) {
		if b.language == "indented" {
			b.language = "sh"
			if slices.ContainsFunc(b.lines, field.MatchString) {
				b.language = "text"
			}
		}
		is, known := languages[b.language]
		if !known {
			return nil, fmt.Errorf("%s:%d: a block in %q: say sh or console for commands, else yaml, json, promql, go or text", file, b.line, b.language)
		}
		if is {
			all = append(all, b.commands(file)...)
		}
	}
	return all, nil
}

// commands of a block that has some.
func (b block) commands(file string) []command {
	var all []command
	for i, line := range b.lines {
		if n := len(all); n > 0 && all[n-1].shown == nil && unfinished(all[n-1].text) {
			all[n-1].text += "\n" + line
			continue
		}
		text, prompt := line, true
		if b.language == "console" {
			text, prompt = strings.CutPrefix(line, "$ ")
		}
		switch {
		case !prompt && len(all) > 0:
			last := &all[len(all)-1]
			last.shown = append(last.shown, line)
		case prompt && text != "" && !strings.HasPrefix(text, "#"):
			all = append(all, command{file: file, line: b.line + i, text: text, scene: b.scene})
		}
	}
	return all
}

var heredoc = regexp.MustCompile(`<<'?(\w+)'?`)

// unfinished reports whether a shell would read on: a here document is open, or a quote, or a line goes on.
func unfinished(text string) bool {
	first, rest, _ := strings.Cut(text, "\n")
	if m := heredoc.FindStringSubmatch(first); m != nil {
		return !slices.Contains(strings.Split(rest, "\n"), m[1])
	}
	var open rune
	for i, c := range text {
		switch {
		case c == open:
			open = 0
		case open == 0 && c == '#' && i > 0 && text[i-1] == ' ':
			return false // a remark
		case open == 0 && (c == '\'' || c == '"'):
			open = c
		}
	}
	return open != 0 || strings.HasSuffix(text, `\`)
}

// documents are all that users read, below the tree's top, by name.
func documents(t *testing.T) []string {
	root, err := install.Root()
	require.NoError(t, err)
	var files []string
	for _, begin := range []string{"README.md", "SECURITY.md", "CONTRIBUTING.md", "docs", "deploy"} {
		err := filepath.WalkDir(filepath.Join(root, begin), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".md") {
				return err
			}
			name, err := filepath.Rel(root, path)
			files = append(files, name)
			return err
		})
		if !errors.Is(err, fs.ErrNotExist) {
			require.NoError(t, err)
		}
	}
	return files
}

// yamls are the documentation's blocks of YAML, by where they stand.
func yamls(t *testing.T) map[string]string {
	root, err := install.Root()
	require.NoError(t, err)
	found := map[string]string{}
	for _, file := range documents(t) {
		text, err := os.ReadFile(filepath.Join(root, file))
		require.NoError(t, err)
		for _, b := range blocks(string(text)) {
			if b.language == "yaml" {
				found[fmt.Sprintf("%s:%d", file, b.line)] = strings.Join(b.lines, "\n") + "\n"
			}
		}
	}
	return found
}

// all are the documentation's commands, in the order in which they stand there.
func all(t *testing.T) []command {
	root, err := install.Root()
	require.NoError(t, err)
	var commands []command
	for _, file := range documents(t) {
		text, err := os.ReadFile(filepath.Join(root, file))
		require.NoError(t, err)
		found, err := commandsOf(file, string(text))
		require.NoError(t, err)
		commands = append(commands, found...)
	}
	return commands
}
