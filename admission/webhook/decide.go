package webhook

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/utils/annotations"

	"github.com/sartor-vpa/sartor/admission/patch"
	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// InjectAnnotation on a pod, with the value "false", keeps the webhook away from it.
const InjectAnnotation = "sartor.dev/inject"

// decide finds the VPA that controls the pod under review and decides the pod's resources.
func (h *Handler) decide(ctx context.Context, d *desk) outcome {
	r := &d.review.request
	if !r.isPodCreation() {
		return outcome{decision: NotAPodCreation}
	}
	if !h.synced() {
		return outcome{decision: NotSynced}
	}
	if r.fault != nil {
		return outcome{decision: BadPod, err: fmt.Errorf("decoding the pod: %w", r.fault)}
	}
	if r.pod.annotations[InjectAnnotation] == "false" {
		return outcome{decision: OptedOut}
	}
	controller, found, err := h.owners.Topmost(ctx, r.namespace, r.pod.owners)
	switch {
	case ctx.Err() != nil:
		return outcome{decision: DeadlineExceeded, err: errors.Join(ctx.Err(), err)}
	case err != nil:
		return outcome{decision: LookupFailed, err: err}
	case !found:
		return outcome{decision: NoController}
	}
	vpa := h.vpas.Controlling(controller)
	if vpa == nil {
		return outcome{decision: NoVPA}
	}
	rules := policy.RulesOf(vpa, vpa.Status.Recommendation, policy.Cluster{Limits: h.limits})
	return apply(&r.pod, vpa.Name, rules, nil, &d.paper)
}

// apply is the pure part: the pod, the rules of its controlling VPA and the namespace's ranges give the outcome.
func apply(p *pod, vpaName string, rules *policy.Rules, ranges *policy.Ranges, on *paper) outcome {
	asking := p.asking(ranges)
	decision := policy.Decide(&asking, rules, ranges)
	on.pod = patch.Pod{Annotations: p.annotations, Wanted: on.pod.Wanted[:0], Containers: on.pod.Containers[:0]}
	out := outcome{vpa: vpaName}
	out.tell(rules, &asking, decision.Steps)
	var updates []string
	for i := range p.containers {
		c, decided := &p.containers[i], &decision.Containers[i]
		now := &asking.Containers[i].Now
		on.pod.Containers = append(on.pod.Containers, patch.Container{
			Exists: c.resources.exists,
			Limits: listed(c.resources.limits.exists, &now.Limits, &decided.Limits), Requests: listed(c.resources.requests.exists, &now.Requests, &decided.Requests),
		})
		if text := updatesOf(decided); text != "" {
			updates = append(updates, fmt.Sprintf("container %d: %s", i, text))
		}
		if decided.Boosted {
			key, value, err := asking.Containers[i].BoostAnnotation()
			if err != nil {
				return outcome{decision: BadPod, err: err}
			}
			on.want(key, value)
		}
	}
	return finish(out, on, &asking, updates)
}

// tell turns what people should know into warnings and audit annotations.
func (out *outcome) tell(rules *policy.Rules, asking *policy.Pod, steps []policy.Step) {
	for _, err := range rules.Invalid {
		out.warnings = append(out.warnings, warning(out.vpa, err.Error()))
	}
	for i := range steps {
		step := &steps[i]
		if !step.Warns() {
			continue
		}
		text := step.Text()
		if step.Container >= 0 {
			text = fmt.Sprintf("container %s: %s", asking.Containers[step.Container].Name, text)
		}
		out.warnings = append(out.warnings, warning(out.vpa, text))
		if step.Skipped {
			out.skipped = append(out.skipped, text)
		} else {
			out.capped = append(out.capped, text)
		}
	}
}

// finish adds the annotations and builds the patch. updates tell what was decided, by container.
func finish(out outcome, on *paper, asking *policy.Pod, updates []string) outcome {
	on.want(annotations.VpaObservedContainersLabel, asking.ContainerNames())
	if len(updates) > 0 {
		on.want(policy.DeclaredAnnotation, string(asking.AppendDeclaration(nil)))
		on.want(policy.UpdatesAnnotation, fmt.Sprintf("Pod resources updated by %s: %s", out.vpa, strings.Join(updates, "; ")))
	}
	on.patch = patch.Append(on.patch[:0], &on.pod)
	out.patch = on.patch
	switch {
	case len(updates) > 0 && len(out.patch) == 0:
		out.decision = Unchanged
	case len(updates) > 0:
		out.decision = Patched
	case len(out.skipped) > 0:
		out.decision = Skipped
	default:
		out.decision = NoRecommendation
	}
	return out
}

func (p *paper) want(key, value string) {
	p.pod.Wanted = append(p.pod.Wanted, patch.Annotation{Key: key, Value: value})
}

// asking is the pod as a decision reads it.
func (p *pod) asking(ranges *policy.Ranges) policy.Pod {
	asking := policy.Pod{Containers: make([]policy.PodContainer, len(p.containers))}
	for i := range p.containers {
		asking.Containers[i] = policy.PodContainer{Name: p.containers[i].name, Now: p.containers[i].resources.values()}
	}
	for i := range p.initContainers {
		c := &p.initContainers[i]
		asking.Init = append(asking.Init, policy.InitContainer{Now: c.resources.values(), Sidecar: c.sidecar})
	}
	if level := p.resources.values(); level != (policy.Resources{}) {
		asking.Level = &level
	}
	asking.Recall(policy.AnnotationsOf(p.annotations), ranges)
	return asking
}

func (r *resources) values() policy.Resources {
	return policy.Resources{Limits: r.limits.values(), Requests: r.requests.values()}
}

func (l *list) values() policy.Amounts {
	var values policy.Amounts
	for _, r := range usage.Resources {
		if l.amounts[r].set {
			values[r] = policy.ValueOf(r, l.amounts[r].Quantity)
		}
	}
	return values
}

// listed is a list as it is, and what was decided for it.
func listed(exists bool, now, decided *policy.Amounts) patch.List {
	result := patch.List{Exists: exists}
	for r, into := range [...]*patch.Amount{usage.CPU: &result.CPU, usage.Memory: &result.Memory} {
		if v := decided[r]; v.IsSet() {
			*into = patch.Amount{Have: v.AppendText(nil, usage.Resources[r]), Same: v.Equals(now[r])}
		}
	}
	return result
}

// updatesOf lists what a decision sets, in upstream's words: "cpu request, memory request, cpu limit".
func updatesOf(o *policy.Outcome) string {
	var set []string
	for _, r := range usage.Resources {
		if o.Requests[r].IsSet() {
			set = append(set, r.String()+" request")
		}
	}
	for _, r := range usage.Resources {
		if o.Limits[r].IsSet() {
			set = append(set, r.String()+" limit")
		}
	}
	return strings.Join(set, ", ")
}

func warning(vpaName, text string) string {
	return fmt.Sprintf("VPA %s: %s", vpaName, text)
}
