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

// decided is a list that shall have these amounts; "" for what stays. now is what it has; nil if it is absent.
func decided(now corev1.ResourceList, cpu, memory string) List {
	return list(now, amounts(cpu, memory))
}

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
		pod  Pod
		want string
	}{
		"nothing to do": {
			pod: Pod{Containers: []Container{{}, {Exists: true}}},
		},
		"parents are created": {
			pod: Pod{
				Wanted:     []Annotation{{"b", "2"}, {"a", "1"}},
				Containers: []Container{{Limits: decided(nil, "2", ""), Requests: decided(nil, "1", "1Gi")}},
			},
			want: `[{"op":"add","path":"/metadata/annotations","value":{"a":"1","b":"2"}},` +
				`{"op":"add","path":"/spec/containers/0/resources","value":{"limits":{"cpu":"2"},"requests":{"cpu":"1","memory":"1Gi"}}}]`,
		},
		"half of the parents are there": {
			pod: Pod{
				Annotations: map[string]string{}, Wanted: []Annotation{{"sartor.dev/de~clared", `{"a"}`}},
				Containers: []Container{{}, {
					Exists: true, Limits: decided(amounts("1", "1Gi"), "2", "1Gi"), Requests: decided(nil, "1", ""),
				}},
			},
			want: `[{"op":"add","path":"/metadata/annotations/sartor.dev~1de~0clared","value":"{\"a\"}"},` +
				`{"op":"add","path":"/spec/containers/1/resources/limits/cpu","value":"2"},` +
				`{"op":"add","path":"/spec/containers/1/resources/requests","value":{"cpu":"1"}}]`,
		},
		"what was added before is taken out": {
			pod: Pod{Containers: []Container{{Exists: true, Requests: List{Exists: true, CPU: Amount{Gone: true}, Memory: Amount{Have: []byte("1Gi")}}}}},
			want: `[{"op":"remove","path":"/spec/containers/0/resources/requests/cpu"},` +
				`{"op":"add","path":"/spec/containers/0/resources/requests/memory","value":"1Gi"}]`,
		},
		"equal in another spelling": {
			pod: Pod{
				Annotations: map[string]string{"a": "1"}, Wanted: []Annotation{{"a", "1"}},
				Containers: []Container{{Exists: true, Requests: decided(amounts("0.5", "1024Mi"), "500m", "1Gi")}},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, "before"+tc.want, string(Append([]byte("before"), &tc.pod)))
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

// decision is what one container shall have.
type decision struct{ limits, requests corev1.ResourceList }

func (d document) pod(all []decision, wanted map[string]string) *Pod {
	pod := &Pod{Annotations: d.Metadata.Annotations, Containers: make([]Container, len(d.Spec.Containers))}
	for i := range d.Spec.Containers {
		has := d.Spec.Containers[i].Resources
		if has == nil {
			has = &corev1.ResourceRequirements{}
		}
		pod.Containers[i] = Container{
			Exists: d.Spec.Containers[i].Resources != nil,
			Limits: list(has.Limits, all[i].limits), Requests: list(has.Requests, all[i].requests),
		}
	}
	for key, value := range wanted {
		pod.Wanted = append(pod.Wanted, Annotation{key, value})
	}
	return pod
}

func list(now, have corev1.ResourceList) List {
	amount := func(name corev1.ResourceName) (a Amount) {
		if q, ok := have[name]; ok {
			a.Have = []byte(q.String())
			has, ok := now[name]
			a.Same = ok && has.Cmp(q) == 0
		}
		return a
	}
	return List{Exists: now != nil, CPU: amount("cpu"), Memory: amount("memory")}
}

func anyResources(t *rapid.T, label string, names ...corev1.ResourceName) corev1.ResourceList {
	if rapid.Bool().Draw(t, label+" absent") {
		return nil
	}
	l := corev1.ResourceList{}
	for _, name := range names {
		if rapid.Bool().Draw(t, label+" has "+string(name)) {
			unit := rapid.SampledFrom([]string{"", "m", "Mi", "k", "n"}).Draw(t, label+" unit")
			l[name] = resource.MustParse(fmt.Sprint(rapid.Int64Range(0, 5000).Draw(t, label+" "+string(name)), unit))
		}
	}
	return l
}

func TestTheAppliedPatchGivesWhatWasDecidedAndNothingTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var before document
		annotation := rapid.MapOf(rapid.SampledFrom([]string{"a", "x/y", "til~de", "~1", "ü\"<", "\\u2028\u2028"}), rapid.String())
		if rapid.Bool().Draw(t, "annotated") {
			before.Metadata.Annotations = annotation.Draw(t, "annotations")
		}
		annotations := annotation.Draw(t, "wanted annotations")
		all := make([]decision, rapid.IntRange(0, 12).Draw(t, "containers"))
		for i := range all {
			c := member{Name: fmt.Sprint("c", i)}
			if rapid.Bool().Draw(t, "has resources") {
				c.Resources = &corev1.ResourceRequirements{
					Requests: anyResources(t, "requests", "cpu", "memory", "vendor.com/gpu"), Limits: anyResources(t, "limits", "cpu", "memory", "odd~name/x"),
				}
			}
			before.Spec.Containers = append(before.Spec.Containers, c)
			all[i] = decision{anyResources(t, "wanted limits", "cpu", "memory"), anyResources(t, "wanted requests", "cpu", "memory")}
		}
		after := apply(t, before, all, annotations)
		checkDecided(t, before, after, all, annotations)
		require.Empty(t, Append(nil, after.pod(all, annotations)), "a second patch")
	})
}

// apply runs the patch over the pod's JSON, as the API server would.
func apply(t *rapid.T, before document, all []decision, annotations map[string]string) document {
	text, err := json.Marshal(before)
	require.NoError(t, err)
	// The patch is built from the JSON that it is applied to: empty maps are absent there.
	before = document{}
	require.NoError(t, json.Unmarshal(text, &before))
	if patch := Append(nil, before.pod(all, annotations)); len(patch) > 0 {
		operations, err := jsonpatch.DecodePatch(patch)
		require.NoError(t, err)
		require.True(t, sorted(t, operations), "%s", patch)
		text, err = operations.Apply(text)
		require.NoError(t, err, "%s", patch)
	}
	var after document
	require.NoError(t, json.Unmarshal(text, &after))
	return after
}

// sorted reports whether annotations come first, sorted, and each path once.
func sorted(t *rapid.T, operations jsonpatch.Patch) bool {
	seen, last := map[string]bool{}, ""
	for _, o := range operations {
		path, err := o.Path()
		require.NoError(t, err)
		if seen[path] || path[:6] == "/metad" && (path < last || len(last) > 6 && last[:6] != "/metad") {
			return false
		}
		seen[path], last = true, path
	}
	return true
}

// checkDecided holds after to what was decided, and all else to before.
func checkDecided(t *rapid.T, before, after document, all []decision, annotations map[string]string) {
	for key, value := range annotations {
		require.Equal(t, value, after.Metadata.Annotations[key])
	}
	for key, value := range before.Metadata.Annotations {
		if _, changed := annotations[key]; !changed {
			require.Equal(t, value, after.Metadata.Annotations[key])
		}
	}
	for i, want := range all {
		var was, is corev1.ResourceRequirements
		if r := before.Spec.Containers[i].Resources; r != nil {
			was = *r
		}
		if r := after.Spec.Containers[i].Resources; r != nil {
			is = *r
		}
		same(t, merged(was.Requests, want.requests), is.Requests)
		same(t, merged(was.Limits, want.limits), is.Limits)
	}
}

func merged(was, want corev1.ResourceList) corev1.ResourceList {
	all := corev1.ResourceList{}
	for _, l := range []corev1.ResourceList{was, want} {
		for name, q := range l {
			all[name] = q
		}
	}
	return all
}

func same(t *rapid.T, want, got corev1.ResourceList) {
	require.Len(t, got, len(want))
	for name, q := range want {
		require.Zero(t, q.Cmp(got[name]), "%s: want %s", name, q.String())
	}
}
