package legal

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/utils/annotations"

	"github.com/sartor-vpa/sartor/admission/webhook"
	"github.com/sartor-vpa/sartor/pkg/policy"
)

// seen counts pods by what is special about them, to tell that the property is held to all kinds.
type seen map[string]int

// kinds are those that have to be seen, each in one of a hundred pods at least. They are pods that Kubernetes takes without
// the webhook, and that it patches, but where they say otherwise.
var kinds = map[string]func(s *scene, before, after *corev1.Pod) bool{
	"of namespaces with a LimitRange":    func(s *scene, _, _ *corev1.Pod) bool { return len(s.ranges) > 0 },
	"of namespaces with LimitRanges":     func(s *scene, _, _ *corev1.Pod) bool { return len(s.ranges) > 1 },
	"with amounts that were filled in":   func(s *scene, before, _ *corev1.Pod) bool { return filledIn(before) && !filledIn(s.pod) },
	"with a live pod's annotations":      func(s *scene, _, _ *corev1.Pod) bool { return s.pod.Annotations != nil },
	"with resources of their own":        func(_ *scene, before, _ *corev1.Pod) bool { return before.Spec.Resources != nil },
	"with init containers":               func(_ *scene, before, _ *corev1.Pod) bool { return hasInit(before, false) },
	"with native sidecars":               func(_ *scene, before, _ *corev1.Pod) bool { return hasInit(before, true) },
	"that another container joins later": func(s *scene, _, _ *corev1.Pod) bool { return s.mesh != nil },
	"that are Guaranteed":                func(s *scene, _, _ *corev1.Pod) bool { return s.guaranteed() },
	"of several containers":              func(_ *scene, before, _ *corev1.Pod) bool { return len(before.Spec.Containers) > 1 },
	"with huge pages":                    func(_ *scene, before, _ *corev1.Pod) bool { return asks(before, "hugepages-2Mi") },
	"with devices":                       func(_ *scene, before, _ *corev1.Pod) bool { return asks(before, "example.com/gpu") },
	"that are boosted": func(_ *scene, _, after *corev1.Pod) bool {
		return slices.ContainsFunc(slices.Collect(maps.Keys(after.Annotations)), func(key string) bool { return strings.HasPrefix(key, annotations.StartupCPUBoostAnnotationPrefix) })
	},
}

// What becomes of pods before anything is asked of their kind.
const (
	refused = "that Kubernetes refuses without us"
	left    = "that stay as they are"
	patched = "that are patched"
)

func (x seen) add(s *scene, refusal error, before, after *corev1.Pod) {
	switch {
	case refusal != nil:
		x[refused]++
		return
	case equality.Semantic.DeepEqual(before.Spec.Containers, after.Spec.Containers):
		x[left]++
		return
	}
	x[patched]++
	for kind, is := range kinds {
		if is(s, before, after) {
			x[kind]++
		}
	}
}

func filledIn(pod *corev1.Pod) bool { return pod.Annotations[policy.LimitRangerAnnotation] != "" }

func hasInit(pod *corev1.Pod, sidecar bool) bool {
	return slices.ContainsFunc(pod.Spec.InitContainers, func(c corev1.Container) bool { return (c.RestartPolicy != nil) == sidecar })
}

func asks(pod *corev1.Pod, name corev1.ResourceName) bool {
	return slices.ContainsFunc(pod.Spec.Containers, func(c corev1.Container) bool { _, ok := c.Resources.Limits[name]; return ok })
}

// hold fails unless all kinds of pods were seen, and the hook did all that it does.
func (x seen) hold(t *testing.T, h *hook) {
	all := x[refused] + x[left] + x[patched]
	assert.Greater(t, x[patched], all/3, "most pods are of no use here: %v", x)
	for _, kind := range append(slices.Sorted(maps.Keys(kinds)), refused, left) {
		t.Logf("%5d pods %s", x[kind], kind)
		assert.GreaterOrEqual(t, x[kind], all/100, "pods %s", kind)
	}
	counts, err := h.counted()
	require.NoError(t, err)
	for _, decision := range []webhook.Decision{webhook.Patched, webhook.Unchanged, webhook.Skipped, webhook.NoRecommendation, webhook.NoVPA} {
		t.Logf("%5d %s", counts[string(decision)], decision)
		assert.GreaterOrEqual(t, counts[string(decision)], all/50, decision)
	}
	reasons := []policy.Reason{
		policy.ByRangeMin, policy.ByRangeMax, policy.ByRangeRatio, policy.ByPodRangeMin, policy.ByPodRangeMax, policy.ByPodRangeRatio, policy.ByPodResources, policy.ByLimit,
	}
	bounded := map[string][]policy.Reason{
		"capped":  append([]policy.Reason{policy.ByMinAllowed, policy.ByMaxAllowed, policy.ByContradiction}, reasons...),
		"skipped": append([]policy.Reason{policy.ByAbsurdity, policy.ByGuaranteed}, reasons...),
	}
	for _, outcome := range []string{"capped", "skipped"} {
		for _, reason := range bounded[outcome] {
			n := counts[outcome+" "+reason.String()]
			t.Logf("%5d amounts %s by %s", n, outcome, reason)
			assert.Positive(t, n, "%s by %s", outcome, reason)
		}
	}
}
