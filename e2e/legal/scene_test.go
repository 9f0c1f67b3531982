package legal

import (
	"encoding/json"
	"fmt"
	"math/bits"
	"strings"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/policy/policytest"
)

const namespace = "store"

// scene is a pod that is created, and all that decides on it.
type scene struct {
	pod     *corev1.Pod
	vpa     *vpav1.VerticalPodAutoscaler
	ranges  []*corev1.LimitRange
	cluster policy.Cluster
	// mesh is a container that another webhook adds to the patched pod; nil if none does.
	mesh *corev1.Container
}

// drawn is chance that rapid can shrink. It is drawn bit by bit, because rapid's numbers are small ones far too often.
type drawn struct{ t *rapid.T }

func (d drawn) IntN(n int) int {
	drawn := 0
	for range bits.Len(uint(n - 1)) {
		drawn <<= 1
		if bit.Draw(d.t, "") {
			drawn++
		}
	}
	return drawn % n
}

var bit = rapid.Bool()

// scenes are drawn as a whole, so that one that fails is printed as one.
var scenes = rapid.Custom(anyScene)

func anyScene(t *rapid.T) *scene {
	m := policytest.Maker{Source: drawn{t}}
	s := &scene{pod: m.Pod()}
	s.vpa = m.VPA(s.pod)
	m.Odd(s.pod)
	bounded := s.pod
	if m.One(4) {
		s.mesh = &corev1.Container{Name: "mesh", Image: "mesh", Resources: m.Requirements()}
		bounded = s.pod.DeepCopy()
		bounded.Spec.Containers = append(bounded.Spec.Containers, *s.mesh)
	}
	s.ranges = anyRanges(m, bounded)
	s.extend(m)
	return s
}

// anyRanges are LimitRanges that can be created.
func anyRanges(m policytest.Maker, pod *corev1.Pod) []*corev1.LimitRange {
	var all, ranges []*corev1.LimitRange
	switch m.IntN(8) {
	case 0, 1:
	case 2:
		all = m.LimitRanges()
	default:
		all = m.LimitRangesAround(pod)
	}
	for _, one := range all {
		if accepts(one) {
			ranges = append(ranges, one)
		}
	}
	return ranges
}

// extend adds what a VPA, and the cluster's operator, may say beyond the generator's.
func (s *scene) extend(m policytest.Maker) {
	s.vpa.Spec.TargetRef = ofController()
	s.vpa.Annotations = m.Annotations(policy.CPULimitAnnotation, policy.MemoryLimitAnnotation, policy.FloorAnnotation)
	s.cluster = policy.Cluster{Limits: policy.DefaultLimitPolicy(), FloorRequests: m.One(3)}
	s.cluster.Limits.MaxAllowedBoundsLimit = m.One(4)
	if m.One(4) {
		s.cluster.Limits.CPU = policy.LimitRule{Multiple: resource.MustParse("1.3"), Max: m.Amount(corev1.ResourceCPU)}
	}
	if m.One(4) {
		s.cluster.Limits.Memory.Mode = []policy.LimitMode{policy.LimitProportional, policy.LimitNone}[m.IntN(2)]
	}
	if s.cluster.StartupBoost = m.One(5); s.cluster.StartupBoost {
		s.boost(m)
	}
	if m.One(24) {
		off := vpav1.UpdateModeOff
		s.vpa.Spec.UpdatePolicy = &vpav1.PodUpdatePolicy{UpdateMode: &off}
	}
	if p := s.vpa.Spec.ResourcePolicy; p != nil && m.One(4) {
		p.ContainerPolicies[0].ControlledResources = &[]corev1.ResourceName{corev1.ResourceMemory, "example.com/gpu"}
	}
	if all := s.vpa.Status.Recommendation.ContainerRecommendations; len(all) > 0 && m.One(6) {
		if all[0].Target == nil {
			all[0].Target = corev1.ResourceList{}
		}
		all[0].Target["hugepages-2Mi"] = resource.MustParse("4Mi")
	}
}

func (s *scene) boost(m policytest.Maker) {
	boost := &vpav1.StartupBoost{CPU: &vpav1.GenericStartupBoost{Type: vpav1.FactorStartupBoostType}}
	if m.One(2) {
		more := m.Amount(corev1.ResourceCPU)
		boost.CPU = &vpav1.GenericStartupBoost{Type: vpav1.QuantityStartupBoostType, Quantity: &more}
	} else {
		factor := int32(m.IntN(20))
		boost.CPU.Factor = &factor
	}
	if s.vpa.Spec.StartupBoost = boost; m.One(2) {
		s.cluster.MaxBoost = m.Amount(corev1.ResourceCPU)
	}
	if p := s.vpa.Spec.ResourcePolicy; p != nil && m.One(2) {
		p.ContainerPolicies[0].StartupBoost = boost
	}
}

func ofController() *autoscalingv1.CrossVersionObjectReference {
	return &autoscalingv1.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: controller.Kind, Name: controller.Name}
}

// vpaOf recommends this for the pods of the one controller.
func vpaOf(all ...vpav1.RecommendedContainerResources) *vpav1.VerticalPodAutoscaler {
	vpa := &vpav1.VerticalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: "app", Namespace: namespace}}
	vpa.Spec.TargetRef = ofController()
	vpa.Status.Recommendation = &vpav1.RecommendedPodResources{ContainerRecommendations: all}
	return vpa
}

// GoString is the scene as YAML that people can read.
func (s *scene) GoString() string {
	var text strings.Builder
	said := []any{map[string]any{"cluster": s.cluster, "added later": s.mesh}, s.vpa, s.pod}
	for _, one := range s.ranges {
		said = append(said, one)
	}
	for _, one := range said {
		out, err := yaml.Marshal(one)
		if err != nil {
			out = []byte(err.Error())
		}
		fmt.Fprintf(&text, "\n---\n%s", out)
	}
	return text.String()
}

// posted is the pod as a client sends it.
func (s *scene) posted() ([]byte, error) {
	s.pod.APIVersion, s.pod.Kind = "v1", "Pod"
	return json.Marshal(s.pod)
}
