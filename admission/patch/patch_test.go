package patch

import (
	"encoding/json"
	"fmt"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"
)

func amounts(cpu, memory string) corev1.ResourceList {
	l := corev1.ResourceList{}
	if cpu != "" {
		l[corev1.ResourceCPU] = resource.MustParse(cpu)
	}
	if memory != "" {
		l[corev1.ResourceMemory] = resource.MustParse(memory)
	}
	return l
}

func TestThePatchIsMinimalSortedAndEscaped(t *testing.T) {
	for name, tc := range map[string]struct {
		pod         Pod
		annotations map[string]string
		want        string
	}{
		"nothing to do": {
			pod: Pod{Containers: []Container{{}}},
		},
		"parents are created": {
			pod:         Pod{Containers: []Container{{Requests: amounts("1", "1Gi"), Limits: amounts("2", "")}}},
			annotations: map[string]string{"b": "2", "a": "1"},
			want: `[{"op":"add","path":"/metadata/annotations","value":{"a":"1","b":"2"}},` +
				`{"op":"add","path":"/spec/containers/0/resources","value":{"limits":{"cpu":"2"},"requests":{"cpu":"1","memory":"1Gi"}}}]`,
		},
		"half of the parents are there": {
			pod: Pod{
				Annotations: map[string]string{},
				Containers: []Container{{}, {
					Resources: &corev1.ResourceRequirements{Limits: amounts("1", "1Gi")},
					Requests:  amounts("1", ""), Limits: amounts("2", "1Gi"),
				}},
			},
			annotations: map[string]string{"sartor.dev/de~clared": "{}"},
			want: `[{"op":"add","path":"/metadata/annotations/sartor.dev~1de~0clared","value":"{}"},` +
				`{"op":"add","path":"/spec/containers/1/resources/limits/cpu","value":"2"},` +
				`{"op":"add","path":"/spec/containers/1/resources/requests","value":{"cpu":"1"}}]`,
		},
		"equal in another spelling": {
			pod: Pod{
				Annotations: map[string]string{"a": "1"},
				Containers: []Container{{
					Resources: &corev1.ResourceRequirements{Requests: amounts("0.5", "1024Mi")}, Requests: amounts("500m", "1Gi"),
				}},
			},
			annotations: map[string]string{"a": "1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Build(tc.pod, tc.annotations)
			require.NoError(t, err)
			require.Equal(t, tc.want, string(got))
		})
	}
}

// document is a pod's JSON as far as patches see it.
type document struct {
	Metadata struct {
		Annotations map[string]string `json:"annotations,omitempty"`
	} `json:"metadata"`
	Spec struct {
		Containers []member `json:"containers"`
	} `json:"spec"`
}

type member struct {
	Name      string                       `json:"name"`
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`
}

func (d document) pod(decided []Container) Pod {
	pod := Pod{Annotations: d.Metadata.Annotations, Containers: make([]Container, len(d.Spec.Containers))}
	for i := range d.Spec.Containers {
		pod.Containers[i] = Container{Resources: d.Spec.Containers[i].Resources, Requests: decided[i].Requests, Limits: decided[i].Limits}
	}
	return pod
}

func anyResources(t *rapid.T, label string) corev1.ResourceList {
	if rapid.Bool().Draw(t, label+" absent") {
		return nil
	}
	l := corev1.ResourceList{}
	for _, name := range []corev1.ResourceName{"cpu", "memory", "vendor.com/gpu", "odd~name/x"} {
		if rapid.Bool().Draw(t, label+" has "+string(name)) {
			l[name] = *resource.NewQuantity(rapid.Int64Range(1, 5).Draw(t, label+" "+string(name)), resource.DecimalSI)
		}
	}
	return l
}

func TestTheAppliedPatchGivesWhatWasDecidedAndNothingTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var before document
		annotation := rapid.MapOf(rapid.SampledFrom([]string{"a", "x/y", "til~de", "~1", "ü\"<"}), rapid.String())
		if rapid.Bool().Draw(t, "annotated") {
			before.Metadata.Annotations = annotation.Draw(t, "annotations")
		}
		annotations := annotation.Draw(t, "wanted annotations")
		decided := make([]Container, rapid.IntRange(0, 12).Draw(t, "containers"))
		for i := range decided {
			c := member{Name: fmt.Sprint("c", i)}
			if rapid.Bool().Draw(t, "has resources") {
				c.Resources = &corev1.ResourceRequirements{Requests: anyResources(t, "requests"), Limits: anyResources(t, "limits")}
			}
			before.Spec.Containers = append(before.Spec.Containers, c)
			decided[i] = Container{Requests: anyResources(t, "wanted requests"), Limits: anyResources(t, "wanted limits")}
		}
		after := apply(t, before, decided, annotations)
		checkDecided(t, after, decided, annotations)
		if again, err := Build(after.pod(decided), annotations); err != nil || again != nil {
			t.Fatalf("a second patch: %s, %v", again, err)
		}
	})
}

// apply runs the patch over the pod's JSON, as the API server would.
func apply(t *rapid.T, before document, decided []Container, annotations map[string]string) document {
	text, err := json.Marshal(before)
	require.NoError(t, err)
	// The patch is built from the JSON that it is applied to: empty maps are absent there.
	before = document{}
	require.NoError(t, json.Unmarshal(text, &before))
	patch, err := Build(before.pod(decided), annotations)
	require.NoError(t, err)
	if patch != nil {
		operations, err := jsonpatch.DecodePatch(patch)
		require.NoError(t, err)
		text, err = operations.Apply(text)
		require.NoError(t, err, "%s", patch)
	}
	var after document
	require.NoError(t, json.Unmarshal(text, &after))
	return after
}

func checkDecided(t *rapid.T, after document, decided []Container, annotations map[string]string) {
	for key, value := range annotations {
		require.Equal(t, value, after.Metadata.Annotations[key])
	}
	for i, want := range decided {
		got := after.Spec.Containers[i].Resources
		if got == nil {
			got = &corev1.ResourceRequirements{}
		}
		for name, q := range want.Requests {
			require.Zero(t, q.Cmp(got.Requests[name]), "container %d: request of %s", i, name)
		}
		for name, q := range want.Limits {
			require.Zero(t, q.Cmp(got.Limits[name]), "container %d: limit of %s", i, name)
		}
	}
}
