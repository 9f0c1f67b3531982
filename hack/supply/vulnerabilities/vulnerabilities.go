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

	"github.com/sartor-vpa/sartor/hack/supply/licence"
)

// Public is the database that the Go team publishes.
const Public = "https://vuln.go.dev"

// patience is how long a database may take to answer at all.
const patience = 30 * time.Second

// found is govulncheck's exit status for it.
const found = 3

// Options are what is checked, and against what.
type Options struct {
	// Tools is the go.mod that pins govulncheck; an absolute path.
	Tools string
	// Root is the main module's folder; an absolute path.
	Root string
	// Ships are the packages of the main module that ship: the check fails if they call a vulnerable function.
	Ships []string
	// Others are the builds that do not ship. What is known of their modules is told and fails nothing: they run on developers'
	// machines, on input of their own, and parts of them are of an age that is given by what they compare with.
	Others []licence.Build
	// Database is an address (https, http, or file for a folder in the published layout).
	Database string
	// Required says that it is an error if the database cannot be reached.
	Required bool
	// Out is where findings go.
	Out io.Writer
}

// Check looks for known vulnerabilities. It returns an error if what ships calls one, if anything could not be checked, or if the
// database cannot be reached and is required. If it cannot be reached and is not, Check says so and returns nil.
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
	return errors.Join(check(ctx, o), tell(ctx, o))
}

// check looks at what ships, call by call.
func check(ctx context.Context, o Options) error {
	fmt.Fprintf(o.Out, "what ships: %s\n", strings.Join(o.Ships, " "))
	cmd := govulncheck(ctx, o, o.Ships...)
	cmd.Stdout, cmd.Stderr = o.Out, o.Out
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit) && exit.ExitCode() == found:
		return fmt.Errorf("%s in %s call what is known to be vulnerable: see above for which, and take the version that it is fixed in", o.Ships, o.Root)
	}
	return fmt.Errorf("check %s in %s for vulnerabilities: %w", o.Ships, o.Root, err)
}

// govulncheck is a run of it in the main module.
func govulncheck(ctx context.Context, o Options, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", append([]string{"tool", "-modfile=" + o.Tools, "govulncheck", "-db", o.Database}, args...)...)
	cmd.Dir = o.Root
	// As it ships: without C.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "PWD="+cmd.Dir)
	return cmd
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
