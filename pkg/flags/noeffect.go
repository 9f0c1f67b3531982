package flags

import (
	"fmt"

	"github.com/spf13/pflag"
)

// NoEffect is a flag of upstream's that is accepted, so that a manifest with upstream's arguments starts,
// and changes nothing. It is hidden from the help.
type NoEffect struct {
	// Name, Type and Default are upstream's.
	Name, Type, Default string
	// Why completes the sentence "it has no effect: ...".
	Why string
}

// Accept registers flags that have no effect.
func Accept(fs *pflag.FlagSet, ignored []NoEffect) {
	for _, one := range ignored {
		f := fs.VarPF(&text{value: one.Default, kind: one.Type}, one.Name, "", "No effect here: "+one.Why+".")
		f.Hidden = true
		if one.Type == "bool" {
			f.NoOptDefVal = "true"
		}
		annotate(f, whyKey, one.Why)
	}
}

// Why says why f has no effect; empty for flags that have one.
func Why(f *pflag.Flag) string { return annotation(f, whyKey) }

// Idle returns the flags without effect that were set to other than their defaults, each with its value and
// why it has none, in the order of their registration.
func Idle(fs *pflag.FlagSet) []string {
	var idle []string
	fs.VisitAll(func(f *pflag.Flag) {
		if why := Why(f); why != "" && f.Value.String() != f.DefValue {
			idle = append(idle, fmt.Sprintf("--%s=%q: %s", f.Name, f.Value.String(), why))
		}
	})
	return idle
}

// text is a value of any type that nobody reads.
type text struct{ value, kind string }

func (t *text) String() string { return t.value }

func (t *text) Set(s string) error {
	t.value = s
	return nil
}

func (t *text) Type() string { return t.kind }

// Klog are the flags of the logger that upstream uses.
func Klog() []NoEffect {
	const (
		stderr = "the log goes to standard error, all of it"
		form   = "--log-format says what a line looks like"
	)
	return []NoEffect{
		{"add-dir-header", "bool", "false", form},
		{"alsologtostderr", "bool", "false", stderr},
		{"alsologtostderrthreshold", "severity", "", stderr},
		{"legacy-stderr-threshold-behavior", "bool", "true", stderr},
		{"log-backtrace-at", "traceLocation", ":0", "the log has no stack traces"},
		{"log-dir", "string", "", stderr},
		{"log-file", "string", "", stderr},
		{"log-file-max-size", "uint", "1800", stderr},
		{"logtostderr", "bool", "true", stderr},
		{"one-output", "bool", "false", stderr},
		{"skip-headers", "bool", "false", form},
		{"skip-log-headers", "bool", "false", form},
		{"stderrthreshold", "severity", "info", stderr},
		{"vmodule", "moduleSpec", "", "--v holds for the whole program"},
	}
}
