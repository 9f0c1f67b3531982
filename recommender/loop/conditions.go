package loop

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/decision"
	"github.com/sartor-vpa/sartor/pkg/lineage"
	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/target"
	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/cluster"
)

// Conditions that upstream does not have.
const (
	// Inherited tells from whom a release candidate has its values, or why it has its own.
	Inherited vpav1.VerticalPodAutoscalerConditionType = "Inherited"
	// Capped is there while a maximum keeps a container from what it needs.
	Capped vpav1.VerticalPodAutoscalerConditionType = "Capped"
	// AnnotationInvalid is there while annotations that say how limits and requests of pods follow make no sense.
	AnnotationInvalid vpav1.VerticalPodAutoscalerConditionType = "AnnotationInvalid"
	// HPAConflict is there while an HPA scales the same workload on what is recommended for it.
	HPAConflict vpav1.VerticalPodAutoscalerConditionType = "HPAConflict"
)

// Reasons that are looked for again.
const (
	reasonLoaded   = "HistoryLoaded"
	reasonRetrying = "Retrying"
	reasonOOMLoop  = "OOMLoop"
)

// conditions explain a decision in words, sorted by type. Those that say nothing are left out.
func (l *Loop) conditions(t *tracked, d decided, outcomes []outcome) []vpav1.VerticalPodAutoscalerCondition {
	list := conditionList{vpa: t.vpa, now: metav1.NewTime(l.now().Truncate(1e9))}
	if reason, err := t.undecidable(); err != nil {
		list.add(vpav1.ConfigUnsupported, true, reason, err.Error())
		list.add(vpav1.RecommendationProvided, false, "ConfigUnsupported", err.Error())
		return list.sorted()
	}
	if !d.pods {
		list.add(vpav1.NoPodsMatched, true, "NoPodsMatched", fmt.Sprintf("No started pod has %s as its topmost controller.", t.group.target))
	}
	l.historyCondition(&list, t, d.past)
	l.recommendationCondition(&list, t, d, outcomes)
	cappedCondition(&list, outcomes)
	inheritedCondition(&list, d)
	l.conflictCondition(&list, t, d)
	l.annotationCondition(&list, t, d)
	return list.sorted()
}

// inDays writes a length of time as people do.
func inDays(d time.Duration) string {
	if d >= day && d%day == 0 {
		return decision.Span(int(d / day))
	}
	return model.Duration(d).String()
}

func (l *Loop) recommendationCondition(list *conditionList, t *tracked, d decided, outcomes []outcome) {
	var short []string
	for i := range outcomes {
		if outcomes[i].short {
			short = append(short, outcomes[i].name)
		}
	}
	if len(short) > 0 {
		list.add(vpav1.LowConfidence, true, "ShortHistory", fmt.Sprintf("Less than a day of samples: %s.", joined(short)))
	}
	switch {
	case len(outcomes) > 0:
		list.add(vpav1.RecommendationProvided, true, "RecommendationProvided", l.sentences(t, d, outcomes))
	case d.proposed:
		list.add(vpav1.RecommendationProvided, false, "NothingControlled", "spec.resourcePolicy, or --hpa-conflict=skip, leaves no resource of any container to recommend.")
	case d.past.pending():
		list.add(vpav1.RecommendationProvided, false, "FetchingHistory", "Waiting for history; see the condition FetchingHistory.")
	case !d.pods:
		list.add(vpav1.RecommendationProvided, false, "NoPodsMatched", "No pods, and no history of any.")
	default:
		list.add(vpav1.RecommendationProvided, false, "NoSamples", "No usage of its containers has been measured yet.")
	}
}

// cappedCondition tells what a maximum denies.
func cappedCondition(list *conditionList, outcomes []outcome) {
	var capped []string
	looping := false
	for i := range outcomes {
		o := &outcomes[i]
		for _, r := range usage.Resources {
			v := &o.values[r]
			maximum, ok := maximumOf[v.bound]
			if !v.known || !ok {
				continue
			}
			said := fmt.Sprintf("%s's %s needs %s and %s is %s", o.name, r, people(r, v.uncapped), maximum, people(r, v.target))
			if v.contradicts {
				said += ", which is below minAllowed"
			}
			if r == usage.Memory && o.looping {
				looping = true
				said += "; it is killed for memory again and again, and will be until the maximum is raised"
			}
			capped = append(capped, said)
		}
	}
	switch {
	case looping:
		list.add(Capped, true, reasonOOMLoop, strings.Join(capped, "; ")+".")
	case len(capped) > 0:
		list.add(Capped, true, "MaxAllowed", strings.Join(capped, "; ")+".")
	}
}

// maximumOf names the bounds from above.
var maximumOf = map[bound]string{maxAllowed: "maxAllowed", globalMaxAllowed: "the cluster's maximum"}

func inheritedCondition(list *conditionList, d decided) {
	if d.inheritance == noInheritance {
		return
	}
	in := d.inheritance.Value()
	invalid := ""
	if in.invalid != "" {
		invalid = " Not understood: " + in.invalid + "."
	}
	switch {
	case in.reason != "":
		list.add(Inherited, false, in.reason, in.missing+invalid)
	case in.primary == "":
		list.add(Inherited, false, "Invalid", strings.TrimSpace(invalid))
	case in.mode == lineage.Larger:
		list.add(Inherited, true, "LargerOfPrimaryAndOwn", fmt.Sprintf("Values are the larger of VPA %s's and its own: %s.%s", in.primary, in.pairs, invalid))
	default:
		list.add(Inherited, true, "FromPrimary", fmt.Sprintf("Values come from VPA %s: %s.%s", in.primary, in.pairs, invalid))
	}
}

// conflictCondition tells of HPAs that scale on what the VPA changes: the more a pod requests, the less it seems to use.
func (l *Loop) conflictCondition(list *conditionList, t *tracked, d decided) {
	if d.conflicts == "" {
		return
	}
	remedy := "Both will fight over it: let the HPA scale on another metric, such as requests per second, or leave the resource out of controlledResources."
	reason := "HPAScalesOnSameResource"
	if l.options.SkipHPAConflicts {
		reason, remedy = "ResourceSkipped", "That is not recommended, by --hpa-conflict=skip."
	}
	list.add(HPAConflict, true, reason, fmt.Sprintf("%s is scaled by %s. %s", t.group.target, d.conflicts, remedy))
}

// annotationCondition tells of annotations in place of which the cluster's rules count.
func (l *Loop) annotationCondition(list *conditionList, t *tracked, d decided) {
	if d.asks == "" {
		return
	}
	if err := errors.Join(policy.RulesOf(t.vpa, nil, l.options.cluster()).Invalid...); err != nil {
		said := strings.ReplaceAll(err.Error(), "\n", "; ")
		list.add(AnnotationInvalid, true, "NotUnderstood", "Until it is corrected the cluster's rule counts: "+said+".")
	}
}

// conflicting are the HPAs that scale t's target on what t recommends and pods are given.
func (l *Loop) conflicting(t *tracked) []cluster.HPA {
	hpas := l.cluster.HPAs(t.group.target)
	if len(hpas) == 0 || target.UpdateMode(t.vpa) == vpav1.UpdateModeOff {
		return nil
	}
	controls := func(r usage.Resource) bool {
		return slices.ContainsFunc(t.containers, func(c container) bool {
			bounds := c.bounds.Value()
			return bounds.Controls(r)
		})
	}
	var fighting []cluster.HPA
	for _, h := range hpas {
		h.CPU, h.Memory = h.CPU && controls(usage.CPU), h.Memory && controls(usage.Memory)
		if h.CPU || h.Memory {
			fighting = append(fighting, h)
		}
	}
	return fighting
}

// conflicts says which HPAs scale on what: "HPA shop on cpu, HPA shop-2 on cpu and memory"; empty if none does.
func conflicts(hpas []cluster.HPA) string {
	var said []string
	for _, h := range hpas {
		on := "cpu"
		switch {
		case h.CPU && h.Memory:
			on = "cpu and memory"
		case h.Memory:
			on = "memory"
		}
		said = append(said, "HPA "+h.Name+" on "+on)
	}
	return joined(said)
}

func scales(hpas []cluster.HPA, r usage.Resource) bool {
	return slices.ContainsFunc(hpas, func(h cluster.HPA) bool { return (r == usage.CPU && h.CPU) || (r == usage.Memory && h.Memory) })
}

// conditionList builds conditions; one whose status stays keeps the time of its last transition.
type conditionList struct {
	vpa  *vpav1.VerticalPodAutoscaler
	now  metav1.Time
	list []vpav1.VerticalPodAutoscalerCondition
}

func (c *conditionList) add(kind vpav1.VerticalPodAutoscalerConditionType, is bool, reason, message string) {
	status := corev1.ConditionFalse
	if is {
		status = corev1.ConditionTrue
	}
	condition := vpav1.VerticalPodAutoscalerCondition{Type: kind, Status: status, LastTransitionTime: c.now, Reason: reason, Message: message}
	for _, old := range c.vpa.Status.Conditions {
		if old.Type == kind && old.Status == status {
			condition.LastTransitionTime = old.LastTransitionTime
		}
	}
	c.list = append(c.list, condition)
}

func (c *conditionList) sorted() []vpav1.VerticalPodAutoscalerCondition {
	slices.SortFunc(c.list, func(a, b vpav1.VerticalPodAutoscalerCondition) int { return cmp.Compare(a.Type, b.Type) })
	return c.list
}
