package webhook

import (
	"encoding/json"
	"net/http"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestASidecarThatTakesTheRoomGetsThePodBackAsItWasDeclared asks again with a container that another webhook has added
// and that leaves nothing of what LimitRanges give the pod, or of what it asks for as a whole.
func TestASidecarThatTakesTheRoomGetsThePodBackAsItWasDeclared(t *testing.T) {
	memory := func(amount string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(amount)}
	}
	for name, tc := range map[string]struct {
		declared corev1.ResourceRequirements
		level    *corev1.ResourceRequirements
		sidecar  string
		want     string
	}{
		"declared": {
			declared: corev1.ResourceRequirements{Requests: memory("1Gi"), Limits: memory("1Gi")}, sidecar: "1Gi",
			want: `{"limits":{"memory":"1Gi"},"requests":{"memory":"1Gi"}}`,
		},
		"nothing declared": {
			level: &corev1.ResourceRequirements{Requests: memory("2Gi")}, sidecar: "2Gi",
			want: `{}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := config(t, vpa("shop", recommend("shop", "0", "2Gi")))
			ranges := NewRanges()
			if tc.level == nil {
				ranges.Into().Set(&corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Namespace: "store"}, Spec: corev1.LimitRangeSpec{
					Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypePod, Max: memory("2Gi")}},
				}})
			}
			c.LimitRanges = ranges
			h := start(t, c)
			pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "shop", Resources: tc.declared}}, Resources: tc.level}}
			pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "shop-1"}}

			patched := reviewed(t, h, pod)
			require.Equal(t, "2Gi", patched.Spec.Containers[0].Resources.Requests.Memory().String())
			patched.Spec.Containers = append(patched.Spec.Containers, corev1.Container{
				Name: "mesh", Resources: corev1.ResourceRequirements{Requests: memory(tc.sidecar), Limits: memory(tc.sidecar)},
			})
			back := reviewed(t, h, patched)
			text, err := json.Marshal(back.Spec.Containers[0].Resources)
			require.NoError(t, err)
			require.JSONEq(t, tc.want, string(text))
			once, err := json.Marshal(back)
			require.NoError(t, err)
			twice, err := json.Marshal(reviewed(t, h, back))
			require.NoError(t, err)
			require.JSONEq(t, string(once), string(twice))
		})
	}
}

// reviewed is the pod with the patch of the answer.
func reviewed(t *testing.T, h *running, pod *corev1.Pod) *corev1.Pod {
	status, text := post(t, h, "?timeout=2s", newReview(t, pod))
	require.Equal(t, http.StatusOK, status, text)
	var answer admissionv1.AdmissionReview
	require.NoError(t, json.Unmarshal([]byte(text), &answer))
	object, err := json.Marshal(pod)
	require.NoError(t, err)
	if len(answer.Response.Patch) > 0 {
		patch, err := jsonpatch.DecodePatch(answer.Response.Patch)
		require.NoError(t, err)
		object, err = patch.Apply(object)
		require.NoError(t, err, string(answer.Response.Patch))
	}
	after := &corev1.Pod{}
	require.NoError(t, json.Unmarshal(object, after))
	return after
}
