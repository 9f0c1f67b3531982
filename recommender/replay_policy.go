package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/sartor-vpa/sartor/pkg/flags"
	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/recommender/replay"
)

// The names of policies that are there without a --policy: the recommender's flags, and what pods declare.
const (
	baseName     = "base"
	declaredName = "declared"
)

// playable reports whether the flag makes a difference in a replay. Bounds of targets are for upstream's updater; kills,
// HPAs, candidates and starts of pods are not in recorded usage.
func playable(f *pflag.Flag) bool {
	switch flags.Heading(f) {
	case "Learning", "Estimation", "Policy":
	default:
		return false
	}
	return f.Name != "memory-aggregation-interval-count" && f.Name != "release-candidate-suffix" && f.Name != "hpa-conflict" && f.Name != "feature-gates" &&
		!strings.HasPrefix(f.Name, "oom-") && !strings.HasPrefix(f.Name, "recommendation-lower-bound-") &&
		!strings.HasPrefix(f.Name, "recommendation-upper-bound-") && !strings.HasPrefix(f.Name, "confidence-interval-")
}

// plays are the policies to compare: that of the command line's flags first, then those of each --policy.
func (o *replayOptions) plays(fs *pflag.FlagSet) ([]replay.Policy, error) {
	var set []string
	fs.Visit(func(f *pflag.Flag) {
		if playable(f) {
			set = append(set, "--"+f.Name+"="+f.Value.String())
		}
	})
	said := strings.Join(set, " ")
	if said == "" {
		said = "the recommender's defaults"
	}
	plays := []replay.Policy{o.play(baseName, said)}
	for _, text := range o.policies {
		one, err := another(set, text)
		if err == nil && slices.ContainsFunc(plays, func(p replay.Policy) bool { return p.Name == one.Name }) {
			err = fmt.Errorf("there is a policy %s already: give it another name", one.Name)
		}
		if err != nil {
			return nil, fmt.Errorf("--policy=%q: %w", text, err)
		}
		plays = append(plays, one)
	}
	return plays, nil
}

// play is what the flags say, as a policy.
func (o *options) play(name, description string) replay.Policy {
	return replay.Policy{
		Name: name, Description: description, Aggregate: o.aggregate, Estimate: o.estimate,
		Global: o.policy.global, Rounding: o.policy.rounding, Minimum: o.policy.minimum, IntegerCPU: o.policy.integerCPU,
		Limits: o.limits.Policy, FloorRequests: o.limits.FloorRequests,
	}
}

// another reads "NAME: --flag=value ...", after the arguments in base.
func another(base []string, text string) (replay.Policy, error) {
	name, rest, found := strings.Cut(text, ":")
	if name = strings.TrimSpace(name); !found || name == "" || len(name) > 40 || name[0] == '-' {
		return replay.Policy{}, errors.New("must be a name of at most 40 characters, a colon and flags, like 'p95: --target-cpu-percentile=0.95'")
	}
	if name == declaredName {
		return replay.Policy{}, fmt.Errorf("%s is what pods declare: give it another name", declaredName)
	}
	o, fs := defaultOptions(), pflag.NewFlagSet(name, pflag.ContinueOnError)
	fs.SetNormalizeFunc(flags.Dashes)
	o.addFlags(fs)
	args := strings.Fields(rest)
	for _, arg := range args {
		flag, dashes := strings.CutPrefix(arg, "--")
		flag, _, _ = strings.Cut(flag, "=")
		if f := fs.Lookup(flag); !dashes || f == nil || !playable(f) {
			return replay.Policy{}, fmt.Errorf("%q does not make a policy: use --flag=value of the flags for learning, estimation and policy that recommender replay --help lists", arg)
		}
	}
	if err := fs.Parse(append(slices.Clone(base), args...)); err != nil {
		return replay.Policy{}, err
	}
	return o.play(name, strings.Join(args, " ")), errors.Join(o.validateLearning(), o.validateEstimation(), o.validatePolicy())
}

// several is a flag that may be given several times.
type several struct{ to *[]string }

func (s *several) String() string {
	if s.to == nil {
		return ""
	}
	return strings.Join(*s.to, ", ")
}

func (s *several) Set(text string) error {
	*s.to = append(*s.to, text)
	return nil
}

func (*several) Type() string { return "string" }

// resources is a flag of amounts of CPU and memory: cpu=100m,memory=512Mi.
type resources struct{ to *corev1.ResourceList }

func (r *resources) String() string {
	if r.to == nil {
		return ""
	}
	var said []string
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		if q, ok := (*r.to)[name]; ok {
			said = append(said, fmt.Sprintf("%s=%s", name, q.String()))
		}
	}
	return strings.Join(said, ",")
}

func (r *resources) Set(text string) error {
	list := corev1.ResourceList{}
	for part := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		name := corev1.ResourceName(key)
		q, err := resource.ParseQuantity(value)
		if _, twice := list[name]; err != nil || twice || !policy.Sane(name, q) {
			return errors.New("must be cpu=QUANTITY, memory=QUANTITY or both, like cpu=100m,memory=512Mi, of what a container can have")
		}
		list[name] = q
	}
	*r.to = list
	return nil
}

func (*resources) Type() string { return "resources" }

// below reports requests that are above their limits.
func below(requests, limits corev1.ResourceList) error {
	var checks []flags.Check
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		request, limit := requests[name], limits[name]
		checks = append(checks, flags.Check{OK: limit.IsZero() || request.Cmp(limit) <= 0, Flag: "declared-requests", Value: (&resources{&requests}).String(),
			Must: fmt.Sprintf("must not be above --declared-limits=%s", (&resources{&limits}).String())})
	}
	return flags.Problems(checks...)
}
