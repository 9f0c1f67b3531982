package apiserver

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/sartor-vpa/sartor/pkg/flags"
)

// Scope says whose VPAs a program works on, by their namespaces.
type Scope struct {
	// Namespace is the only one; empty stands for all.
	Namespace string
	// Ignored are left alone. Not both may be set.
	Ignored []string
}

// AddFlags registers the flags, with s's fields as defaults.
func (s *Scope) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&s.Namespace, "vpa-object-namespace", s.Namespace, "Work on the VPAs of this namespace alone. Empty: on those of all.")
	fs.Var((*list)(&s.Ignored), "ignored-vpa-object-namespaces", "Leave the VPAs of these namespaces, and their checkpoints, alone: names separated by commas.")
}

// Validate reports every option that cannot be used, by flag and value.
func (s *Scope) Validate() error {
	ignored := (*list)(&s.Ignored).String()
	checks := []flags.Check{
		{OK: s.Namespace == "" || ignored == "", Flag: "ignored-vpa-object-namespaces", Value: ignored,
			Must: fmt.Sprintf("must not be set beside --vpa-object-namespace=%q; remove one of them", s.Namespace)},
		{OK: s.Namespace == "" || isNamespace(s.Namespace), Flag: "vpa-object-namespace", Value: s.Namespace, Must: "must be the name of a namespace"},
	}
	for _, name := range s.Ignored {
		checks = append(checks, flags.Check{OK: isNamespace(name), Flag: "ignored-vpa-object-namespaces", Value: name,
			Must: "must be names of namespaces, separated by commas"})
	}
	return flags.Problems(checks...)
}

// Includes reports whether the VPAs of a namespace are worked on.
func (s *Scope) Includes(namespace string) bool {
	return (s.Namespace == "" || s.Namespace == namespace) && !slices.Contains(s.Ignored, namespace)
}

func isNamespace(name string) bool { return len(validation.IsDNS1123Label(name)) == 0 }

// list is a flag of names that are separated by commas; a later one takes the place of an earlier.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(text string) error {
	*l = nil
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name != "" {
			*l = append(*l, name)
		}
	}
	return nil
}

func (*list) Type() string { return "string" }
