package policy

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// guaranteed is the QoS class as Kubernetes computes it.
func guaranteed(pod *corev1.Pod) bool {
	full := func(r corev1.ResourceRequirements) bool {
		for _, name := range resources {
			request, limit := r.Requests[name], r.Limits[name]
			if limit.Sign() <= 0 || request.Cmp(limit) != 0 {
				return false
			}
		}
		return true
	}
	if pod.Spec.Resources != nil {
		return full(*pod.Spec.Resources)
	}
	for _, c := range allContainers(pod) {
		if !full(c.Resources) {
			return false
		}
	}
	return true
}

// patch is the pod as the webhook leaves it, after the API server's defaults.
func patch(pod *corev1.Pod, asking *Pod, d Decision) *corev1.Pod {
	after := pod.DeepCopy()
	sets := false
	for i := range d.Containers {
		o, to := &d.Containers[i], &after.Spec.Containers[i].Resources
		sets = sets || o.Sets()
		for _, r := range usage.Resources {
			put(&to.Requests, r, o.Back.Requests[r])
			put(&to.Limits, r, o.Back.Limits[r])
			if o.Gone[r] {
				delete(to.Requests, resourceName(r))
			}
			put(&to.Requests, r, o.Requests[r])
			put(&to.Limits, r, o.Limits[r])
		}
	}
	if sets {
		if after.Annotations == nil {
			after.Annotations = map[string]string{}
		}
		after.Annotations[DeclaredAnnotation] = string(asking.AppendDeclaration(nil))
		after.Annotations[UpdatesAnnotation] = "Pod resources updated by app"
	}
	fillIn(after)
	return after
}

func put(list *corev1.ResourceList, r usage.Resource, v Value) {
	if v.IsSet() {
		setIn(list, resourceName(r), v.Quantity(r))
	}
}

func setIn(list *corev1.ResourceList, name corev1.ResourceName, q resource.Quantity) {
	if *list == nil {
		*list = corev1.ResourceList{}
	}
	(*list)[name] = q
}
