package policytest

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Odd adds to a pod, now and then, what few pods have: resources that nobody recommends, odd amounts, limits without
// requests, many containers, init containers and native sidecars in any order, empty resources, and annotations as they
// come with a template that was copied from a live pod. Kubernetes refuses some of what comes out.
func (m Maker) Odd(pod *corev1.Pod) {
	if m.One(12) {
		for i := range m.IntN(6) {
			pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: fmt.Sprintf("more-%d", i), Image: "more", Resources: m.Requirements()})
		}
	}
	if m.One(8) {
		for i := range 1 + m.IntN(3) {
			init := corev1.Container{Name: fmt.Sprintf("odd-%d", i), Image: "init", Resources: m.Requirements()}
			if m.One(2) {
				always := corev1.ContainerRestartPolicyAlways
				init.RestartPolicy = &always
			}
			pod.Spec.InitContainers = append(pod.Spec.InitContainers, init)
		}
	}
	for i := range pod.Spec.Containers {
		m.odd(&pod.Spec.Containers[i].Resources)
	}
	for i := range pod.Spec.InitContainers {
		m.odd(&pod.Spec.InitContainers[i].Resources)
	}
	if m.One(16) {
		pod.Spec.Resources = &corev1.ResourceRequirements{}
	}
	if level := pod.Spec.Resources; level != nil && m.One(4) {
		level.Requests = nil
	}
	if m.One(64) {
		pod.Spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debug", Image: "debug"}}}
	}
	if m.One(8) {
		m.copied(pod)
	}
}

// oddAmounts are such that Kubernetes takes them, most often.
var oddAmounts = map[corev1.ResourceName][]string{
	corev1.ResourceCPU:    {"0", "0.1", "1e-1", "0.0005", "1e3", "2.5", "1001m", "1000000"},
	corev1.ResourceMemory: {"0", "1", "1000m", "1500m", "0.5Gi", "1e9", "128974848000m", "5M", "1Ti"},
}

// odd makes some of a container's requirements odd.
func (m Maker) odd(r *corev1.ResourceRequirements) {
	put := func(list *corev1.ResourceList, name corev1.ResourceName, amount string) {
		if *list == nil {
			*list = corev1.ResourceList{}
		}
		(*list)[name] = resource.MustParse(amount)
	}
	if m.One(24) {
		name := both[m.IntN(len(both))]
		amount := m.Pick(oddAmounts[name])
		put(&r.Requests, name, amount)
		if m.One(2) {
			put(&r.Limits, name, amount)
		}
	}
	if m.One(16) {
		r.Requests = nil // as far as there are limits the API server fills them in
	}
	if m.One(16) && len(r.Requests)+len(r.Limits) > 0 {
		put(&r.Limits, "hugepages-2Mi", m.Pick([]string{"2Mi", "64Mi"}))
	}
	if m.One(16) {
		put(&r.Limits, "example.com/gpu", m.Pick([]string{"0", "1", "8"}))
	}
	if m.One(16) {
		put(&r.Requests, corev1.ResourceEphemeralStorage, m.Pick([]string{"1Gi", "500M"}))
	}
}

// copied annotations say what may have been true of another pod.
func (m Maker) copied(pod *corev1.Pod) {
	for _, one := range []struct {
		key    string
		values []string
	}{
		{"sartor.dev/declared", []string{
			`{}`, `{"app-0":{}}`, `{"app-0":{"limits":{"cpu":"1"},"requests":{"cpu":"100m","memory":"64Mi"}}}`, `nonsense`, `{"app-0":{"requests":{"cpu":"-1"}}}`,
			`{"app-0":{"defaulted":{"limits":{"cpu":"4","memory":"1Gi"}},"requests":{"cpu":"1","memory":"9E"}},"app-1":{}}`,
		}},
		{"vpaUpdates", []string{"Pod resources updated by app: container 0: cpu request", ""}},
		{"kubernetes.io/limit-ranger", []string{
			"LimitRanger plugin set: cpu, memory request for container app-0; cpu, memory limit for container app-0", "LimitRanger plugin set: cpu limit for container app-1",
		}},
	} {
		if m.One(2) {
			if pod.Annotations == nil {
				pod.Annotations = map[string]string{}
			}
			pod.Annotations[one.key] = m.Pick(one.values)
		}
	}
}
