// Package flagtable holds docs/flags.md to the flags of the programs, and these to upstream's. It is for their tests.
package flagtable

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/sartor-vpa/sartor/pkg/flags"
)

var update = flag.Bool("update", false, "write the program's part of docs/flags.md anew")

// Row is a flag as upstream documents it.
type Row struct{ Name, Type, Default string }

// Upstream returns the flags that upstream documents for its component, in its order: admission-controller,
// recommender or updater.
func Upstream(t testing.TB, component string) []Row {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/autoscaler/vertical-pod-autoscaler").Output()
	if err != nil {
		t.Fatalf("where upstream's module is: %v", err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "docs", "flags.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n# What are the parameters to VPA "+component+"?\n")
	if !found {
		t.Fatalf("upstream's docs/flags.md says nothing of %s", component)
	}
	section, _, _ = strings.Cut(section, "\n# ")
	var rows []Row
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]*?) \\| ([^|]*?) \\|").FindAllStringSubmatch(section, -1) {
		row := Row{m[1], m[2], strings.TrimSpace(m[3])}
		if text, err := strconv.Unquote(row.Default); err == nil {
			row.Default = text
		}
		rows = append(rows, row)
	}
	return rows
}

// Defaults are arguments that set each of upstream's flags to its default.
func Defaults(t testing.TB, component string) []string {
	t.Helper()
	var args []string
	for _, row := range Upstream(t, component) {
		args = append(args, "--"+row.Name+"="+row.Default)
	}
	return args
}

// values are one of each type of upstream's.
var values = map[string]string{
	"bool": "true", "int": "3", "uint": "3", "float": "1", "duration": "48h", "quantity": "4Gi", "mapStringBool": "AllAlpha=true",
	"severity": "2", "Level": "9", "moduleSpec": "feeder=5", "traceLocation": "feeder.go:7", "string": "x",
}

// EachStarts calls start with each of upstream's flags alone, and a bool also without its value; start fails t if the program
// would not start with these arguments. Flags that want a certain value, or others beside them, have it in special, by name.
func EachStarts(t *testing.T, component string, special map[string][]string, start func(t *testing.T, args ...string)) {
	t.Helper()
	for _, row := range Upstream(t, component) {
		value, ok := special[row.Name]
		if !ok {
			value = []string{values[row.Type]}
		}
		t.Run(row.Name, func(t *testing.T) {
			if value[0] == "" {
				t.Fatalf("there is no value of type %q to try", row.Type)
			}
			start(t, append([]string{"--" + row.Name + "=" + value[0]}, value[1:]...)...)
			if row.Type == "bool" {
				start(t, "--"+row.Name)
			}
		})
	}
}

// Check fails t unless the program's part of the file is what its flags say; with -update it writes it.
func Check(t testing.TB, file, program string, fs *pflag.FlagSet, upstream []Row) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := fmt.Sprintf("<!-- flags of %s -->\n", program), fmt.Sprintf("<!-- end of %s -->\n", program)
	head, rest, found := strings.Cut(string(text), begin)
	_, tail, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no lines %sand %s", file, begin, end)
	}
	want := head + begin + tables(fs, upstream) + end + tail
	if want == string(text) {
		return
	}
	if !*update {
		t.Fatalf("%s does not say what the flags of %s are: run this test with -update, and read the difference", file, program)
	}
	if err := os.WriteFile(file, []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
}

// tables are a table for each group, and one of the flags without effect.
func tables(fs *pflag.FlagSet, upstream []Row) string {
	known := map[string]bool{}
	for _, row := range upstream {
		known[row.Name] = true
	}
	groups, headings := map[string][]string{}, []string(nil)
	fs.VisitAll(func(f *pflag.Flag) {
		heading, origin := flags.Heading(f), "new"
		switch {
		case flags.Why(f) != "":
			heading, origin = "Accepted without effect", "no effect here"
		case heading == "":
			return // help
		case known[f.Name]:
			origin = "upstream"
		}
		if groups[heading] == nil {
			headings = append(headings, heading)
		}
		groups[heading] = append(groups[heading], fmt.Sprintf("| `--%s` | %s | %s | %s | %s |", f.Name, flags.Type(f), code(flags.Default(f)), escape(f.Usage), origin))
	})
	var out strings.Builder
	for _, heading := range headings {
		fmt.Fprintf(&out, "\n### %s\n\n| flag | type | default | | from |\n| --- | --- | --- | --- | --- |\n%s\n", heading, strings.Join(groups[heading], "\n"))
	}
	out.WriteString("\n")
	return out.String()
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + escape(text) + "`"
}

func escape(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
