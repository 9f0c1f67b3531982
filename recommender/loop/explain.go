package loop

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/decision"
	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/target"
	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/cluster"
)

// sentences tell how each container's recommendation came about.
func (l *Loop) sentences(t *tracked, d decided, outcomes []outcome) string {
	said := make([]string, len(outcomes))
	for i := range outcomes {
		said[i] = l.trace(t, d, &outcomes[i]).String()
	}
	return strings.Join(said, " ")
}

// trace tells how an outcome came about, down to the limit that the webhook will set.
func (l *Loop) trace(t *tracked, d decided, o *outcome) decision.Container {
	limits := l.projectedLimits(t, d.shape, o)
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
		case unbounded:
		}
		if limit, ok := limits[corev1.ResourceName(r.String())]; ok {
			value.Limit = peopleQuantity(r, limit)
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

// projectedLimits are the limits of the next pod, decided as the webhook decides: by what the newest pod declared.
// None if the VPA is in mode Off.
func (l *Loop) projectedLimits(t *tracked, shape *cluster.Shape, o *outcome) corev1.ResourceList {
	if shape == nil || target.UpdateMode(t.vpa) == vpav1.UpdateModeOff {
		return nil
	}
	declared, ok := shape.Declared[o.name]
	if !ok {
		return nil
	}
	return policy.Ask{
		Declared: declared, Guaranteed: shape.Guaranteed, Target: o.recommendation().Target,
		Policy: policy.ForContainer(t.vpa.Spec.ResourcePolicy, o.name), Limits: l.options.Limits,
	}.Decide().Limits
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
