package cluster

import vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

// component is who events say they are from.
const component = "sartor-recommender"

// Event tells about a VPA: kind is corev1.EventTypeNormal or EventTypeWarning, reason one word in
// CamelCase. It does not wait; an event that cannot be delivered is lost.
func (c *Cluster) Event(vpa *vpav1.VerticalPodAutoscaler, kind, reason, message string) {
	c.recorder.Eventf(vpa, nil, kind, reason, reason, "%s", message)
}
