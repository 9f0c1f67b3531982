package vulnerabilities

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"github.com/sartor-vpa/sartor/hack/supply/licence"
)

// entry is what is told of a vulnerability (https://ossf.github.io/osv-schema).
type entry struct {
	ID, Summary string
	Affected    []struct{ Package struct{ Name string } }
}

// tell looks up the modules of what does not ship. govulncheck itself does not see what only tests import, but answers what is known
// of a module's version.
func tell(ctx context.Context, o Options) error {
	modules, err := licence.Compiled(ctx, o.Others...)
	if err != nil || len(modules) == 0 {
		return err
	}
	args, names := []string{"-mode", "query", "-json"}, map[string]string{}
	for _, m := range modules {
		if m.Path == "std" {
			m.Path, m.Version = "stdlib", runtime.Version()
		} else if m.Version == "" {
			continue // a folder's
		}
		args = append(args, m.Path+"@"+m.Version)
		names[m.Path] = strings.TrimPrefix(names[m.Path]+" and "+m.Version, " and ")
	}
	cmd := govulncheck(ctx, o, args...)
	cmd.Stderr = o.Out
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("look up what is known of the modules of tests and tools: %w", err)
	}
	known, err := entries(out)
	if err != nil {
		return fmt.Errorf("read what is known of the modules of tests and tools: %w", err)
	}
	fmt.Fprintf(o.Out, "tests and tools, which do not ship: %d modules, %d known vulnerabilities\n", len(names), len(known))
	for _, e := range known {
		for _, a := range e.Affected {
			if version, ours := names[a.Package.Name]; ours {
				fmt.Fprintf(o.Out, "  %s: %s %s: %s\n", e.ID, a.Package.Name, version, e.Summary)
			}
		}
	}
	return nil
}

// entries are the vulnerabilities among govulncheck's messages, sorted by their identifiers.
func entries(messages []byte) ([]entry, error) {
	var all []entry
	for decoder := json.NewDecoder(bytes.NewReader(messages)); ; {
		var message struct{ OSV *entry }
		if err := decoder.Decode(&message); errors.Is(err, io.EOF) {
			slices.SortFunc(all, func(a, b entry) int { return strings.Compare(a.ID, b.ID) })
			return all, nil
		} else if err != nil {
			return nil, err
		}
		if message.OSV != nil {
			all = append(all, *message.OSV)
		}
	}
}
