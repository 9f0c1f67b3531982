// Package replay tells what the recommender would have recommended in the past, and whether that would have been enough. It
// plays recorded usage through the recommender's own histograms, estimates and policies, and measures what pods with these
// requests and limits would have had to spare, and what they would have lacked.
//
// It goes through time in looks of ten minutes. At each:
//
//	what was used before            histograms, estimate, policy       -> the target that is published
//	if pods are created then        the webhook's policy               -> their requests and limits, until the next are
//	what is used in the look        compared with requests and limits  -> Measures
//	                                learnt, for the looks to come
//
// So nothing is ever known before it happened. Everything but ReadCSV is a function of its arguments: no clock, no client,
// no logger.
//
// What differs from life: usage goes on as it was recorded. A container that would have been killed for want of memory, or
// throttled, neither stops nor slows down, and its usage is learnt in place of the bump that a kill leads to.
package replay

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/estimate"
	"github.com/sartor-vpa/sartor/pkg/policy"
)

// Look is how far apart targets are looked at: they creep, and a day has 144 looks.
const Look = 10 * time.Minute

// Options say what is assumed of pods, and what is measured.
type Options struct {
	// RestartEvery is how far apart all pods are created anew, and get what is recommended then: multiples of Look. Those
	// of 24h are created at midnight (UTC).
	RestartEvery time.Duration
	// WarmUp is for how long after a workload's first sample its usage is learnt and nothing is measured; 0 or more.
	WarmUp time.Duration
	// Declared is what containers ask for that a workload's Template does not have. Nil: that is not known, and every
	// container is taken to declare limits of twice its requests, too small to count, so that limits are the policy's.
	Declared *corev1.ResourceRequirements
	// Plots keeps usage, requests and limits over time, for HTML.
	Plots bool
}

// Validate returns what is wrong with o, by its field.
func (o *Options) Validate() error {
	switch {
	case o.RestartEvery < Look || o.RestartEvery%Look != 0:
		return fmt.Errorf("RestartEvery %s: must be a multiple of %s, like 24h", o.RestartEvery, Look)
	case o.WarmUp < 0:
		return fmt.Errorf("WarmUp %s: must be 0 or longer", o.WarmUp)
	}
	return nil
}

// Policy is how recommendations are made: the recommender's flags, and the webhook's.
type Policy struct {
	// Name is unique among the policies of a replay, Description says what it is: its flags, or in words.
	Name, Description string
	// AsDeclared is set for what pods declare, without any recommendation. All that follows does not matter then.
	AsDeclared bool

	Aggregate aggregate.Options
	Estimate  estimate.Options
	Global    policy.Global
	Rounding  policy.Rounding
	Minimum   policy.ContainerMinimum
	// IntegerCPU lets VPAs ask for whole CPUs by annotation.
	IntegerCPU bool
	// Limits and FloorRequests are the webhook's, where a VPA does not say otherwise.
	Limits        policy.LimitPolicy
	FloorRequests bool
}

// Run plays each workload through each policy. The report has the policies in their order, and the workloads by name,
// whatever their order. done is called after each workload with how many there have been; nil: it is not. An error is ctx's.
func Run(ctx context.Context, workloads []Workload, policies []Policy, o Options, done func(int)) (*Report, error) {
	workloads = slices.Clone(workloads)
	slices.SortStableFunc(workloads, func(a, b Workload) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	r := newReport(policies, o)
	for i := range workloads {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("replaying %s: %w", workloads[i].String(), err)
		}
		r.add(play(&workloads[i], policies, &o), &workloads[i])
		if done != nil {
			done(i + 1)
		}
	}
	r.total()
	return r, nil
}

// play plays one workload through all policies.
func play(w *Workload, policies []Policy, o *Options) [][]outcome {
	outcomes := make([][]outcome, len(policies))
	s := newScene(w, o)
	for i := range policies {
		p := &policies[i]
		if p.AsDeclared {
			outcomes[i] = s.play(newDeclarer(s))
			continue
		}
		outcomes[i] = s.play(newRecommender(s, p))
	}
	return outcomes
}
