package cluster

import (
	"unicode/utf8"

	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
)

const (
	// component is who events say they are from.
	component = "sartor-recommender"
	// maxNote is how long an event's note may be, in bytes. The API server refuses longer ones.
	maxNote = 1024
)

// Event tells about a VPA: kind is corev1.EventTypeNormal or EventTypeWarning, reason one word in
// CamelCase. A message beyond 1024 bytes is cut. Event does not wait; what cannot be delivered is lost.
func (c *Cluster) Event(vpa *vpav1.VerticalPodAutoscaler, kind, reason, message string) {
	c.recorder.Eventf(vpa, nil, kind, reason, reason, "%s", cutNote(message))
}

// cutNote ends a message that is too long, between characters, and shows that it did.
func cutNote(message string) string {
	if len(message) <= maxNote {
		return message
	}
	const end = "..."
	at := maxNote - len(end)
	for at > 0 && !utf8.RuneStart(message[at]) {
		at--
	}
	return message[:at] + end
}
