package webhook

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/utils/annotations"

	"github.com/sartor-vpa/sartor/admission/patch"
	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

const (
	// InjectAnnotation on a pod, with the value "false", keeps the webhook away from it.
	InjectAnnotation = "sartor.dev/inject"
	// updatesAnnotation is upstream's: it tells what was changed, for people to read.
	updatesAnnotation = "vpaUpdates"
)

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
	return apply(&r.pod, vpa, h.limits, &d.paper)
}

// apply is the pure part: the pod, its controlling VPA and the limit policy give the outcome.
func apply(p *pod, vpa *vpav1.VerticalPodAutoscaler, limits policy.LimitPolicy, on *paper) outcome {
	if p.resources.names() {
		return outcome{decision: PodResources, vpa: vpa.Name, warnings: []string{
			warning(vpa, "the pod has resources of its own (spec.resources): its containers are left as declared"),
		}}
	}
	containers := coreContainers(p.containers)
	declared := policy.Declared(p.annotations, containers)
	guaranteed := policy.Guaranteed(declared, coreContainers(p.initContainers))

	on.pod = patch.Pod{Annotations: p.annotations, Wanted: on.pod.Wanted[:0], Containers: on.pod.Containers[:0]}
	out := outcome{vpa: vpa.Name}
	var updates []string
	for i := range p.containers {
		c := &p.containers[i]
		decision := policy.Ask{
			Declared:   declared[c.name],
			Guaranteed: guaranteed,
			Target:     policy.TargetOf(vpa.Status.Recommendation, c.name),
			Policy:     policy.ForContainer(vpa.Spec.ResourcePolicy, c.name),
			Limits:     limits,
		}.Decide()
		on.pod.Containers = append(on.pod.Containers, patch.Container{
			Exists: c.resources.exists, Limits: c.resources.limits.decided(decision.Limits), Requests: c.resources.requests.decided(decision.Requests),
		})
		for _, note := range decision.Notes {
			text := fmt.Sprintf("container %s: %s", c.name, note.Text)
			out.warnings = append(out.warnings, warning(vpa, text))
			if note.Skipped {
				out.skipped = append(out.skipped, text)
			} else {
				out.capped = append(out.capped, text)
			}
		}
		if text := updatesOf(decision); text != "" {
			updates = append(updates, fmt.Sprintf("container %d: %s", i, text))
		}
	}
	return finish(out, on, vpa.Name, containers, declared, updates)
}

// finish adds the annotations and builds the patch. updates tell what was decided, by container.
func finish(out outcome, on *paper, vpaName string, containers []corev1.Container, declared policy.Declaration, updates []string) outcome {
	observed := &corev1.Pod{Spec: corev1.PodSpec{Containers: containers}}
	on.want(annotations.VpaObservedContainersLabel, annotations.GetVpaObservedContainersValue(observed))
	if len(updates) > 0 {
		recorded, err := declared.Annotation()
		if err != nil {
			return outcome{decision: BadPod, err: err}
		}
		on.want(policy.DeclaredAnnotation, recorded)
		on.want(updatesAnnotation, fmt.Sprintf("Pod resources updated by %s: %s", vpaName, strings.Join(updates, "; ")))
	}
	on.patch = patch.Append(on.patch[:0], &on.pod)
	out.patch = on.patch
	switch {
	case len(updates) > 0 && len(out.patch) == 0:
		out.decision = Unchanged
	case len(updates) > 0:
		out.decision = Patched
	case len(out.warnings) > 0:
		out.decision = Skipped
	default:
		out.decision = NoRecommendation
	}
	return out
}

func (p *paper) want(key, value string) {
	p.pod.Wanted = append(p.pod.Wanted, patch.Annotation{Key: key, Value: value})
}

// names reports whether r names CPU or memory.
func (r *resources) names() bool {
	for i := range usage.Resources {
		if r.limits.amounts[i].set || r.requests.amounts[i].set {
			return true
		}
	}
	return false
}

// decided is l, and what was decided for it.
func (l *list) decided(decided corev1.ResourceList) patch.List {
	result := patch.List{Exists: l.exists}
	for r, into := range [...]*patch.Amount{usage.CPU: &result.CPU, usage.Memory: &result.Memory} {
		if q, ok := decided[corev1.ResourceName(usage.Resources[r].String())]; ok {
			*into = patch.Amount{Have: []byte(q.String()), Same: l.amounts[r].set && l.amounts[r].Cmp(q) == 0}
		}
	}
	return result
}

// updatesOf lists what a decision sets, in upstream's words: "cpu request, memory request, cpu limit".
func updatesOf(d policy.Decision) string {
	var set []string
	for _, kind := range []struct {
		list corev1.ResourceList
		name string
	}{{d.Requests, "request"}, {d.Limits, "limit"}} {
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			if _, ok := kind.list[name]; ok {
				set = append(set, fmt.Sprintf("%s %s", name, kind.name))
			}
		}
	}
	return strings.Join(set, ", ")
}

// coreContainers gives containers the type that pkg/policy and upstream's annotations take.
func coreContainers(containers []container) []corev1.Container {
	converted := make([]corev1.Container, len(containers))
	for i := range containers {
		c := &containers[i]
		converted[i].Name = c.name
		converted[i].Resources = corev1.ResourceRequirements{Limits: c.resources.limits.core(), Requests: c.resources.requests.core()}
	}
	return converted
}

func (l *list) core() corev1.ResourceList {
	if !l.exists {
		return nil
	}
	core := corev1.ResourceList{}
	for _, r := range usage.Resources {
		if a := &l.amounts[r]; a.set {
			core[corev1.ResourceName(r.String())] = a.Quantity
		}
	}
	return core
}

func warning(vpa *vpav1.VerticalPodAutoscaler, text string) string {
	return fmt.Sprintf("VPA %s: %s", vpa.Name, text)
}
