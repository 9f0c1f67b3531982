// Package flags is what the command lines of both programs share: help in groups, flags of upstream's that
// are accepted without effect, and messages that name flag, value and remedy.
package flags

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// Keys of a flag's annotations.
const (
	headingKey = "heading"
	whyKey     = "why-no-effect"
)

// Group registers with fs what add registers, under heading in the help.
func Group(fs *pflag.FlagSet, heading string, add func(*pflag.FlagSet)) {
	fs.SortFlags = false
	one := pflag.NewFlagSet(heading, pflag.ContinueOnError)
	one.SortFlags = false
	add(one)
	one.VisitAll(func(f *pflag.Flag) {
		annotate(f, headingKey, heading)
		fs.AddFlag(f)
	})
}

// Heading is the group of f; empty if it has none.
func Heading(f *pflag.Flag) string { return annotation(f, headingKey) }

// Type is the flag's type as people call it: bool, duration, float, int, string and so on.
func Type(f *pflag.Flag) string {
	switch t := f.Value.Type(); t {
	case "float64":
		return "float"
	case "int64":
		return "int"
	default:
		return t
	}
}

// Default is the flag's default: empty if it is nothing, and durations without zeros (24h, not 24h0m0s).
func Default(f *pflag.Flag) string {
	if f.Value.Type() != "duration" {
		return f.DefValue
	}
	short := f.DefValue
	if strings.HasSuffix(short, "m0s") {
		short = strings.TrimSuffix(short, "0s")
	}
	if strings.HasSuffix(short, "h0m") {
		short = strings.TrimSuffix(short, "0m")
	}
	return short
}

// Dashes lets flags be written with underscores, too, as upstream's can.
func Dashes(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
}

// Check is what a flag's value must be.
type Check struct {
	OK    bool
	Flag  string
	Value any
	// Must completes the sentence, with a remedy: "must be above 0".
	Must string
}

// Problems returns an error for every check that fails: --flag=value: must be so.
func Problems(checks ...Check) error {
	var errs []error
	for _, c := range checks {
		if c.OK {
			continue
		}
		verb := "%v"
		if _, text := c.Value.(string); text {
			verb = "%q"
		}
		errs = append(errs, fmt.Errorf("--%s="+verb+": %s", c.Flag, c.Value, c.Must))
	}
	return errors.Join(errs...)
}

func annotate(f *pflag.Flag, key, value string) {
	if f.Annotations == nil {
		f.Annotations = map[string][]string{}
	}
	f.Annotations[key] = []string{value}
}

func annotation(f *pflag.Flag, key string) string { return strings.Join(f.Annotations[key], "") }
