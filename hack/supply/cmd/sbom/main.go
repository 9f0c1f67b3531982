// Sbom writes, for each program, a software bill of materials beside it: PROGRAM.cdx.json.
//
//	sbom [-root DIR] [-version V] [-commit C] [-date RFC3339] PROGRAM...
package main

import (
	"context"
	"debug/buildinfo"
	"errors"
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/sartor-vpa/sartor/hack/supply/licence"
	"github.com/sartor-vpa/sartor/hack/supply/sbom"
)

func main() {
	root := flag.String("root", "../..", "the folder of the main module, out of which the programs were built")
	version := flag.String("version", "", "the release that the programs were built as")
	commit := flag.String("commit", "", "the commit that they were built of")
	date := flag.String("date", "", "the commit's time (RFC 3339)")
	flag.Parse()
	if err := run(context.Background(), *root, *version, *commit, *date, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

// run writes the documents, after it has held each to the schema.
func run(ctx context.Context, root, version, commit, date string, programs []string) error {
	if len(programs) == 0 {
		return errors.New("which programs? Name their files, such as ../../bin/recommender")
	}
	top, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	r := sbom.Release{Version: version, Commit: commit}
	if date != "" {
		if r.Date, err = time.Parse(time.RFC3339, date); err != nil {
			return fmt.Errorf("-date: %w", err)
		}
	}
	known, err := licence.NewClassifier()
	if err != nil {
		return err
	}
	for _, program := range programs {
		licences, err := licencesOf(ctx, known, top, program)
		if err != nil {
			return err
		}
		bom, err := sbom.Of(program, r, licences)
		if err != nil {
			return err
		}
		document, err := sbom.Encode(bom)
		if err != nil {
			return err
		}
		if err := sbom.Validate(ctx, document); err != nil {
			return err
		}
		if err := os.WriteFile(program+".cdx.json", document, 0o644); err != nil {
			return err
		}
		fmt.Printf("%s.cdx.json: %d components\n", program, len(*bom.Components))
	}
	return nil
}

// licencesOf tells the licences of the modules that the tree compiles the program of, for the platform that it was compiled for.
func licencesOf(ctx context.Context, known *licence.Classifier, root, program string) (sbom.Licences, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, fmt.Errorf("read what the compiler has noted in %s: %w", program, err)
	}
	modules, err := licence.Compiled(ctx, licence.Build{
		Dir: root, Packages: []string{"./" + path.Base(info.Path)}, OS: setting(info, "GOOS"), Arch: setting(info, "GOARCH"),
	})
	if err != nil {
		return nil, err
	}
	byModule := map[[2]string][]string{{licence.Ours, ""}: {"Apache-2.0"}}
	for _, m := range modules {
		found, err := known.Find(m)
		if err != nil {
			return nil, err
		}
		byModule[[2]string{m.Path, m.Version}] = found.Licences
	}
	return func(module, version string) ([]string, error) {
		if module == licence.Ours {
			version = ""
		}
		ids, ok := byModule[[2]string{module, version}]
		if !ok {
			return nil, fmt.Errorf("%s was not built out of %s as it is: run make build", program, root)
		}
		return ids, nil
	}, nil
}

// setting is what a program was compiled with.
func setting(info *debug.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}
