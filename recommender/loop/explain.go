package loop

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/decision"
	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/target"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// verdict is all that was decided for one VPA, for its status and the words around it.
type verdict struct {
	proposals       map[string]proposal
	inheritance     *inheritance
	recommendations []vpav1.RecommendedContainerResources
	traces          []decision.Container
	// short are containers with less than a day of samples, capped those that maxAllowed bounds.
	short, capped []string
}

// note keeps what conditions will tell.
func (v *verdict) note(container string, rec vpav1.RecommendedContainerResources, p proposal, rules policy.Container, bounds []resourceBound) {
	if p.short {
		v.short = append(v.short, container)
	}
	for _, b := range bounds {
		if b.bound != policy.MaxAllowed {
			continue
		}
		name := corev1.ResourceName(b.resource.String())
		said := fmt.Sprintf("%s's %s needs %s and maxAllowed is %s", container, name, people(b.resource, rec.UncappedTarget[name]), people(b.resource, rec.Target[name]))
		if rules.Contradicts(name) {
			said += ", which is below minAllowed"
		}
		v.capped = append(v.capped, said)
	}
}

// trace tells how the container's recommendation came about, down to the limit that the webhook will set.
func (l *Loop) trace(t *tracked, rec vpav1.RecommendedContainerResources, p proposal, bounds []resourceBound) decision.Container {
	limits := l.projectedLimits(t, rec)
	trace := decision.Container{Name: rec.ContainerName, Origin: p.origin}
	for _, b := range bounds {
		name := corev1.ResourceName(b.resource.String())
		value := decision.Value{Resource: b.resource.String(), Target: people(b.resource, rec.Target[name]), Basis: l.basis(b.resource)}
		if p.held {
			value.Basis = "held"
		}
		if b.estimate.AtMinimum {
			value.Bounds = append(value.Bounds, "raised to the container's share of the pod minimum")
		}
		switch b.bound {
		case policy.MinAllowed:
			value.Bounds = append(value.Bounds, fmt.Sprintf("raised from %s by minAllowed", people(b.resource, rec.UncappedTarget[name])))
		case policy.MaxAllowed:
			value.Bounds = append(value.Bounds, fmt.Sprintf("capped from %s by maxAllowed", people(b.resource, rec.UncappedTarget[name])))
		}
		if limit, ok := limits[name]; ok {
			value.Limit = people(b.resource, limit)
		}
		trace.Values = append(trace.Values, value)
	}
	return trace
}

func (l *Loop) basis(r usage.Resource) string {
	of := ""
	if r == usage.Memory {
		of = "daily peaks"
		if l.options.Aggregate.Rules.MemoryInterval != day {
			of = "peaks"
		}
	}
	return decision.Basis(l.options.Estimate.Percentiles[r].Target, l.options.Estimate.Margin, of)
}

// projectedLimits are the limits of the next pod, decided as the webhook decides: by what the newest pod that
// has the container declared. None if the VPA is in mode Off.
func (l *Loop) projectedLimits(t *tracked, rec vpav1.RecommendedContainerResources) corev1.ResourceList {
	if target.UpdateMode(t.vpa) == vpav1.UpdateModeOff {
		return nil
	}
	for i := range t.pods {
		declared, ok := t.pods[i].Declared[rec.ContainerName]
		if !ok {
			continue
		}
		return policy.Ask{
			Declared: declared, Guaranteed: t.pods[i].Guaranteed,
			Target: rec.Target, Policy: t.policy(rec.ContainerName), Limits: l.options.Limits,
		}.Decide().Limits
	}
	return nil
}

// people writes a quantity as people do: memory in MiB, rounded up.
func people(r usage.Resource, q resource.Quantity) string {
	if r == usage.CPU {
		return q.String()
	}
	const mi = 1 << 20
	return resource.NewQuantity((q.Value()+mi-1)/mi*mi, resource.BinarySI).String()
}

func sentences(traces []decision.Container) string {
	said := make([]string, len(traces))
	for i, t := range traces {
		said[i] = t.String()
	}
	return strings.Join(said, " ")
}

// String says who inherits from whom.
func (in *inheritance) String() string {
	pairs := make([]string, 0, len(in.containers))
	for _, own := range slices.Sorted(maps.Keys(in.containers)) {
		pairs = append(pairs, own+" from "+in.containers[own])
	}
	return fmt.Sprintf("Values come from VPA %s: %s.", in.primary, strings.Join(pairs, ", "))
}
