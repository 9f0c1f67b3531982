package explain

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/loop"
)

// kind is the resource, as an index.
func kind(r *loop.ResourceExplanation) usage.Resource {
	if r.Resource == usage.Memory.String() {
		return usage.Memory
	}
	return usage.CPU
}

// step is a line of a container's table. A line that says nothing is left out.
type step struct {
	name string
	cell func(*loop.ResourceExplanation, *loop.ContainerExplanation) string
}

// steps are in the order in which they are taken.
var steps = []step{
	{"percentile + margin", func(r *loop.ResourceExplanation, _ *loop.ContainerExplanation) string { return r.Basis }},
	{"own usage", quantity(func(r *loop.ResourceExplanation) *resource.Quantity { return r.Usage })},
	{"share of pod minimum", quantity(func(r *loop.ResourceExplanation) *resource.Quantity { return &r.Minimum })},
	{"own estimate", quantity(func(r *loop.ResourceExplanation) *resource.Quantity { return r.Own })},
	{"uncapped target", uncapped},
	{"minAllowed", quantity(func(r *loop.ResourceExplanation) *resource.Quantity { return r.MinAllowed })},
	{"maxAllowed", quantity(func(r *loop.ResourceExplanation) *resource.Quantity { return r.MaxAllowed })},
	{"bound by", func(r *loop.ResourceExplanation, _ *loop.ContainerExplanation) string { return r.Bound }},
	{"target", target},
	{"lower bound", quantity(func(r *loop.ResourceExplanation) *resource.Quantity { return r.LowerBound })},
	{"upper bound", quantity(func(r *loop.ResourceExplanation) *resource.Quantity { return r.UpperBound })},
	{"published target", published},
	{"limit of the next pod", quantity(func(r *loop.ResourceExplanation) *resource.Quantity { return r.Limit })},
	{"told with the next pod", func(r *loop.ResourceExplanation, _ *loop.ContainerExplanation) string {
		return strings.Join(r.Warnings, "; ")
	}},
}

// quantity shows one of the amounts.
func quantity(of func(*loop.ResourceExplanation) *resource.Quantity) func(*loop.ResourceExplanation, *loop.ContainerExplanation) string {
	return func(r *loop.ResourceExplanation, _ *loop.ContainerExplanation) string { return people(r, of(r)) }
}

// uncapped says where the value comes from if it is not the container's own.
func uncapped(r *loop.ResourceExplanation, c *loop.ContainerExplanation) string {
	value := people(r, r.Uncapped)
	switch {
	case value == "":
	case c.Held:
		value += " (held)"
	case c.InheritedFrom != "":
		value += " (inherited)"
	}
	return value
}

// target says why there is none.
func target(r *loop.ResourceExplanation, _ *loop.ContainerExplanation) string {
	if r.Target == nil && r.Missing != "" {
		return "none: " + r.Missing
	}
	return people(r, r.Target)
}

// published points out what is not written yet.
func published(r *loop.ResourceExplanation, _ *loop.ContainerExplanation) string {
	value := people(r, r.Published)
	if value != "" && r.Target != nil && r.Target.Cmp(*r.Published) != 0 {
		value += " (differs)"
	}
	return value
}

// people is an amount as people write it, empty if there is none.
func people(r *loop.ResourceExplanation, q *resource.Quantity) string {
	if q == nil {
		return ""
	}
	if kind(r) == usage.CPU {
		return q.String()
	}
	const mi = 1 << 20
	return fmt.Sprintf("%dMi", q.Value()/mi+min(1, q.Value()%mi))
}
