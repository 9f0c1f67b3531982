package docs

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// known are what commands may begin with. Our own, kubectl, helm and promtool are built or fetched; the rest is the machine's.
var known = []string{"kubectl", "helm", "promtool", "recommender", "curl"}

// left are commands that are not run here, by what they begin with, in files of a pattern ("": any).
var left = []struct{ file, begins, why string }{
	{"", "make ", "a target of the Makefile: this test is part of one, and has a cluster of its own"},
	{"", "docker ", "needs Docker; deploy's tests hold the Dockerfile to the tree"},
	{"CONTRIBUTING.md", "", "builds, tests and releases this tree, as make test and CI do"},
	{"docs/migration.md", "", "the test of the migration in e2e/scenarios runs these, with upstream's own programs"},
}

// unlike are files, by pattern, whose commands are run and whose output is not compared, unless they have a scene of their own.
var unlike = []struct{ file, why string }{
	{"docs/runbooks/*.md", "what is shown is of a cluster in trouble, and this one is well"},
}

// matches reports whether a file is of a pattern.
func matches(pattern, file string) bool {
	ok, err := filepath.Match(pattern, file)
	return pattern == "" || err == nil && ok
}

// reason is why a command is not run; "" if it is.
func (c command) reason() string {
	for _, l := range left {
		if matches(l.file, c.file) && strings.HasPrefix(c.text, l.begins) {
			return l.why
		}
	}
	return ""
}

// compared reports whether what it prints has to be what is shown.
func (c command) compared() bool {
	return c.shown != nil && (c.scene != "" || !slices.ContainsFunc(unlike, func(u struct{ file, why string }) bool { return matches(u.file, c.file) }))
}

func TestEveryCommandIsRunOrThereIsAReasonWhyNot(t *testing.T) {
	commands := all(t)
	require.NotEmpty(t, commands)
	for _, c := range commands {
		if c.reason() == "" {
			program, _, _ := strings.Cut(c.text, " ")
			require.Contains(t, known, program, "%s: it is neither run nor left: see known and left", c)
			require.True(t, slices.ContainsFunc(scenes, func(s act) bool { return s.name == c.plays() }), "%s: there is no scene %q", c, c.plays())
		}
	}
	for _, l := range left {
		require.True(t, slices.ContainsFunc(commands, func(c command) bool { return c.reason() == l.why }), "no command is left because %s", l.why)
	}
	for _, u := range unlike {
		require.True(t, slices.ContainsFunc(commands, func(c command) bool { return matches(u.file, c.file) }), "%s has no commands", u.file)
	}
	for _, s := range scenes {
		require.True(t, slices.ContainsFunc(commands, func(c command) bool { return c.plays() == s.name }), "no command plays in scene %q", s.name)
	}
}
