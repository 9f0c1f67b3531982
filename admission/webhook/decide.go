package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/utils/annotations"

	"github.com/sartor-vpa/sartor/admission/patch"
	"github.com/sartor-vpa/sartor/pkg/policy"
)

const (
	// InjectAnnotation on a pod, with the value "false", keeps the webhook away from it.
	InjectAnnotation = "sartor.dev/inject"
	// updatesAnnotation is upstream's: it tells what was changed, for people to read.
	updatesAnnotation = "vpaUpdates"
)

// outcome is what becomes of one review.
type outcome struct {
	decision Decision
	patch    []byte   // nil: nothing to change
	warnings []string // for the client that creates the pod
	err      error    // why the pod was left alone, for the log
}

// decide finds the VPA that controls the pod under review and decides the pod's resources.
func (h *Handler) decide(ctx context.Context, r *request) outcome {
	if r.Operation != admissionv1.Create || r.SubResource != "" || r.Resource.Group != "" || r.Resource.Resource != "pods" {
		return outcome{decision: NotAPodCreation}
	}
	if !h.synced() {
		return outcome{decision: NotSynced}
	}
	var p pod
	if err := json.Unmarshal(r.Object, &p); err != nil {
		return outcome{decision: BadPod, err: fmt.Errorf("decoding the pod: %w", err)}
	}
	if p.Metadata.Annotations[InjectAnnotation] == "false" {
		return outcome{decision: OptedOut}
	}
	controller, found, err := h.owners.Topmost(ctx, r.Namespace, p.Metadata.OwnerReferences)
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
	return apply(&p, vpa, h.limits)
}

// apply is the pure part: the pod, its controlling VPA and the limit policy give the outcome.
func apply(p *pod, vpa *vpav1.VerticalPodAutoscaler, limits policy.LimitPolicy) outcome {
	if r := p.Spec.Resources; r != nil && len(r.Requests)+len(r.Limits) > 0 {
		return outcome{decision: PodResources, warnings: []string{
			warning(vpa, "the pod has resources of its own (spec.resources): its containers are left as declared"),
		}}
	}
	containers := coreContainers(p.Spec.Containers)
	declared := policy.Declared(p.Metadata.Annotations, containers)
	guaranteed := policy.Guaranteed(declared, coreContainers(p.Spec.InitContainers))

	now := patch.Pod{Annotations: p.Metadata.Annotations}
	var out outcome
	var updates []string
	for i, c := range p.Spec.Containers {
		decision := policy.Ask{
			Declared:   declared[c.Name],
			Guaranteed: guaranteed,
			Target:     policy.TargetOf(vpa.Status.Recommendation, c.Name),
			Policy:     policy.ForContainer(vpa.Spec.ResourcePolicy, c.Name),
			Limits:     limits,
		}.Decide()
		now.Containers = append(now.Containers, patch.Container{Resources: c.Resources, Requests: decision.Requests, Limits: decision.Limits})
		for _, note := range decision.Notes {
			out.warnings = append(out.warnings, warning(vpa, fmt.Sprintf("container %s: %s", c.Name, note.Text)))
		}
		if text := updatesOf(decision); text != "" {
			updates = append(updates, fmt.Sprintf("container %d: %s", i, text))
		}
	}
	return finish(out, now, vpa.Name, containers, declared, updates)
}

// finish adds the annotations and builds the patch. updates tell what was decided, by container.
func finish(out outcome, now patch.Pod, vpaName string, containers []corev1.Container, declared policy.Declaration, updates []string) outcome {
	observed := &corev1.Pod{Spec: corev1.PodSpec{Containers: containers}}
	wanted := map[string]string{annotations.VpaObservedContainersLabel: annotations.GetVpaObservedContainersValue(observed)}
	if len(updates) > 0 {
		recorded, err := declared.Annotation()
		if err != nil {
			return outcome{decision: BadPod, err: err}
		}
		wanted[policy.DeclaredAnnotation] = recorded
		wanted[updatesAnnotation] = fmt.Sprintf("Pod resources updated by %s: %s", vpaName, strings.Join(updates, "; "))
	}
	if out.patch, out.err = patch.Build(now, wanted); out.err != nil {
		return outcome{decision: BadPod, err: out.err}
	}
	switch {
	case len(updates) > 0 && out.patch == nil:
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
	for i, c := range containers {
		converted[i].Name = c.Name
		if c.Resources != nil {
			converted[i].Resources = *c.Resources
		}
	}
	return converted
}

func warning(vpa *vpav1.VerticalPodAutoscaler, text string) string {
	return fmt.Sprintf("VPA %s: %s", vpa.Name, text)
}
