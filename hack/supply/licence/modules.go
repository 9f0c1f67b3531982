package licence

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Ours is the path of the main module, and the beginning of all others in this tree.
const Ours = "github.com/sartor-vpa/sartor"

// Module is a module of which something is compiled.
type Module struct {
	// Path is as in go.mod; "std" is Go's standard library.
	Path string
	// Version is as in go.mod, and empty for std: it comes with whichever Go compiles.
	Version string
	// Dir is where its source lies.
	Dir string
	// Packages are the folders of those packages that are compiled, sorted.
	Packages []string
}

// Build is what is compiled: packages of the module in a folder, for a platform.
type Build struct {
	// Dir is the module's folder.
	Dir string
	// Packages are patterns as the go command has them.
	Packages []string
	// Tests counts what tests import, too.
	Tests bool
	// OS and Arch are empty for this machine's.
	OS, Arch string
}

// listed is what the go command says of a package.
type listed struct {
	ImportPath, Dir string
	Standard        bool
	Module          *struct {
		Path, Version, Dir string
		Replace            *struct{ Path, Version, Dir string }
	}
}

// Compiled returns the modules that the builds are compiled of, sorted by path and then version, and none of ours. One that is
// replaced by another module is that other.
func Compiled(ctx context.Context, builds ...Build) ([]Module, error) {
	found := map[[2]string]Module{}
	for _, b := range builds {
		packages, err := list(ctx, b)
		if err != nil {
			return nil, err
		}
		for _, p := range packages {
			m := p.module()
			if p.Dir == "" || m.Path == Ours || strings.HasPrefix(m.Path, Ours+"/") {
				continue
			}
			key := [2]string{m.Path, m.Version}
			if known, ok := found[key]; ok {
				m = known
			}
			m.Packages = append(m.Packages, p.Dir)
			found[key] = m
		}
	}
	var all []Module
	for _, m := range found {
		slices.Sort(m.Packages)
		m.Packages = slices.Compact(m.Packages)
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b Module) int {
		return strings.Compare(a.Path+" "+a.Version, b.Path+" "+b.Version)
	})
	return all, nil
}

// module is the module of a package, without its packages.
func (p listed) module() Module {
	switch m := p.Module; {
	case p.Standard:
		return Module{Path: "std", Dir: goroot(p)}
	case m == nil:
		return Module{Path: p.ImportPath, Dir: p.Dir}
	case m.Replace != nil && m.Replace.Version != "":
		return Module{Path: m.Replace.Path, Version: m.Replace.Version, Dir: m.Replace.Dir}
	default:
		return Module{Path: m.Path, Version: m.Version, Dir: m.Dir}
	}
}

// goroot is the folder above src/, where Go's own licence lies.
func goroot(p listed) string {
	above, _, _ := strings.Cut(filepath.ToSlash(p.Dir), "/src/"+p.ImportPath)
	return filepath.FromSlash(above)
}

// list asks the go command.
func list(ctx context.Context, b Build) ([]listed, error) {
	args := []string{"list", "-deps", "-json=ImportPath,Dir,Standard,Module"}
	if b.Tests {
		args = append(args, "-test")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, b.Packages...)...)
	cmd.Dir = b.Dir
	// Nothing is built with C, and neither is what is listed.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=readonly", "PWD="+b.Dir)
	for name, value := range map[string]string{"GOOS": b.OS, "GOARCH": b.Arch} {
		if value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list what %s in %s is compiled of: %w: %s", b.Packages, b.Dir, err, bytes.TrimSpace(stderr.Bytes()))
	}
	var all []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("read what go list says of %s in %s: %w", b.Packages, b.Dir, err)
		}
		all = append(all, p)
	}
}
