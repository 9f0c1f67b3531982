package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/hack/supply/licence"
)

const mit = `Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files
(the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge,
publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so,
subject to the following conditions:
The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.
THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE
FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION
WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
`

// tree is a module with both programs, of which one is compiled of a module under that licence.
func tree(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"go.mod":              "module github.com/sartor-vpa/sartor\ngo 1.26\nrequire example.org/part v0.0.0\nreplace example.org/part => ./part\n",
		"recommender/main.go": "package main\n\nimport _ \"example.org/part\"\n\nfunc main() {}\n",
		"admission/main.go":   "package main\n\nfunc main() {}\n",
		"part/go.mod":         "module example.org/part\ngo 1.26\n",
		"part/a.go":           "package part\n",
		"part/LICENSE":        text,
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	return dir
}

func TestTheReportIsHeldToWhatIsCompiled(t *testing.T) {
	known, err := licence.NewClassifier()
	require.NoError(t, err)
	root := tree(t, mit)
	require.ErrorContains(t, check(t.Context(), known, root, false, io.Discard), "make update-golden", "there is none yet")
	require.NoError(t, check(t.Context(), known, root, true, io.Discard))
	var out strings.Builder
	require.NoError(t, check(t.Context(), known, root, false, &out))
	require.Equal(t, "what ships is compiled of 2 modules: BSD-3-Clause 1, MIT 1\n", out.String())

	for _, name := range []string{"licences.md", "licences.txt"} {
		path := filepath.Join(root, "third_party", name)
		before, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Contains(t, string(before), "example.org/part")
		require.NoError(t, os.WriteFile(path, append(before, "and more\n"...), 0o600))
		require.ErrorContains(t, check(t.Context(), known, root, false, io.Discard), path)
		require.NoError(t, os.WriteFile(path, before, 0o600))
	}
}

func TestWhatMayNotBeShippedFailsTheCheckAndWritesNothing(t *testing.T) {
	known, err := licence.NewClassifier()
	require.NoError(t, err)
	root := tree(t, "You may look at it.")
	for _, write := range []bool{false, true} {
		err := check(t.Context(), known, root, write, io.Discard)
		require.ErrorContains(t, err, "module example.org/part v0.0.0: "+filepath.Join(root, "part", "LICENSE"))
		require.NoDirExists(t, filepath.Join(root, "third_party"))
	}
}
