package licence

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestModulesAreThoseThatAreCompiled(t *testing.T) {
	dir := written(t, map[string]string{
		"top/go.mod": `module github.com/sartor-vpa/sartor/top
go 1.26
require (
	example.org/always v0.0.0
	example.org/arm v0.0.0
	example.org/never v0.0.0
	example.org/tested v0.0.0
	github.com/sartor-vpa/sartor/part v0.0.0
)
replace (
	example.org/always => ../always
	example.org/arm => ../arm
	example.org/never => ../never
	example.org/tested => ../tested
	github.com/sartor-vpa/sartor/part => ../part
)
`,
		"top/main.go":       "package main\n\nimport (\n\t_ \"example.org/always/within\"\n\t_ \"github.com/sartor-vpa/sartor/part\"\n)\n\nfunc main() {}\n",
		"top/main_arm64.go": "package main\n\nimport _ \"example.org/arm\"\n",
		"top/main_c.go":     "//go:build cgo\n\npackage main\n\nimport _ \"example.org/never\"\n",
		"top/main_test.go":  "package main\n\nimport _ \"example.org/tested\"\n",
		"always/go.mod":     "module example.org/always\ngo 1.26\n", "always/within/a.go": "package within\n", "always/beside/a.go": "package beside\n",
		"arm/go.mod": "module example.org/arm\ngo 1.26\n", "arm/a.go": "package arm\n",
		"never/go.mod": "module example.org/never\ngo 1.26\n", "never/a.go": "package never\n",
		"tested/go.mod": "module example.org/tested\ngo 1.26\n", "tested/a.go": "package tested\n",
		"part/go.mod": "module github.com/sartor-vpa/sartor/part\ngo 1.26\n", "part/a.go": "package part\n",
	})
	top := filepath.Join(dir, "top")
	amd := Build{Dir: top, Packages: []string{"."}, OS: "linux", Arch: "amd64"}
	arm, tests := amd, amd
	arm.Arch, tests.Tests = "arm64", true
	for _, c := range []struct {
		name   string
		builds []Build
		want   []string
	}{
		{"one platform", []Build{amd}, []string{"example.org/always", "std"}},
		{"two platforms", []Build{amd, arm}, []string{"example.org/always", "example.org/arm", "std"}},
		{"with tests", []Build{tests}, []string{"example.org/always", "example.org/tested", "std"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			modules, err := Compiled(t.Context(), c.builds...)
			require.NoError(t, err)
			var paths []string
			for _, m := range modules {
				paths = append(paths, m.Path)
			}
			require.Equal(t, c.want, paths)
			require.Equal(t, []string{filepath.Join(dir, "always", "within")}, modules[0].Packages, "each once")
			require.FileExists(t, filepath.Join(modules[len(modules)-1].Dir, "src", "fmt", "print.go"))
		})
	}
}

func TestWhatCannotBeListedIsAnErrorThatSaysWhy(t *testing.T) {
	dir := written(t, map[string]string{"go.mod": "module github.com/sartor-vpa/sartor/top\ngo 1.26\n", "main.go": "package main\n\nimport _ \"example.org/gone\"\n"})
	_, err := Compiled(t.Context(), Build{Dir: dir, Packages: []string{"."}})
	require.ErrorContains(t, err, dir)
	require.ErrorContains(t, err, "example.org/gone")
}
