package licence

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/licenseclassifier/v2/assets"
	"github.com/stretchr/testify/require"
)

// classifierOnce is shared by the tests, which run one after the other: it takes a second to make.
var classifierOnce = sync.OnceValues(NewClassifier)

// textOf is a licence as its authors publish it.
func textOf(t *testing.T, name string) string {
	t.Helper()
	text, err := assets.ReadLicenseFile("License/" + name + ".txt")
	require.NoError(t, err)
	return string(text)
}

// written writes files into a folder of their own, and returns it.
func written(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	return dir
}

// found is what a module with these files is found to be. Its packages are its top folder and those that are named.
func found(t *testing.T, files map[string]string, packages ...string) Finding {
	t.Helper()
	c, err := classifierOnce()
	require.NoError(t, err)
	m := Module{Path: "example.org/made-up", Version: "v1.2.3", Dir: written(t, files)}
	m.Packages = []string{m.Dir}
	for _, p := range packages {
		m.Packages = append(m.Packages, filepath.Join(m.Dir, filepath.FromSlash(p)))
	}
	f, err := c.Find(m)
	require.NoError(t, err)
	return f
}

func TestALicenceIsKnownByItsWordsWhoeverTheAuthorsAre(t *testing.T) {
	mit, apache, isc := textOf(t, "MIT/pristine"), textOf(t, "Apache-2.0/pristine"), textOf(t, "ISC/pristine")
	const byHeader = `Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with
the License. You may obtain a copy of the License at http://www.apache.org/licenses/LICENSE-2.0
Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
permissions and limitations under the License.
`
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"MIT", map[string]string{"LICENSE": "MIT License\n\nCopyright (c) 2020 Some One\n\n" + mit}, []string{"MIT"}},
		{"ISC, and its authors' name in the middle", map[string]string{"LICENSE.md": "Copyright (c) 2012 Some One <one@example.org>\n\n" + strings.ReplaceAll(isc, "AUTHOR", "Foundation")}, []string{"ISC"}},
		{"lines that end as on Windows", map[string]string{"License.txt": strings.ReplaceAll(apache, "\n", "\r\n")}, []string{"Apache-2.0"}},
		{"two files", map[string]string{"LICENSE": apache, "COPYING.libyaml": mit}, []string{"Apache-2.0", "MIT"}},
		{"two in one", map[string]string{"LICENCE": "Copyright 2020 Some One\n\n" + mit + "\nAll other files are under another one:\n\n" + apache}, []string{"Apache-2.0", "MIT"}},
		{"one that is only named", map[string]string{"LICENSE": "Copyright 2020 Some One\n\n" + byHeader}, []string{"Apache-2.0"}},
		{"notices and programs are no licences", map[string]string{"LICENSE": apache, "NOTICE": "Hello", "PATENTS": "None", "license.go": "package licence", "checklicense.sh": "true"}, []string{"Apache-2.0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := found(t, c.files)
			require.Empty(t, f.Problem)
			require.Equal(t, c.want, f.Licences)
		})
	}
}

func TestWhatMayNotBeShippedIsRefusedWithModulePathAndRemedy(t *testing.T) {
	mit := "Copyright (c) 2020 Some One\n\n" + textOf(t, "MIT/pristine")
	for _, c := range []struct {
		name, want string
		files      map[string]string
	}{
		{"a licence that is not allowed", "GPL-3.0 (in ", map[string]string{"LICENSE": textOf(t, "GPL-3.0/license")}},
		{"one beside one that is", "MPL-2.0 (in ", map[string]string{"LICENSE": mit, "LICENSE.MPL": textOf(t, "MPL-2.0/pristine")}},
		{"a clause that takes back what was given", "Commons-Clause (in ", map[string]string{"LICENSE": textOf(t, "Commons-Clause/license") + "\n" + mit}},
		{"no licence", "there is no licence in ", map[string]string{"README.md": mit, "NOTICE": "Copyright 2020 Some One"}},
		{"terms of their own", "LICENSE is no licence that is known", map[string]string{"LICENSE": "You may use this on Sundays."}},
		{"terms of their own beside a licence", "COPYING is no licence that is known", map[string]string{"LICENSE": mit, "COPYING": "You may use this on Sundays."}},
		{"terms added to a licence", "LICENSE is no licence that is known, or one with terms added", map[string]string{"LICENSE": mit + strings.Repeat("\nNor may you use it on any other day of the week, or month.", 12)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := found(t, c.files)
			require.Contains(t, f.Problem, "module example.org/made-up v1.2.3: ")
			require.Contains(t, f.Problem, f.Dir)
			require.Contains(t, f.Problem, c.want)
			require.Contains(t, f.Problem, "add it to Allowed in hack/supply/licence")
		})
	}
}

func TestCodeTakenFromElsewhereCountsWhereItIsCompiled(t *testing.T) {
	files := map[string]string{
		"LICENSE":                   textOf(t, "Apache-2.0/pristine"),
		"third_party/thing/COPYING": textOf(t, "GPL-2.0/license"),
		"third_party/thing/sub/a":   "",
		"other/a":                   "",
	}
	f := found(t, files, "other")
	require.Empty(t, f.Problem)
	require.Len(t, f.Texts, 1)

	f = found(t, files, "other", "third_party/thing/sub")
	require.Contains(t, f.Problem, "GPL-2.0")
	require.Equal(t, []string{"Apache-2.0", "GPL-2.0"}, f.Licences)
	require.Equal(t, "third_party/thing/COPYING", f.Texts[1].Path)
}

func TestEveryAllowedLicenceIsKnownAndHasAReason(t *testing.T) {
	for id, reason := range Allowed {
		require.NotEmpty(t, reason)
		f := found(t, map[string]string{"LICENSE": textOf(t, id+"/pristine")})
		require.Equal(t, []string{id}, f.Licences)
	}
}

func TestAModuleThatWasNotFetchedIsAnError(t *testing.T) {
	c, err := classifierOnce()
	require.NoError(t, err)
	gone := filepath.Join(t.TempDir(), "gone")
	_, err = c.Find(Module{Path: "example.org/made-up", Dir: gone, Packages: []string{gone}})
	require.ErrorContains(t, err, "module example.org/made-up")
	require.ErrorContains(t, err, "go mod download")
}
