// Package vulnerabilities asks Go's vulnerability database about all that is compiled, with govulncheck, and says so loudly where the
// database cannot be reached.
package vulnerabilities

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Public is the database that the Go team publishes.
const Public = "https://vuln.go.dev"

// patience is how long a database may take to answer at all.
const patience = 30 * time.Second

// found is govulncheck's exit status for it.
const found = 3

// Module is a part of the tree that is checked in one go.
type Module struct {
	// Dir is the module's folder, relative to the tree's.
	Dir string
	// Packages are patterns as the go command has them.
	Packages []string
	// Ships says that vulnerabilities fail the check, if a vulnerable function is called. What does not ship is told of if it
	// imports a vulnerable package, and fails nothing: it runs on developers' machines, on input of its own, and parts of it are of
	// an age that is given by what it tests.
	Ships bool
}

// Tree are the modules of this tree, what ships first.
func Tree() []Module {
	modules := []Module{{Dir: ".", Packages: []string{"./recommender", "./admission"}, Ships: true}}
	for _, dir := range []string{".", "e2e", "e2e/legal", "e2e/charts", "hack/supply"} {
		modules = append(modules, Module{Dir: dir, Packages: []string{"./..."}})
	}
	return modules
}

// Options are what is checked, and against what.
type Options struct {
	// Tools is the go.mod that pins govulncheck; an absolute path.
	Tools string
	// Root is the tree's folder; an absolute path.
	Root string
	// Modules are checked in this order.
	Modules []Module
	// Database is an address (https, http, or file for a folder in the published layout).
	Database string
	// Required says that it is an error if the database cannot be reached.
	Required bool
	// Out is where findings go.
	Out io.Writer
}

// Check looks for known vulnerabilities in all modules. It returns an error if what ships calls one, if anything could not be checked,
// or if the database cannot be reached and is required. If it cannot be reached and is not, Check says so and returns nil.
func Check(ctx context.Context, o Options) error {
	if folder, ok := strings.CutPrefix(o.Database, "file://"); ok {
		// An empty folder is a database without entries to govulncheck, and all would pass.
		if _, err := os.Stat(filepath.Join(folder, "index", "db.json")); err != nil {
			return fmt.Errorf("%s is no database in the layout that %s has: %w", o.Database, Public, err)
		}
	} else if err := reach(ctx, o.Database); err != nil {
		if o.Required {
			return fmt.Errorf("%s cannot be reached: %w; name one that can with -db, or do without VULNERABILITIES=required", o.Database, err)
		}
		fmt.Fprintf(o.Out, "%s\nNOT CHECKED: %s cannot be reached\n%v\nVULNERABILITIES=required makes this a failure.\n%[1]s\n", strings.Repeat("*", 72), o.Database, err)
		return nil
	}
	var errs []error
	for _, m := range o.Modules {
		errs = append(errs, check(ctx, o, m))
	}
	return errors.Join(errs...)
}

// check looks at one module.
func check(ctx context.Context, o Options, m Module) error {
	args := []string{"tool", "-modfile=" + o.Tools, "govulncheck", "-db", o.Database}
	kind := "what ships"
	if !m.Ships {
		kind = "tests and tools, which do not ship"
		args = append(args, "-test", "-scan", "package")
	}
	fmt.Fprintf(o.Out, "== %s in %s: %s\n", strings.Join(m.Packages, " "), m.Dir, kind)
	cmd := exec.CommandContext(ctx, "go", append(args, m.Packages...)...)
	cmd.Dir = filepath.Join(o.Root, filepath.FromSlash(m.Dir))
	// As it ships: without C.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "PWD="+cmd.Dir)
	cmd.Stdout, cmd.Stderr = o.Out, o.Out
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &exit) || exit.ExitCode() != found:
		return fmt.Errorf("check %s for vulnerabilities: %w", cmd.Dir, err)
	case !m.Ships:
		return nil
	}
	return fmt.Errorf("%s calls what is known to be vulnerable: see above for which, and take the version that it is fixed in", cmd.Dir)
}

// reach says why a server's database cannot be reached, or nothing.
func reach(ctx context.Context, database string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, database+"/index/db.json.gz", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", request.URL, answer.Status)
	}
	return nil
}
