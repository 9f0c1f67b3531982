package webhook

import (
	"context"
	"errors"
	"fmt"
	"strconv"

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
	control := h.vpas.Controlling(controller)
	if control == nil {
		return outcome{decision: NoVPA}
	}
	if !control.Selects(ctx, &r.pod.labels) {
		return outcome{decision: NotSelected, vpa: control.Name}
	}
	return apply(&r.pod, control, h.ranges.Of(r.namespace), h.quotas.Of(r.namespace), &d.paper)
}

// apply is the pure part: the pod, its controlling VPA and the namespace's ranges and quotas give the outcome.
func apply(p *pod, control *Control, ranges *policy.Ranges, quotas []policy.Quota, on *paper) outcome {
	p.asking.Recall(policy.AnnotationsOf(p.annotations), ranges)
	decision := policy.Decide(&p.asking, control.Rules, ranges)
	out := outcome{vpa: control.Name, steps: decision.Steps}
	out.tell(control, &p.asking)
	for i := range quotas {
		if text := quotas[i].Short(&p.asking, decision.Containers); text != "" {
			out.warn(text)
		}
	}
	on.begin(p)
	for i := range decision.Containers {
		on.container(p, i, &decision.Containers[i])
		if decision.Containers[i].Boosted {
			key, value, err := p.asking.Containers[i].BoostAnnotation()
			if err != nil {
				return outcome{decision: BadPod, err: err}
			}
			on.want(key, value)
		}
	}
	updated := on.updates(control.Name, decision.Containers)
	on.want(annotations.VpaObservedContainersLabel, p.asking.ContainerNames())
	if updated != "" {
		start := len(on.text)
		on.text = p.asking.AppendDeclaration(on.text)
		on.want(policy.DeclaredAnnotation, string(on.text[start:]))
		on.want(policy.UpdatesAnnotation, updated)
	}
	on.patch = patch.Append(on.patch[:0], &on.pod)
	out.patch = on.patch
	switch {
	case updated != "" && len(out.patch) == 0:
		out.decision = Unchanged
	case updated != "":
		out.decision = Patched
	case len(out.skipped) > 0:
		out.decision = Skipped
	default:
		out.decision = NoRecommendation
	}
	return out
}

// tell turns what people should know into warnings and annotations for the audit log.
func (out *outcome) tell(control *Control, asking *policy.Pod) {
	for _, err := range control.Rules.Invalid {
		out.warn(err.Error())
	}
	if control.Others != "" {
		out.warn(control.Others)
	}
	for i := range out.steps {
		step := &out.steps[i]
		if !step.Warns() {
			continue
		}
		text := step.Text()
		if step.Container >= 0 {
			text = fmt.Sprintf("container %s: %s", asking.Containers[step.Container].Name, text)
		}
		out.warn(text)
		if step.Skipped {
			out.skipped = append(out.skipped, text)
		} else {
			out.capped = append(out.capped, text)
		}
	}
}

func (out *outcome) warn(text string) {
	out.warnings = append(out.warnings, fmt.Sprintf("VPA %s: %s", out.vpa, text))
}

// begin takes up a pod as it is.
func (p *paper) begin(of *pod) {
	p.text = p.text[:0]
	p.pod = patch.Pod{Annotations: of.annotations, Wanted: p.pod.Wanted[:0], Containers: p.pod.Containers[:0]}
}

func (p *paper) want(key, value string) {
	p.pod.Wanted = append(p.pod.Wanted, patch.Annotation{Key: key, Value: value})
}

// container takes up the i-th container, and what was decided for it.
func (p *paper) container(of *pod, i int, decided *policy.Outcome) {
	now, has := &of.asking.Containers[i].Now, &of.has[i]
	container := patch.Container{
		Exists:   has.resources,
		Limits:   p.list(has.limits, &now.Limits, &decided.Limits, &decided.Back.Limits),
		Requests: p.list(has.requests, &now.Requests, &decided.Requests, &decided.Back.Requests),
	}
	container.Requests.CPU.Gone, container.Requests.Memory.Gone = decided.Gone[usage.CPU], decided.Gone[usage.Memory]
	p.pod.Containers = append(p.pod.Containers, container)
}

func (p *paper) list(exists bool, now, decided, back *policy.Amounts) patch.List {
	return patch.List{Exists: exists, CPU: p.amount(usage.CPU, now, decided, back), Memory: p.amount(usage.Memory, now, decided, back)}
}

func (p *paper) amount(r usage.Resource, now, decided, back *policy.Amounts) patch.Amount {
	v := &decided[r]
	if !v.IsSet() {
		v = &back[r]
	}
	if !v.IsSet() {
		return patch.Amount{}
	}
	start := len(p.text)
	p.text = v.AppendText(p.text, r)
	return patch.Amount{Have: p.text[start:len(p.text):len(p.text)], Same: v.Equals(now[r])}
}

// updates tells what was decided, in upstream's words; empty if nothing was.
func (p *paper) updates(vpaName string, containers []policy.Outcome) string {
	start := len(p.text)
	for i := range containers {
		if !containers[i].Sets() {
			continue
		}
		if len(p.text) == start {
			p.text = append(append(append(p.text, "Pod resources updated by "...), vpaName...), ": "...)
		} else {
			p.text = append(p.text, "; "...)
		}
		p.text = append(strconv.AppendInt(append(p.text, "container "...), int64(i), 10), ": "...)
		p.text = appendSet(p.text, &containers[i].Requests, " request, ")
		p.text = appendSet(p.text, &containers[i].Limits, " limit, ")
		p.text = p.text[:len(p.text)-len(", ")]
	}
	return string(p.text[start:])
}

func appendSet(b []byte, amounts *policy.Amounts, what string) []byte {
	for _, r := range usage.Resources {
		if amounts[r].IsSet() {
			b = append(append(b, r.String()...), what...)
		}
	}
	return b
}
