// Vulnerabilities asks Go's vulnerability database about all that is compiled. It fails if what ships calls what is vulnerable, and tells of
// vulnerable modules that only tests and tools take.
//
//	vulnerabilities [-root DIR] [-db ADDRESS]
//
// Where the database cannot be reached it says so and passes, unless $VULNERABILITIES is "required".
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sartor-vpa/sartor/hack/supply/licence"
	"github.com/sartor-vpa/sartor/hack/supply/vulnerabilities"
)

func main() {
	root := flag.String("root", "../..", "the folder of the main module")
	database := flag.String("db", vulnerabilities.Public, "the database: an https, http or file address")
	flag.Parse()
	if err := run(context.Background(), *root, *database, os.Getenv("VULNERABILITIES")); err != nil {
		fmt.Fprintln(os.Stderr, "vulnerabilities:", err)
		os.Exit(1)
	}
}

// run checks the tree. mode is $VULNERABILITIES.
func run(ctx context.Context, root, database, mode string) error {
	if mode != "" && mode != "required" {
		return fmt.Errorf("VULNERABILITIES=%q: it may be %q or empty", mode, "required")
	}
	top, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	return vulnerabilities.Check(ctx, vulnerabilities.Options{
		Tools: filepath.Join(top, "hack", "tools", "go.mod"), Root: top,
		Ships: []string{"./recommender", "./admission"}, Others: licence.Others(top),
		Database: database, Required: mode == "required", Out: os.Stdout,
	})
}
