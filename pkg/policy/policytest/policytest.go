// Package policytest makes pods, VPAs and LimitRanges of all kinds, for tests of decisions: sane ones most often, and
// hostile ones now and then. It is for tests here and in other modules, and imports nothing of ours.
package policytest

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
)

// Source is where chance comes from: a *rand.Rand, or what a property test draws.
type Source interface {
	// IntN returns a number from 0 up to, but not, n.
	IntN(n int) int
}

// Hostile are quantities that a status, a policy or a LimitRange may hold though no container can be given them.
var Hostile = []string{"0", "-1", "1n", "9E", "1e30", "9223372036854775807", "-9223372036854775808", "1e-9"}

var (
	cpus     = []string{"1m", "10m", "50m", "100m", "250m", "333m", "500m", "1", "1200m", "1500m", "2", "3", "4", "7500m", "8", "16", "64"}
	memories = []string{"1Mi", "16Mi", "64Mi", "100M", "128974848", "256Mi", "512Mi", "700Mi", "1Gi", "1500M", "2Gi", "4Gi", "7Gi", "16Gi", "256Gi"}
)

// Maker makes what tests decide on.
type Maker struct {
	Source
	// Tame leaves out what is hostile.
	Tame bool
}

// One reports true once in n.
func (m Maker) One(n int) bool { return m.IntN(n) == 0 }

// Pick returns one of the texts.
func (m Maker) Pick(texts []string) string { return texts[m.IntN(len(texts))] }

// Amount is one of name's: of round amounts, of any, and seldom a hostile one.
func (m Maker) Amount(name corev1.ResourceName) resource.Quantity {
	switch {
	case !m.Tame && m.One(24):
		return resource.MustParse(m.Pick(Hostile))
	case m.One(2) && name == corev1.ResourceCPU:
		return *resource.NewMilliQuantity(int64(1+m.IntN(20_000)), resource.DecimalSI)
	case name == corev1.ResourceCPU:
		return resource.MustParse(m.Pick(cpus))
	case m.One(2):
		// As the API server sends it: in the notation that its text has.
		return resource.MustParse(resource.NewQuantity(int64(1<<20+m.IntN(1<<34)), resource.BinarySI).String())
	}
	return resource.MustParse(m.Pick(memories))
}

var both = [...]corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory}

// List has each of cpu and memory in n-1 of n cases; nil if it has neither.
func (m Maker) List(n int) corev1.ResourceList {
	var list corev1.ResourceList
	for _, name := range both {
		if !m.One(n) {
			if list == nil {
				list = corev1.ResourceList{}
			}
			list[name] = m.Amount(name)
		}
	}
	return list
}

// Requirements are those of a container that the API server takes: no request is above its limit or missing beside one.
func (m Maker) Requirements() corev1.ResourceRequirements {
	m.Tame = true
	r := corev1.ResourceRequirements{Requests: m.List(4), Limits: m.List(3)}
	for _, name := range both {
		limit, ok := r.Limits[name]
		if !ok {
			continue
		}
		if request, ok := r.Requests[name]; !ok || request.Cmp(limit) > 0 || m.One(4) {
			if r.Requests == nil {
				r.Requests = corev1.ResourceList{}
			}
			r.Requests[name] = limit.DeepCopy()
		}
	}
	return r
}

// Guaranteed are requirements with which a pod is Guaranteed; its CPUs are often whole.
func (m Maker) Guaranteed() corev1.ResourceRequirements {
	m.Tame = true
	list := corev1.ResourceList{corev1.ResourceCPU: m.Amount(corev1.ResourceCPU), corev1.ResourceMemory: m.Amount(corev1.ResourceMemory)}
	if m.One(2) {
		list[corev1.ResourceCPU] = *resource.NewQuantity(int64(1+m.IntN(8)), resource.DecimalSI)
	}
	return corev1.ResourceRequirements{Requests: list, Limits: list.DeepCopy()}
}

// Pod is one as its owner declares it: one to three containers (app-0, app-1, ...), seldom init containers, native
// sidecars and resources of the pod's own.
func (m Maker) Pod() *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "app", Namespace: "store"}}
	guaranteed := m.One(4)
	requirements := func() corev1.ResourceRequirements {
		if guaranteed {
			return m.Guaranteed()
		}
		return m.Requirements()
	}
	for i := range 1 + m.IntN(3) {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: fmt.Sprintf("app-%d", i), Image: "app", Resources: requirements()})
	}
	if m.One(3) {
		for i := range 1 + m.IntN(2) {
			init := corev1.Container{Name: fmt.Sprintf("init-%d", i), Image: "init", Resources: requirements()}
			if m.One(2) {
				always := corev1.ContainerRestartPolicyAlways
				init.RestartPolicy = &always
			}
			pod.Spec.InitContainers = append(pod.Spec.InitContainers, init)
		}
	}
	if m.One(6) {
		if level := m.Requirements(); len(level.Requests) > 0 {
			pod.Spec.Resources = &level
		}
	}
	return pod
}

// LimitRanges are none to two of a namespace's, with items of both types, and defaults as the API server sets them.
func (m Maker) LimitRanges() []*corev1.LimitRange {
	var ranges []*corev1.LimitRange
	for i := range m.IntN(3) {
		one := &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("range-%d", i), Namespace: "store"}}
		if !m.One(3) {
			one.Spec.Limits = append(one.Spec.Limits, m.item(corev1.LimitTypeContainer))
		}
		if m.One(2) {
			one.Spec.Limits = append(one.Spec.Limits, m.item(corev1.LimitTypePod))
		}
		ranges = append(ranges, one)
	}
	return ranges
}

func (m Maker) item(kind corev1.LimitType) corev1.LimitRangeItem {
	item := corev1.LimitRangeItem{Type: kind}
	set := func(to *corev1.ResourceList, name corev1.ResourceName, q resource.Quantity) {
		if *to == nil {
			*to = corev1.ResourceList{}
		}
		(*to)[name] = q
	}
	for _, name := range both {
		lowest, highest := m.Amount(name), m.Amount(name)
		if lowest.Cmp(highest) > 0 {
			lowest, highest = highest, lowest
		}
		if m.One(3) {
			set(&item.Min, name, lowest)
		}
		if m.One(3) {
			set(&item.Max, name, highest)
		}
		if m.One(6) {
			set(&item.MaxLimitRequestRatio, name, *resource.NewMilliQuantity(int64(1000+m.IntN(5000)), resource.DecimalSI))
		}
		if kind == corev1.LimitTypeContainer {
			if m.One(3) {
				set(&item.Default, name, highest)
			} else if q, ok := item.Max[name]; ok {
				set(&item.Default, name, q)
			}
			if m.One(4) {
				set(&item.DefaultRequest, name, lowest)
			} else if q, ok := item.Default[name]; ok {
				set(&item.DefaultRequest, name, q)
			} else if q, ok := item.Min[name]; ok {
				set(&item.DefaultRequest, name, q)
			}
		}
	}
	return item
}

// VPA recommends for most of the pod's containers, with policies of all kinds.
func (m Maker) VPA(pod *corev1.Pod) *vpav1.VerticalPodAutoscaler {
	vpa := &vpav1.VerticalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: "app", Namespace: "store"}}
	recommendation := &vpav1.RecommendedPodResources{}
	for _, c := range pod.Spec.Containers {
		if !m.One(8) {
			recommendation.ContainerRecommendations = append(recommendation.ContainerRecommendations,
				vpav1.RecommendedContainerResources{ContainerName: c.Name, Target: m.List(8)})
		}
		if m.One(3) {
			vpa.Spec.ResourcePolicy = m.policy(vpa.Spec.ResourcePolicy, c.Name)
		}
	}
	if m.One(3) {
		vpa.Spec.ResourcePolicy = m.policy(vpa.Spec.ResourcePolicy, vpav1.DefaultContainerResourcePolicy)
	}
	vpa.Status.Recommendation = recommendation
	return vpa
}

func (m Maker) policy(p *vpav1.PodResourcePolicy, name string) *vpav1.PodResourcePolicy {
	if p == nil {
		p = &vpav1.PodResourcePolicy{}
	}
	one := vpav1.ContainerResourcePolicy{ContainerName: name}
	if m.One(2) {
		one.MinAllowed = m.List(2)
	}
	if m.One(2) {
		one.MaxAllowed = m.List(2)
	}
	if m.One(4) {
		only := vpav1.ContainerControlledValuesRequestsOnly
		one.ControlledValues = &only
	}
	if m.One(16) {
		off := vpav1.ContainerScalingModeOff
		one.Mode = &off
	}
	p.ContainerPolicies = append(p.ContainerPolicies, one)
	return p
}

// Annotations are a VPA's that say how limits and floors follow: some of these, under the keys of the caller's.
func (m Maker) Annotations(cpuLimit, memoryLimit, floor string) map[string]string {
	annotations := map[string]string{}
	for _, one := range []struct {
		key    string
		values []string
	}{
		{cpuLimit, []string{"proportional", "none", "multiple=1.5,round=100m", "max=4", "round=0,multiple=3,max=2", "nonsense"}},
		{memoryLimit, []string{"proportional", "none", "multiple=1.1", "round=1Gi", "max=2Gi,round=1Ki", "multiple=9E"}},
		{floor, []string{"declared", "none", "nonsense"}},
	} {
		if m.One(2) {
			annotations[one.key] = m.Pick(one.values)
		}
	}
	return annotations
}
