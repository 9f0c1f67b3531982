package sbom

import (
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/stretchr/testify/require"
)

// release stands in the program that is described, as its build's number: see TestMain.
var release = Release{Version: "v1.2.3-made-up", Commit: "0123abcd-made-up", Date: time.Date(2026, 11, 22, 8, 0, 0, 0, time.FixedZone("", 3600))}

// both are the licences of every module here.
func both(string, string) ([]string, error) { return []string{"Apache-2.0", "BSD-3-Clause"}, nil }

// described is the bill of materials of a program, and its text.
func described(t *testing.T, file string) (*cdx.BOM, []byte) {
	t.Helper()
	bom, err := Of(file, release, both)
	require.NoError(t, err)
	text, err := Encode(bom)
	require.NoError(t, err)
	return bom, text
}

// program is what is described: this module's own cmd/sbom, which has modules. Tests' programs do not tell theirs.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "sbom")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "program")
	build := exec.Command("go", "build", "-buildvcs=false", "-ldflags=-buildid="+release.Version+"/"+release.Commit, "-o", program, "../cmd/sbom")
	build.Env = append(os.Environ(), "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		panic(string(out))
	}
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}

func TestEveryModuleThatIsInAProgramIsInItsBill(t *testing.T) {
	info, err := buildinfo.ReadFile(program)
	require.NoError(t, err)
	require.Greater(t, len(info.Deps), 3)
	want := map[string]string{"std": ""} // to its sum
	for _, m := range info.Deps {
		want[m.Path+"@"+m.Version] = m.Sum
	}

	bom, text := described(t, program)
	require.NoError(t, Validate(t.Context(), text))
	got := map[string]string{}
	for _, c := range *bom.Components {
		require.Equal(t, "pkg:golang/"+c.Name+"@"+c.Version, c.PackageURL)
		require.Equal(t, &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}, {License: &cdx.License{ID: "BSD-3-Clause"}}}, c.Licenses)
		if c.Name == "std" {
			require.Regexp(t, `^1\.\d+`, c.Version)
			got["std"] = ""
			continue
		}
		raw, err := hex.DecodeString((*c.Hashes)[0].Value)
		require.NoError(t, err)
		got[c.Name+"@"+c.Version] = "h1:" + base64.StdEncoding.EncodeToString(raw)
	}
	require.Equal(t, want, got)
	require.Len(t, *(*bom.Dependencies)[0].Dependencies, len(want), "the program depends on all of them")
}

func TestABillSaysWhichBuildItIsOf(t *testing.T) {
	bom, text := described(t, program)
	of := bom.Metadata.Component
	require.Equal(t, "sbom", of.Name)
	require.Equal(t, "v1.2.3-made-up", of.Version)
	require.Equal(t, "pkg:golang/github.com/sartor-vpa/sartor/hack/supply@v1.2.3-made-up#sbom", of.PackageURL)
	require.Regexp(t, `^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, bom.SerialNumber, "RFC 9562, version 8")
	require.Equal(t, "2026-11-22T07:00:00Z", bom.Metadata.Timestamp, "the commit's, and not the clock's")
	require.Contains(t, *of.Properties, cdx.Property{Name: "sartor:commit", Value: "0123abcd-made-up"})
	require.Contains(t, string(text), `"sartor:build:GOARCH"`)
}

func TestTheSameProgramHasTheSameBillAndAnotherHasAnother(t *testing.T) {
	bytes, err := os.ReadFile(program)
	require.NoError(t, err)
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	require.NoError(t, os.WriteFile(elsewhere, bytes, 0o600))
	first, text := described(t, program)
	_, again := described(t, elsewhere)
	require.Equal(t, string(text), string(again))

	require.NoError(t, os.WriteFile(elsewhere, append(bytes, 0), 0o600))
	other, _ := described(t, elsewhere)
	require.NotEqual(t, first.SerialNumber, other.SerialNumber)
	require.NotEqual(t, first.Metadata.Component.Hashes, other.Metadata.Component.Hashes)
}

func TestWhatIsNotKnownOfAReleaseIsLeftOut(t *testing.T) {
	bom, err := Of(program, Release{}, func(string, string) ([]string, error) { return nil, nil })
	require.NoError(t, err)
	text, err := Encode(bom)
	require.NoError(t, err)
	require.NoError(t, Validate(t.Context(), text))
	require.NotContains(t, string(text), "timestamp")
	require.NotContains(t, string(text), `"licenses"`)
}

func TestAProgramOfAnotherBuildIsRefused(t *testing.T) {
	for what, r := range map[string]Release{"version": {Version: strings.Repeat("v9", 3) + ".0"}, "commit": {Commit: strings.Repeat("f0", 20)}} {
		_, err := Of(program, r, both)
		require.ErrorContains(t, err, "was not built as "+what+" ")
		require.ErrorContains(t, err, "make build")
	}
	text := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(text, []byte("hello"), 0o600))
	_, err := Of(text, release, both)
	require.ErrorContains(t, err, text)
}

func TestAModuleThatIsReplacedIsTheOtherOne(t *testing.T) {
	fork := &debug.Module{Path: "example.org/fork", Version: "v1.0.1+incompatible", Sum: "h1:" + base64.StdEncoding.EncodeToString([]byte("sum"))}
	components, err := parts(&debug.BuildInfo{GoVersion: "go1.26.8 X:some", Deps: []*debug.Module{{Path: "example.org/part", Version: "v1.0.0", Replace: fork}}}, both)
	require.NoError(t, err)
	require.Len(t, components, 2)
	require.Equal(t, "pkg:golang/example.org/fork@v1.0.1%2Bincompatible", components[0].PackageURL)
	require.Equal(t, "pkg:golang/std@1.26.8", components[1].PackageURL)
}

func TestAModuleWithoutASumIsRefused(t *testing.T) {
	for _, sum := range []string{"", "h2:abc", "h1:not base64"} {
		_, err := hashes(&debug.Module{Path: "example.org/part", Version: "v1.0.0", Sum: sum})
		require.ErrorContains(t, err, "example.org/part v1.0.0")
	}
}

func TestADocumentThatBreaksTheSchemaIsRefused(t *testing.T) {
	_, text := described(t, program)
	for name, change := range map[string][2]string{
		"a licence that SPDX does not know": {`"id": "Apache-2.0"`, `"id": "Apache-9.9"`},
		"no number of a document":           {"urn:uuid:", "urn:number:"},
		"no time":                           {"2026-11-22T07:00:00Z", "yesterday"},
		"no kind of component":              {`"type": "library"`, `"type": "book"`},
		"a field that there is not":         {`"bomFormat"`, `"size": 3, "bomFormat"`},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, string(text), change[0])
			require.ErrorContains(t, Validate(t.Context(), []byte(strings.Replace(string(text), change[0], change[1], 1))), "CycloneDX 1.6")
		})
	}
	require.ErrorContains(t, Validate(t.Context(), []byte("{")), "read the bill")
}
