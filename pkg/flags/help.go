package flags

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Columns is the width that help is written for.
const Columns = 100

// GroupHelp makes the help of c, and of its subcommands, show flags in groups, each with type and default; and errors of
// their command lines show no values.
func GroupHelp(c *cobra.Command) {
	c.SetFlagErrorFunc(withoutValues)
	c.SetUsageFunc(func(c *cobra.Command) error {
		_, err := io.WriteString(c.OutOrStderr(), usage(c))
		return err
	})
}

// Version adds the flag that cobra prints a command's Version at, without the -v that cobra would give it: that is
// klog's verbosity.
func Version(fs *pflag.FlagSet) {
	fs.Bool("version", false, "Print the version, the commit and its date, and exit.")
}

func usage(c *cobra.Command) string {
	var out strings.Builder
	fmt.Fprintf(&out, "Usage:\n  %s\n", c.UseLine())
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(&out, "  %s [command]\n\nCommands:\n", c.CommandPath())
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				fmt.Fprintf(&out, "  %-12s %s\n", sub.Name(), sub.Short)
			}
		}
	}
	if c.HasExample() {
		fmt.Fprintf(&out, "\nExamples:\n%s\n", c.Example)
	}
	groups, headings := map[string][]*pflag.Flag{}, []string(nil)
	idle := false
	c.Flags().VisitAll(func(f *pflag.Flag) {
		idle = idle || Why(f) != ""
		if f.Hidden {
			return
		}
		heading := Heading(f)
		if heading == "" {
			heading = "Flags"
		}
		if groups[heading] == nil {
			headings = append(headings, heading)
		}
		groups[heading] = append(groups[heading], f)
	})
	for _, heading := range headings {
		fmt.Fprintf(&out, "\n%s:\n", heading)
		for _, f := range groups[heading] {
			describe(&out, f)
		}
	}
	if idle {
		out.WriteString("\nFlags of upstream's that have no effect here are accepted, too; docs/flags.md lists them.\n")
	}
	return out.String()
}

// describe writes the flag's name, type and default in one line, and below what it does.
func describe(out *strings.Builder, f *pflag.Flag) {
	out.WriteString("  ")
	if f.Shorthand != "" {
		fmt.Fprintf(out, "-%s, ", f.Shorthand)
	}
	out.WriteString("--" + f.Name)
	if Type(f) != "bool" {
		out.WriteString(" " + Type(f))
	}
	if value := Default(f); value != "" && value != "false" {
		fmt.Fprintf(out, " (default %s)", value)
	}
	out.WriteString("\n")
	const indent = "      "
	line := indent
	for word := range strings.FieldsSeq(f.Usage) {
		if len(line)+len(word) > Columns {
			out.WriteString(strings.TrimRight(line, " ") + "\n")
			line = indent
		}
		line += word + " "
	}
	out.WriteString(strings.TrimRight(line, " ") + "\n")
}
