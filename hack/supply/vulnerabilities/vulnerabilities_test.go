package vulnerabilities

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/hack/supply/licence"
)

// flaw is a vulnerability that is made up: every version of the function has it.
type flaw struct{ id, module, pkg, function string }

// database writes flaws as https://go.dev/doc/security/vuln/database has them, and returns the folder.
func database(t *testing.T, flaws ...flaw) string {
	t.Helper()
	const when = "2026-01-01T00:00:00Z"
	type object = map[string]any
	files := map[string]any{"index/db": object{"modified": when}}
	var modules, vulns []object
	for _, e := range flaws {
		modules = append(modules, object{"path": e.module, "vulns": []object{{"id": e.id, "modified": when}}})
		vulns = append(vulns, object{"id": e.id, "modified": when})
		files["ID/"+e.id] = object{
			"schema_version": "1.3.1", "id": e.id, "modified": when, "published": when, "summary": "made up", "details": "made up",
			"database_specific": object{"url": "https://example.org/" + e.id},
			"affected": []object{{
				"package":            object{"name": e.module, "ecosystem": "Go"},
				"ranges":             []object{{"type": "SEMVER", "events": []object{{"introduced": "0"}}}},
				"ecosystem_specific": object{"imports": []object{{"path": e.pkg, "symbols": []string{e.function}}}},
			}},
		}
	}
	files["index/modules"], files["index/vulns"] = merged(modules), vulns
	dir := t.TempDir()
	for name, content := range files {
		text, err := json.Marshal(content)
		require.NoError(t, err)
		path := filepath.Join(dir, filepath.FromSlash(name)+".json")
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, text, 0o600))
	}
	return dir
}

// merged has one line for each module, as the index must.
func merged(modules []map[string]any) []map[string]any {
	all := []map[string]any{}
	byPath := map[any]map[string]any{}
	for _, m := range modules {
		if known := byPath[m["path"]]; known != nil {
			known["vulns"] = append(known["vulns"].([]map[string]any), m["vulns"].([]map[string]any)...)
			continue
		}
		byPath[m["path"]] = m
		all = append(all, m)
	}
	return all
}

// The program that most tests look at calls one function of these two, and imports both.
var (
	called    = flaw{"GO-0000-0001", "stdlib", "strings", "ToUpper"}
	notCalled = flaw{"GO-0000-0002", "stdlib", "strings", "ToTitle"}
)

// checked is what Check says of a small program, with that database.
func checked(t *testing.T, database string, required bool) (string, error) {
	t.Helper()
	root := t.TempDir()
	for name, content := range map[string]string{
		"go.mod":  "module example.org/small\ngo 1.26\n",
		"main.go": "package main\n\nimport (\n\t\"os\"\n\t\"strings\"\n)\n\nfunc main() { println(strings.ToUpper(os.Args[0])) }\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(content), 0o600))
	}
	return checkedWith(t, Options{Root: root, Ships: []string{"./..."}, Database: database, Required: required})
}

// checkedWith is what Check says with these options.
func checkedWith(t *testing.T, o Options) (string, error) {
	t.Helper()
	var err error
	o.Tools, err = filepath.Abs("../../tools/go.mod")
	require.NoError(t, err)
	var out bytes.Buffer
	o.Out = &out
	err = Check(t.Context(), o)
	return out.String(), err
}

func TestACallOfWhatIsVulnerableFailsAndNothingElse(t *testing.T) {
	const fails, passes = true, false
	for _, c := range []struct {
		name  string
		flaws []flaw
		fails bool
		says  string
	}{
		{"called", []flaw{called}, fails, "Vulnerability #1: GO-0000-0001"},
		{"imported, and not called", []flaw{notCalled}, passes, "found 1 vulnerability in packages you import"},
		{"one of either kind", []flaw{called, notCalled}, fails, "Vulnerability #1: GO-0000-0001"},
		{"of no concern", []flaw{{"GO-0000-0003", "example.org/other", "example.org/other", "Do"}}, passes, "No vulnerabilities found"},
		{"nothing is known", nil, passes, "No vulnerabilities found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := checked(t, "file://"+database(t, c.flaws...), false)
			require.Contains(t, out, c.says)
			if c.fails {
				require.ErrorContains(t, err, "call what is known to be vulnerable")
			} else {
				require.NoError(t, err)
			}
		})
	}
}

// It is the programs themselves that are looked at here, which takes most of the time that all these tests take. Of what does not ship
// only a module is, where tests alone import what is vulnerable.
func TestACallOfTheProgramsFailsAndWhatTestsImportIsTold(t *testing.T) {
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	const module, tested = "github.com/spf13/cobra", "github.com/stretchr/testify"
	db := database(t,
		flaw{"GO-0000-0001", module, module, "Command.ExecuteContext"},
		flaw{"GO-0000-0002", module, module, "Command.GenBashCompletionFile"},
		flaw{"GO-0000-0003", tested, tested + "/require", "NoError"},
	)
	out, err := checkedWith(t, Options{
		Root: root, Ships: []string{"./recommender", "./admission"}, Database: "file://" + db, Required: true,
		Others: []licence.Build{{Dir: filepath.Join(root, "e2e", "legal"), Packages: []string{"./..."}, Tests: true}},
	})
	require.ErrorContains(t, err, root+" call what is known to be vulnerable", out)
	require.Contains(t, out, "recommender.main calls cobra.Command.ExecuteContext")
	require.Contains(t, out, "affected by 1 vulnerability from 1 module")
	require.Contains(t, out, "found 1 vulnerability in packages you import")
	require.Regexp(t, `tests and tools, which do not ship: \d+ modules, 3 known vulnerabilities\n`, out)
	require.Regexp(t, `\n  GO-0000-0003: github\.com/stretchr/testify v\S+: made up\n`, out)
}

func TestWhatIsKnownOfTestsFailsNothing(t *testing.T) {
	legal, err := filepath.Abs("../../../e2e/legal")
	require.NoError(t, err)
	db := "file://" + database(t, flaw{"GO-0000-0003", "github.com/stretchr/testify", "github.com/stretchr/testify/require", "NoError"})
	builds := []licence.Build{{Dir: legal, Packages: []string{"./..."}, Tests: true}}
	var out bytes.Buffer
	tools, err := filepath.Abs("../../tools/go.mod")
	require.NoError(t, err)
	require.NoError(t, tell(t.Context(), Options{Tools: tools, Root: legal, Others: builds, Database: db, Out: &out}))
	require.Contains(t, out.String(), " modules, 1 known vulnerabilities\n  GO-0000-0003: ")

	out.Reset()
	err = tell(t.Context(), Options{Tools: tools, Root: legal, Others: builds, Database: "file://" + t.TempDir() + "/gone", Out: &out})
	require.ErrorContains(t, err, "look up what is known", "that is no finding")
}

// served is the database's folder as the public server has it: compressed, and complete or not.
func served(t *testing.T, dir string, status int) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := os.ReadFile(filepath.Join(dir, strings.TrimSuffix(r.URL.Path, ".gz")))
		if err != nil || status != http.StatusOK {
			w.WriteHeader(max(status, http.StatusForbidden))
			return
		}
		zipped := gzip.NewWriter(w)
		defer zipped.Close()
		_, _ = zipped.Write(text)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestADatabaseOnAServerIsRead(t *testing.T) {
	address := served(t, database(t, called), http.StatusOK)
	out, err := checked(t, address, false)
	require.ErrorContains(t, err, "call what is known to be vulnerable", out)
	require.NotContains(t, out, "NOT CHECKED")
}

func TestADatabaseThatCannotBeReachedIsSaidLoudlyAndFailsWhereItIsRequired(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, address := range map[string]string{
		"nobody answers": gone.URL,
		"refused":        served(t, database(t), http.StatusForbidden),
		"broken":         served(t, database(t), http.StatusBadGateway),
		"empty":          served(t, t.TempDir(), http.StatusOK),
	} {
		t.Run(name, func(t *testing.T) {
			out, err := checked(t, address, false)
			require.NoError(t, err)
			require.Contains(t, out, "\nNOT CHECKED: "+address+" cannot be reached\n")
			require.NotContains(t, out, "what ships", "nothing was looked at")

			_, err = checked(t, address, true)
			require.ErrorContains(t, err, address+" cannot be reached: ")
			require.ErrorContains(t, err, "-db")
		})
	}
}

func TestWhatCannotBeCheckedIsAnErrorAndNoPass(t *testing.T) {
	for name, address := range map[string]string{
		"no such folder": "file://" + filepath.Join(t.TempDir(), "gone"),
		"another layout": "file://" + t.TempDir(),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := checked(t, address, false)
			require.ErrorContains(t, err, address+" is no database")
		})
	}
	out, err := checkedWith(t, Options{Root: t.TempDir(), Ships: []string{"./..."}, Database: "file://" + database(t)})
	require.ErrorContains(t, err, "check [./...] in ", "there is no module: "+out)
}
