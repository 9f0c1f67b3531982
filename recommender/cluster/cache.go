package cluster

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/target"
)

// CacheOptions keep the cache small: of pods only the started ones and of those only the few fields that
// are read here; of their owners only metadata.
func CacheOptions() cache.Options {
	started := fields.OneTermNotEqualSelector("status.phase", string(corev1.PodPending))
	return cache.Options{
		DefaultTransform: trim,
		ByObject:         map[client.Object]cache.ByObject{&corev1.Pod{}: {Field: started}},
	}
}

// trim leaves of an object what is read here.
func trim(object any) (any, error) {
	switch o := object.(type) {
	case *corev1.Pod:
		return trimPod(o), nil
	case *vpav1.VerticalPodAutoscaler:
		o.ManagedFields = nil
		return o, nil
	}
	return target.Transform(object)
}

// trimPod drops what nobody reads: most of a pod.
func trimPod(pod *corev1.Pod) *corev1.Pod {
	trimmed := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: pod.Name, Namespace: pod.Namespace, UID: pod.UID, ResourceVersion: pod.ResourceVersion,
			CreationTimestamp: pod.CreationTimestamp, OwnerReferences: pod.OwnerReferences,
		},
		Spec: corev1.PodSpec{Containers: trimContainers(pod.Spec.Containers), InitContainers: trimContainers(pod.Spec.InitContainers)},
	}
	if declared, ok := pod.Annotations[policy.DeclaredAnnotation]; ok {
		trimmed.Annotations = map[string]string{policy.DeclaredAnnotation: declared}
	}
	return trimmed
}

func trimContainers(containers []corev1.Container) []corev1.Container {
	trimmed := make([]corev1.Container, len(containers))
	for i := range containers {
		trimmed[i] = corev1.Container{Name: containers[i].Name, Resources: containers[i].Resources}
	}
	return trimmed
}
