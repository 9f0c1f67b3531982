// Licences holds the licences of what is compiled into the programs to those that are allowed, and to the report in third_party/.
//
//	licences [-root DIR] [-write]    checks, or writes the report anew
//	licences [-root DIR] -tests      tells those of what only tests and tools are compiled of
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sartor-vpa/sartor/hack/supply/licence"
)

func main() {
	root := flag.String("root", "../..", "the folder of the main module")
	write := flag.Bool("write", false, "write third_party/ anew instead of comparing it")
	tests := flag.Bool("tests", false, "tell the licences of tests and tools, which are not shipped, and refuse none")
	flag.Parse()
	if err := run(context.Background(), *root, *write, *tests); err != nil {
		fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1)
	}
}

// run does what the flags say.
func run(ctx context.Context, root string, write, tests bool) error {
	top, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	known, err := licence.NewClassifier()
	if err != nil {
		return err
	}
	if tests {
		return tell(ctx, known, top, os.Stdout)
	}
	return check(ctx, known, top, write, os.Stdout)
}

// check compares what ships with what is allowed and reported.
func check(ctx context.Context, known *licence.Classifier, root string, write bool, out io.Writer) error {
	findings, err := find(ctx, known, licence.Shipped(root)...)
	if err != nil {
		return err
	}
	var problems []error
	for _, f := range findings {
		if f.Problem != "" {
			problems = append(problems, errors.New(f.Problem))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("what may not be shipped:\n%w", err)
	}
	reports := map[string]string{
		filepath.Join(root, "third_party", "licences.md"):  licence.Table(findings),
		filepath.Join(root, "third_party", "licences.txt"): licence.Bundle(findings),
	}
	for _, path := range slices.Sorted(maps.Keys(reports)) {
		if err := hold(path, reports[path], write); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "what ships is compiled of %s\n", summary(findings))
	return nil
}

// hold compares a file with what it should be, or makes it so.
func hold(path, want string, write bool) error {
	if write {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		return os.WriteFile(path, []byte(want), 0o644)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%w: make update-golden writes it", err)
	}
	if string(got) != want {
		return fmt.Errorf("%s is not what the programs are compiled of: make update-golden writes it; read the diff, it shows which licences came and went", path)
	}
	return nil
}

// tell prints the licences of what does not ship, a line for each that is unusual.
func tell(ctx context.Context, known *licence.Classifier, root string, out io.Writer) error {
	ships, err := licence.Compiled(ctx, licence.Shipped(root)...)
	if err != nil {
		return err
	}
	findings, err := find(ctx, known, licence.Others(root)...)
	if err != nil {
		return err
	}
	findings = slices.DeleteFunc(findings, func(f licence.Finding) bool {
		return slices.ContainsFunc(ships, func(m licence.Module) bool { return m.Path == f.Path && m.Version == f.Version })
	})
	fmt.Fprintf(out, "tests and tools, which are not shipped, are compiled of %s. What could not be shipped:\n", summary(findings))
	for _, f := range findings {
		if f.Problem != "" {
			fmt.Fprintf(out, "  %s %s: %s\n", f.Path, f.Version, cmp.Or(strings.Join(f.Licences, ", "), "unknown"))
		}
	}
	return nil
}

// find reads the licences of what the builds are compiled of.
func find(ctx context.Context, known *licence.Classifier, builds ...licence.Build) ([]licence.Finding, error) {
	modules, err := licence.Compiled(ctx, builds...)
	if err != nil {
		return nil, err
	}
	var findings []licence.Finding
	for _, m := range modules {
		f, err := known.Find(m)
		if err != nil {
			return nil, err
		}
		findings = append(findings, f)
	}
	return findings, nil
}

// summary is "80 modules: Apache-2.0 50, BSD-3-Clause 22, MIT 10".
func summary(findings []licence.Finding) string {
	number := licence.Count(findings)
	var parts []string
	for _, id := range slices.Sorted(maps.Keys(number)) {
		parts = append(parts, fmt.Sprintf("%s %d", id, number[id]))
	}
	return fmt.Sprintf("%d modules: %s", len(findings), strings.Join(parts, ", "))
}
