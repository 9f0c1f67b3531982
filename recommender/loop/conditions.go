package loop

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
)

// Conditions that upstream does not have.
const (
	// Inherited tells from whom a release candidate has its values, or why it has its own.
	Inherited vpav1.VerticalPodAutoscalerConditionType = "Inherited"
	// Capped is there while maxAllowed keeps a container from what it needs.
	Capped vpav1.VerticalPodAutoscalerConditionType = "Capped"
)

// conditions explain v in words, sorted by type. Those that say nothing are left out.
func (l *Loop) conditions(t *tracked, v verdict) []vpav1.VerticalPodAutoscalerCondition {
	list := conditionList{vpa: t.vpa, now: metav1.NewTime(l.now().Truncate(1e9))}
	if t.targetErr != nil {
		list.add(vpav1.ConfigUnsupported, true, "TargetRefInvalid", t.targetErr.Error())
		list.add(vpav1.RecommendationProvided, false, "ConfigUnsupported", t.targetErr.Error())
		return list.sorted()
	}
	if len(t.pods) == 0 {
		list.add(vpav1.NoPodsMatched, true, "NoPodsMatched", fmt.Sprintf("No started pod has %s as its topmost controller.", t.target))
	}
	l.historyCondition(&list, t)
	l.recommendationCondition(&list, t, v)
	if len(v.short) > 0 {
		list.add(vpav1.LowConfidence, true, "ShortHistory", fmt.Sprintf("Less than a day of samples: %s.", strings.Join(v.short, ", ")))
	}
	if len(v.capped) > 0 {
		list.add(Capped, true, "MaxAllowed", strings.Join(v.capped, "; ")+".")
	}
	if in := v.inheritance; in != nil {
		if in.reason != "" {
			list.add(Inherited, false, in.reason, in.missing)
		} else {
			list.add(Inherited, true, "FromPrimary", in.String())
		}
	}
	return list.sorted()
}

func (l *Loop) historyCondition(list *conditionList, t *tracked) {
	length := model.Duration(l.options.HistoryLength)
	switch t.past.state {
	case reading:
		list.add(vpav1.FetchingHistory, true, "Reading", fmt.Sprintf("Reading %s of history of %s from Prometheus.", length, t.target))
	case failing:
		list.add(vpav1.FetchingHistory, true, "Retrying", fmt.Sprintf("Reading %s of history of %s from Prometheus failed and is tried again: %s", length, t.target, t.past.reason))
	case loaded:
		if t.past.samples == 0 {
			list.add(vpav1.FetchingHistory, false, "NoHistory", fmt.Sprintf("Prometheus knows nothing of %s in the last %s.", t.target, length))
		} else {
			list.add(vpav1.FetchingHistory, false, "HistoryLoaded", fmt.Sprintf("%s of history were read from Prometheus.", length))
		}
	case none:
	}
}

func (l *Loop) recommendationCondition(list *conditionList, t *tracked, v verdict) {
	switch {
	case len(v.recommendations) > 0:
		list.add(vpav1.RecommendationProvided, true, "RecommendationProvided", sentences(v.traces))
	case len(v.proposals) > 0:
		list.add(vpav1.RecommendationProvided, false, "NothingControlled", "spec.resourcePolicy leaves no resource of any container to recommend.")
	case t.past.pending():
		list.add(vpav1.RecommendationProvided, false, "FetchingHistory", "Waiting for history; see the condition FetchingHistory.")
	case len(t.pods) == 0:
		list.add(vpav1.RecommendationProvided, false, "NoPodsMatched", "No pods, and no history of any.")
	default:
		list.add(vpav1.RecommendationProvided, false, "NoSamples", "No usage of its containers has been measured yet.")
	}
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
