package loop

import (
	corev1 "k8s.io/api/core/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
)

// event is a change of state that is worth telling.
type event struct{ kind, reason, message string }

// eventsOf returns what changed from one list of conditions to the next: a condition that came, or that has another
// status or reason. What stays, also over a restart, is not told again.
func eventsOf(before, after []vpav1.VerticalPodAutoscalerCondition) []event {
	var events []event
	for _, c := range after {
		if kind, reason := newsOf(c); reason != "" && !has(before, c) {
			events = append(events, event{kind: kind, reason: reason, message: c.Message})
		}
	}
	return events
}

// newsOf names the event that tells of a condition; no reason if it is no news.
func newsOf(c vpav1.VerticalPodAutoscalerCondition) (kind, reason string) {
	is := c.Status == corev1.ConditionTrue
	switch c.Type {
	case vpav1.ConfigUnsupported:
		return corev1.EventTypeWarning, c.Reason
	case vpav1.FetchingHistory:
		switch c.Reason {
		case reasonLoaded:
			return corev1.EventTypeNormal, reasonLoaded
		case reasonRetrying:
			return corev1.EventTypeWarning, "HistoryFailed"
		}
	case Capped:
		if c.Reason == reasonOOMLoop {
			return corev1.EventTypeWarning, reasonOOMLoop
		}
		return corev1.EventTypeWarning, "Capped"
	case HPAConflict:
		return corev1.EventTypeWarning, "HPAConflict"
	case AnnotationInvalid:
		return corev1.EventTypeWarning, "AnnotationInvalid"
	case Inherited:
		if is {
			return corev1.EventTypeNormal, "Inherited"
		}
		return corev1.EventTypeWarning, "NotInherited"
	}
	return "", ""
}

// has reports whether the list has a condition of the same type, status and reason.
func has(list []vpav1.VerticalPodAutoscalerCondition, c vpav1.VerticalPodAutoscalerCondition) bool {
	for i := range list {
		if list[i].Type == c.Type {
			return list[i].Status == c.Status && list[i].Reason == c.Reason
		}
	}
	return false
}
