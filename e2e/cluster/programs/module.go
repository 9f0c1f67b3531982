package programs

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/sartor-vpa/sartor/e2e/cluster/process"
)

// recipe is part of every key: raise it when building changes in a way that the hashed files do not show.
const recipe = "1"

// module is a Go module that only builds programs.
type module struct {
	dir     string // where its go.mod is
	version string // of its main dependency, such as v1.36.3
	key     string // hash of all that its programs follow from
}

func (m module) id() string { return m.version + "-" + m.key }

// sourceDir is the folder e2e/programs of the tree that this program was built from.
func sourceDir() (string, error) {
	var starts []string
	// The compiler's record of this file is right under go run and go test; -trimpath shortens it,
	// and a built program may have been moved: then the working folder, or the program's own, may
	// be in the tree.
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		starts = append(starts, filepath.Dir(file))
	}
	if wd, err := os.Getwd(); err == nil {
		starts = append(starts, wd)
	}
	if exe, err := os.Executable(); err == nil {
		starts = append(starts, filepath.Dir(exe))
	}
	for _, dir := range starts {
		for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
			candidate := filepath.Join(dir, "e2e", "programs")
			mod, err := os.ReadFile(filepath.Join(candidate, "go.mod"))
			if err == nil && strings.HasPrefix(string(mod), "module github.com/sartor-vpa/sartor/e2e/programs") {
				return candidate, nil
			}
		}
	}
	return "", errors.New("the folder e2e/programs, from which the cluster is built, was not found: run this inside the repository")
}

// readModule reads the module in dir, whose version shall be that of its dependency main.
func readModule(ctx context.Context, dir, main string) (module, error) {
	toolchain, err := goCommand(ctx, dir, "env", "GOVERSION", "GOOS", "GOARCH")
	if err != nil {
		return module{}, err
	}
	files := []string{filepath.Join(dir, "go.mod"), filepath.Join(dir, "go.sum")}
	own, err := filepath.Glob(filepath.Join(dir, "kubernetes", "*.go"))
	if err != nil {
		return module{}, fmt.Errorf("list %s: %w", dir, err)
	}
	hash := sha256.New()
	fmt.Fprintln(hash, recipe, toolchain)
	var gomod string
	for _, file := range append(files, own...) {
		text, err := os.ReadFile(file)
		if err != nil {
			return module{}, fmt.Errorf("read the programs' module: %w", err)
		}
		if filepath.Base(file) == "go.mod" {
			gomod = string(text)
		}
		fmt.Fprintf(hash, "%s %d\n%s", filepath.Base(file), len(text), text)
	}
	version := regexp.MustCompile(`(?m)^\t?(?:require )?` + regexp.QuoteMeta(main) + ` (v\S+)`).FindStringSubmatch(gomod)
	if version == nil {
		return module{}, fmt.Errorf("%s does not require %s", files[0], main)
	}
	return module{dir: dir, version: version[1], key: fmt.Sprintf("%x", hash.Sum(nil)[:6])}, nil
}

// goCommand runs go in dir and returns what it printed.
func goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	cmd, err := goTool(dir, args...)
	if err != nil {
		return "", err
	}
	var out, errOut strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := process.Run(ctx, cmd); err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, errOut.String())
	}
	return strings.TrimSpace(out.String()), nil
}

// goTool is the go command, set so that only dir's module decides what is built.
func goTool(dir string, args ...string) (*exec.Cmd, error) {
	path, err := exec.LookPath("go")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
		return nil, errors.New("no go in PATH: the cluster's programs are built from source; install Go 1.26 or later (https://go.dev/dl) and put its bin folder into PATH")
	}
	if err != nil {
		return nil, fmt.Errorf("find go: %w", err)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	// The proxies stay here, unlike for the cluster's own programs: modules come through them.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=readonly -buildvcs=false", "GOOS=", "GOARCH=", "PWD="+dir)
	return cmd, nil
}
