package loop

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/decision"
	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/target"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// sentences tell how each container's recommendation came about.
func (l *Loop) sentences(t *tracked, d decided, outcomes []outcome) string {
	said := make([]string, len(outcomes))
	next := l.projected(t, &d, outcomes)
	for i := range outcomes {
		said[i] = l.trace(t, &outcomes[i], next.limits(outcomes[i].name)).String()
	}
	return strings.Join(said, " ")
}

// trace tells how an outcome came about, down to the limits that the webhook will set.
func (l *Loop) trace(t *tracked, o *outcome, limits policy.Amounts) decision.Container {
	trace := decision.Container{Name: o.name, Origin: o.origin.String()}
	for _, r := range usage.Resources {
		v := &o.values[r]
		if !v.known {
			continue
		}
		value := decision.Value{Resource: r.String(), Target: people(r, v.target), Basis: l.basis(t, o.name, r)}
		if o.held {
			value.Basis = "held"
		}
		if v.atMinimum {
			value.Bounds = append(value.Bounds, "raised to the container's share of the pod minimum")
		}
		switch v.bound {
		case minAllowed:
			value.Bounds = append(value.Bounds, fmt.Sprintf("raised from %s by minAllowed", people(r, v.uncapped)))
		case maxAllowed, globalMaxAllowed:
			value.Bounds = append(value.Bounds, fmt.Sprintf("capped from %s by %s", people(r, v.uncapped), maximumOf[v.bound]))
		case declaredRequest:
			value.Bounds = append(value.Bounds, fmt.Sprintf("raised from %s by the declared request", people(r, v.uncapped)))
		case legal:
			value.Bounds = append(value.Bounds, fmt.Sprintf("moved from %s to what LimitRanges and the pod's own resources allow", people(r, v.uncapped)))
		case unbounded:
		}
		if limits[r].IsSet() {
			value.Limit = peopleQuantity(r, limits[r].Quantity(r))
		}
		trace.Values = append(trace.Values, value)
	}
	return trace
}

// basis says what an estimate of the container's is made from.
func (l *Loop) basis(t *tracked, container string, r usage.Resource) string {
	of := ""
	if r == usage.Memory {
		of = "daily peaks"
		if l.rules(policy.ForContainer(t.vpa.Spec.ResourcePolicy, container)).MemoryInterval != day {
			of = "peaks"
		}
	}
	return decision.Basis(l.options.Estimate.Percentiles[r].Target, l.options.Estimate.Margin, of)
}

// projected is what the next pod is given.
type projected struct {
	pod      *policy.Pod
	decision policy.Decision
}

// of returns what the container called name is given; nil if there is none.
func (p *projected) of(name string) *policy.Outcome {
	if p != nil {
		for i := range p.pod.Containers {
			if p.pod.Containers[i].Name == name {
				return &p.decision.Containers[i]
			}
		}
	}
	return nil
}

// limits returns the limits of the container called name; none are set where the webhook sets none.
func (p *projected) limits(name string) policy.Amounts {
	if given := p.of(name); given != nil {
		return given.Limits
	}
	return policy.Amounts{}
}

// warnings are what the webhook is going to say of one resource of a container.
func (p *projected) warnings(name string, r usage.Resource) []string {
	if p == nil {
		return nil
	}
	var said []string
	for i := range p.decision.Steps {
		s := &p.decision.Steps[i]
		if s.Warns() && s.Resource == r && (s.Container < 0 || p.pod.Containers[s.Container].Name == name) {
			said = append(said, s.Text())
		}
	}
	return said
}

// projected is decided as the webhook decides: by what the newest pod declared. nil if there is no pod, or the
// VPA is in mode Off. Of LimitRanges only those are known here that move requests further than upstream's updater does.
func (l *Loop) projected(t *tracked, d *decided, outcomes []outcome) *projected {
	if d.shape == nil || target.UpdateMode(t.vpa) == vpav1.UpdateModeOff {
		return nil
	}
	recommended := &vpav1.RecommendedPodResources{}
	for i := range outcomes {
		recommended.ContainerRecommendations = append(recommended.ContainerRecommendations, outcomes[i].recommendation())
	}
	rules := policy.RulesOf(t.vpa, recommended, l.options.cluster())
	return &projected{pod: &d.shape.Pod, decision: policy.Decide(&d.shape.Pod, rules, d.ranges)}
}

// String says where values come from.
func (o origin) String() string {
	var said string
	switch o.source {
	case fromLive:
		said = decision.Span(int(o.days)) + " of live metrics"
	case fromCheckpoint:
		said = decision.Span(int(o.days)) + " of live metrics and checkpoints"
	case fromHistory:
		said = decision.Span(int(o.days)) + " of Prometheus history and live metrics"
	case fromPublication:
		said = "the last publication, until history is read or live metrics cover a day"
	case fromPartialHistory:
		said = decision.Span(int(o.days)) + " of Prometheus history and live metrics, while the rest is read"
	case fromPublicationOrMore:
		said = "the last publication, and what was read of history so far where that is larger"
	case fromPublicationAlone:
		said = "the last publication, until live metrics cover a day"
	case fromPublicationResuming:
		said = "the last publication, until live metrics cover what a restart missed"
	}
	if o.from == "" {
		return said
	}
	primary, container, _ := strings.Cut(o.from, "/")
	said = fmt.Sprintf("VPA %s's container %s: %s", primary, container, said)
	if o.larger {
		said += ", or its own where that is larger"
	}
	return said
}

// people writes an amount as people do: memory in MiB, rounded up.
func people(r usage.Resource, a usage.Amount) string { return peopleQuantity(r, quantity(r, a)) }

func peopleQuantity(r usage.Resource, q resource.Quantity) string {
	if r == usage.CPU {
		return q.String()
	}
	const mi = 1 << 20
	return resource.NewQuantity((q.Value()+mi-1)/mi*mi, resource.BinarySI).String()
}

func joined(list []string) string { return strings.Join(list, ", ") }
