package policy

import (
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"pgregory.net/rapid"

	"github.com/sartor-vpa/sartor/pkg/policy/policytest"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

func q(s string) resource.Quantity { return resource.MustParse(s) }

// list is cpu and memory as text; an empty text leaves the resource out.
func list(cpu, memory string) corev1.ResourceList {
	l := corev1.ResourceList{}
	if cpu != "" {
		l[corev1.ResourceCPU] = q(cpu)
	}
	if memory != "" {
		l[corev1.ResourceMemory] = q(memory)
	}
	if len(l) == 0 {
		return nil
	}
	return l
}

// drawn is chance that rapid draws, and shrinks.
type drawn struct{ t *rapid.T }

func (d drawn) IntN(n int) int { return rapid.IntRange(0, n-1).Draw(d.t, "n") }

// maker makes half of its things evenly spread, and half such that rapid can shrink them, which likes small numbers.
func maker(t *rapid.T) policytest.Maker {
	if rapid.Bool().Draw(t, "even") {
		return policytest.Maker{Source: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))}
	}
	return policytest.Maker{Source: drawn{t}}
}

// anyAmount draws sane amounts, and now and then a hostile one.
func anyAmount(name corev1.ResourceName) *rapid.Generator[resource.Quantity] {
	return rapid.Custom(func(t *rapid.T) resource.Quantity { return maker(t).Amount(name) })
}

func anyList(t *rapid.T, _ string) corev1.ResourceList { return maker(t).List(2) }

// podOf returns a pod of these containers.
func podOf(containers ...corev1.Container) *corev1.Pod {
	return &corev1.Pod{Spec: corev1.PodSpec{Containers: containers}}
}

func container(name string, requests, limits corev1.ResourceList) corev1.Container {
	return corev1.Container{Name: name, Resources: corev1.ResourceRequirements{Requests: requests, Limits: limits}}
}

// vpaOf recommends target for the container called app, under this policy of its.
func vpaOf(target corev1.ResourceList, policy vpav1.ContainerResourcePolicy) *vpav1.VerticalPodAutoscaler {
	policy.ContainerName = app
	vpa := &vpav1.VerticalPodAutoscaler{}
	vpa.Spec.ResourcePolicy = &vpav1.PodResourcePolicy{ContainerPolicies: []vpav1.ContainerResourcePolicy{policy}}
	vpa.Status.Recommendation = recommended(app, target)
	return vpa
}

func recommended(name string, target corev1.ResourceList) *vpav1.RecommendedPodResources {
	return &vpav1.RecommendedPodResources{ContainerRecommendations: []vpav1.RecommendedContainerResources{{ContainerName: name, Target: target}}}
}

var byDefault = Cluster{Limits: DefaultLimitPolicy()}

// decide is the decision for a pod under a VPA.
func decide(pod *corev1.Pod, vpa *vpav1.VerticalPodAutoscaler, cluster Cluster, ranges ...*corev1.LimitRange) Decision {
	merged := RangesOf(ranges)
	asking := PodOf(pod, merged)
	return Decide(&asking, RulesOf(vpa, vpa.Status.Recommendation, cluster), merged)
}

// told is what a decision is, as people write it: "cpu 100m/2, memory 1Gi/-" for each container, requests before limits.
func told(d Decision) []string {
	var all []string
	for i := range d.Containers {
		all = append(all, toldOf(&d.Containers[i]))
	}
	return all
}

func toldOf(o *Outcome) string {
	said := func(v Value, r usage.Resource) string {
		if !v.IsSet() {
			return "-"
		}
		return v.text(r)
	}
	return "cpu " + said(o.Requests[usage.CPU], usage.CPU) + "/" + said(o.Limits[usage.CPU], usage.CPU) +
		", memory " + said(o.Requests[usage.Memory], usage.Memory) + "/" + said(o.Limits[usage.Memory], usage.Memory)
}

// warnings are the steps that people should see.
func warnings(d Decision) []string {
	var all []string
	for i := range d.Steps {
		if d.Steps[i].Warns() {
			all = append(all, d.Steps[i].Text())
		}
	}
	return all
}
