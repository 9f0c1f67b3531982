package flags

import (
	"fmt"
	"os"

	"github.com/spf13/pflag"

	"github.com/sartor-vpa/sartor/pkg/policy"
)

// Limits is what both programs have to know alike of how requests and limits follow from recommendations, where VPAs do
// not say otherwise.
type Limits struct {
	// Policy is read from a file when that flag is set.
	Policy policy.LimitPolicy
	// FloorRequests keeps requests at or above the declared ones.
	FloorRequests bool
}

// DefaultLimits are those of no flag.
func DefaultLimits() Limits { return Limits{Policy: policy.DefaultLimitPolicy()} }

// AddFlags registers the flags, with l's fields as defaults.
func (l *Limits) AddFlags(fs *pflag.FlagSet) {
	fs.Var(&policyFile{to: &l.Policy}, "limit-policy-file", "YAML file that says how limits follow from requests: cpu and memory, each with mode, multiple, round and max, and maxAllowedBoundsLimit. Both programs have to have the same. Empty: twice the request, in whole CPUs and MiB.")
	fs.BoolVar(&l.FloorRequests, "floor-requests-at-declared", l.FloorRequests, "Keep requests at or above what pods declare, where a VPA's annotation sartor.dev/floor does not say otherwise. Both programs have to have the same.")
}

// policyFile is a flag of a file with a LimitPolicy, which is read at once.
type policyFile struct {
	to   *policy.LimitPolicy
	path string
}

func (f *policyFile) String() string { return f.path }

func (f *policyFile) Set(path string) error {
	f.path = path
	if path == "" {
		*f.to = policy.DefaultLimitPolicy()
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	read, err := policy.ParseLimitPolicy(text)
	if err != nil {
		return fmt.Errorf("in %s: %w", path, err)
	}
	*f.to = read
	return nil
}

func (*policyFile) Type() string { return "string" }
