package cluster

import (
	"slices"
	"strings"
	"sync"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/target"
)

// HPA is a HorizontalPodAutoscaler, and which of the resources that are recommended here it scales
// on. A ScaledObject of KEDA's works by one of these.
type HPA struct {
	Name        string
	CPU, Memory bool
}

// HPAs returns those that scale a controller on CPU or memory, by name. They belong to the cluster:
// read only. Other metrics do not count: their meaning does not depend on what pods request.
func (c *Cluster) HPAs(of target.Controller) []HPA {
	c.hpas.mu.RLock()
	defer c.hpas.mu.RUnlock()
	return c.hpas.by[of]
}

// hpas are the HPAs that scale on CPU or memory, by what they scale.
type hpas struct {
	mu sync.RWMutex
	of map[types.NamespacedName]target.Controller
	by map[target.Controller][]HPA // each list is sorted, and never changed
}

func newHPAs() *hpas {
	return &hpas{of: map[types.NamespacedName]target.Controller{}, by: map[target.Controller][]HPA{}}
}

func (h *hpas) set(hpa *autoscalingv2.HorizontalPodAutoscaler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.put(hpa)
}

func (h *hpas) drop(hpa *autoscalingv2.HorizontalPodAutoscaler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remove(hpa)
}

func (h *hpas) replace(all []*autoscalingv2.HorizontalPodAutoscaler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.of)
	clear(h.by)
	for _, hpa := range all {
		h.put(hpa)
	}
}

func (h *hpas) put(hpa *autoscalingv2.HorizontalPodAutoscaler) {
	h.remove(hpa)
	scales := HPA{Name: hpa.Name}
	for i := range hpa.Spec.Metrics {
		name := resourceOf(&hpa.Spec.Metrics[i])
		scales.CPU = scales.CPU || name == corev1.ResourceCPU
		scales.Memory = scales.Memory || name == corev1.ResourceMemory
	}
	of, err := scaled(hpa)
	if err != nil || !scales.CPU && !scales.Memory {
		return
	}
	list := append(slices.Clone(h.by[of]), scales)
	slices.SortFunc(list, func(a, b HPA) int { return strings.Compare(a.Name, b.Name) })
	h.of[nameOf(hpa)], h.by[of] = of, list
}

func (h *hpas) remove(hpa *autoscalingv2.HorizontalPodAutoscaler) {
	of, known := h.of[nameOf(hpa)]
	if !known {
		return
	}
	delete(h.of, nameOf(hpa))
	list := slices.DeleteFunc(slices.Clone(h.by[of]), func(other HPA) bool { return other.Name == hpa.Name })
	if len(list) == 0 {
		delete(h.by, of)
		return
	}
	h.by[of] = list
}

// resourceOf returns the resource of pods that a metric measures; empty if it measures something else.
func resourceOf(metric *autoscalingv2.MetricSpec) corev1.ResourceName {
	switch {
	case metric.Type == autoscalingv2.ResourceMetricSourceType && metric.Resource != nil:
		return metric.Resource.Name
	case metric.Type == autoscalingv2.ContainerResourceMetricSourceType && metric.ContainerResource != nil:
		return metric.ContainerResource.Name
	}
	return ""
}

// scaled returns what an HPA scales. Its reference means what a VPA's targetRef means, written in
// another version of the same API.
func scaled(hpa *autoscalingv2.HorizontalPodAutoscaler) (target.Controller, error) {
	ref := autoscalingv1.CrossVersionObjectReference(hpa.Spec.ScaleTargetRef)
	return target.Of(&vpav1.VerticalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: hpa.Namespace},
		Spec:       vpav1.VerticalPodAutoscalerSpec{TargetRef: &ref},
	})
}

func nameOf(object metav1.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()}
}

// cutHPA drops what nobody reads of an HPA: a list of ten thousand is held whole for a moment.
func cutHPA(hpa *autoscalingv2.HorizontalPodAutoscaler) *autoscalingv2.HorizontalPodAutoscaler {
	return &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: hpa.Namespace, Name: hpa.Name, ResourceVersion: hpa.ResourceVersion},
		Spec:       autoscalingv2.HorizontalPodAutoscalerSpec{ScaleTargetRef: hpa.Spec.ScaleTargetRef, Metrics: hpa.Spec.Metrics},
	}
}
