package webhook

import (
	"encoding/json"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	kubejson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/utils/annotations"

	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/policy/policytest"
)

// read decodes a body as a request's is; nil if it cannot be answered.
func read(body string) (*desk, error) {
	d := new(desk)
	d.body.WriteString(body)
	if err := d.decode(); err != nil {
		return nil, err
	}
	if refused := d.review.check(); refused != nil {
		return nil, refused
	}
	return d, nil
}

// typed decodes a body with the API's own types and reader.
func typed(body string) (review admissionv1.AdmissionReview, pod corev1.Pod, err error) {
	if err := kubejson.Unmarshal([]byte(body), &review); err != nil || review.Request == nil {
		return review, pod, err
	}
	return review, pod, kubejson.Unmarshal(review.Request.Object.Raw, &pod)
}

// agree holds what was read to what the API's own reader reads.
func agree(t require.TestingT, got *request, want *admissionv1.AdmissionRequest, pod *corev1.Pod) {
	require.NoError(t, got.fault)
	require.Equal(t, string(want.UID), got.uid)
	require.Equal(t, want.Namespace, got.namespace)
	creation := want.Operation == admissionv1.Create && want.SubResource == "" && want.Resource.Group == "" && want.Resource.Resource == "pods"
	require.Equal(t, creation, got.isPodCreation())

	require.Equal(t, pod.Annotations == nil, got.pod.annotations == nil)
	for key, value := range pod.Annotations {
		if name, ok := knownAnnotation([]byte(key)); ok {
			kept, ok := got.pod.annotations[name]
			require.True(t, ok, key)
			require.Equal(t, value, kept)
		}
	}
	for key, value := range pod.Labels {
		read, ok := got.pod.labels.Lookup(key)
		require.True(t, ok, key)
		require.Equal(t, value, read)
		require.Equal(t, value, got.pod.labels.Get(key))
	}
	require.False(t, got.pod.labels.Has("no label of a pod"))
	if controller := metav1.GetControllerOfNoCopy(pod); controller == nil {
		require.Empty(t, got.pod.owners)
	} else {
		require.Len(t, got.pod.owners, 1)
		o := got.pod.owners[0]
		require.Equal(t, []string{controller.APIVersion, controller.Kind, controller.Name, string(controller.UID)}, []string{o.APIVersion, o.Kind, o.Name, string(o.UID)})
	}

	asking := got.pod.asking
	asking.Recall(policy.AnnotationsOf(got.pod.annotations), nil)
	reference := policy.PodOf(pod, nil)
	require.Equal(t, append([]policy.PodContainer{}, reference.Containers...), append([]policy.PodContainer{}, asking.Containers...))
	require.Equal(t, append([]policy.InitContainer{}, reference.Init...), append([]policy.InitContainer{}, asking.Init...))
	require.Equal(t, reference.Level, asking.Level)
	for i := range pod.Spec.Containers {
		r := pod.Spec.Containers[i].Resources
		has := got.pod.has[i]
		require.True(t, has.requests || len(r.Requests) == 0)
		require.True(t, has.limits || len(r.Limits) == 0)
		require.True(t, has.resources || !has.requests && !has.limits)
	}
}

// newReview is the API server's review of the creation of a pod.
func newReview(t require.TestingT, pod *corev1.Pod) string {
	object, err := json.Marshal(pod)
	require.NoError(t, err)
	body, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: reviewVersion, Kind: reviewKind},
		Request: &admissionv1.AdmissionRequest{
			UID: "1", Namespace: "store", Operation: admissionv1.Create,
			Resource: metav1.GroupVersionResource{Version: "v1", Resource: "pods"}, Object: runtime.RawExtension{Raw: object},
		},
	})
	require.NoError(t, err)
	return string(body)
}

func TestItReadsWhatKubernetesReads(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		pod := policytest.Maker{Source: random}.Pod()
		if random.IntN(2) == 0 {
			pod.Annotations = map[string]string{
				policy.DeclaredAnnotation: "{}", policy.UpdatesAnnotation: "ü\"\n", annotations.GetStartupCPUBoostAnnotationKey("app-0"): "{}", "other": "x",
			}
		}
		if random.IntN(2) == 0 {
			pod.Labels = map[string]string{"app": "shop", "": "ü\"\n", "empty": ""}
		}
		controller := random.IntN(2) == 0
		pod.OwnerReferences = []metav1.OwnerReference{{Kind: "ConfigMap"}, {APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "r", UID: "u", Controller: &controller}}
		body := newReview(t, pod)
		got, err := read(body)
		require.NoError(t, err)
		review, reference, err := typed(body)
		require.NoError(t, err)
		agree(t, &got.review.request, review.Request, &reference)
	}
}

// unread are quantities that are legal, and that are not read.
var unread = regexp.MustCompile(`[0-9.]{50}|[eE][+-]?[0-9]{4}`)

// FuzzReviews reads whatever may be sent. Where the API's own types accept it, what is read is the same.
func FuzzReviews(f *testing.F) {
	text := fixture(f, "create-shop.json")
	for _, seed := range []string{
		text, `{}`, ``, `null`, `[]`, `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","object":null}}`,
		strings.Replace(text, `"resources": {}`, `"resources": null`, 1),
		strings.Replace(text, `"100m"`, `" 1e3 "`, 1), strings.Replace(text, `"100m"`, `-0.5`, 1), strings.Replace(text, `"2"`, `"9E"`, 1),
		strings.Replace(text, `"labels"`, `"annotations": {"sartor.dev/declared": "{\"shop\":{}}", "vpaUpdates": null, "kubernetes.io/limit-ranger": "LimitRanger plugin set: cpu limit for container shop"}, "labels"`, 1),
		strings.Replace(text, `"labels": {`, `"labels": {"": null, "a\"": "ü\n", `, 1),
		strings.Replace(text, `"name": "migrate"`, `"name": "migrate", "restartPolicy": "Always"`, 1),
		strings.Replace(text, `"volumes"`, `"resources": {"limits": {"cpu": "1"}}, "volumes"`, 1),
	} {
		f.Add(seed)
	}
	f.Fuzz(readAsTheAPI)
}

// readAsTheAPI holds what is read to what the API's own types accept.
func readAsTheAPI(t *testing.T, body string) {
	got, err := read(body)
	if !jsontext.Value(body).IsValid() || unread.MatchString(body) {
		return // it may also be a review with equal keys, of which the last counts
	}
	review, pod, typedErr := typed(body)
	if err != nil || typedErr != nil || string(review.Request.Object.Raw) == "null" || nulls(&pod) {
		return
	}
	agree(t, &got.review.request, review.Request, &pod)
}

// nulls reports whether an amount is null, which the API's reader takes for 0, and we for nothing.
func nulls(pod *corev1.Pod) bool {
	var all []corev1.ResourceList
	for _, containers := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for i := range containers {
			all = append(all, containers[i].Resources.Requests, containers[i].Resources.Limits)
		}
	}
	if r := pod.Spec.Resources; r != nil {
		all = append(all, r.Requests, r.Limits)
	}
	for _, list := range all {
		for _, q := range list {
			if q.Format == resource.Format("") {
				return true
			}
		}
	}
	return false
}

func TestOfEqualKeysTheLastCounts(t *testing.T) {
	d, err := read(`{"apiVersion":"x","apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview",
		"request":{"uid":"0","object":{"spec":{"containers":[{"name":"gone"}]}}},
		"request":{"uid":"1","uid":"2","operation":"CREATE","resource":{"group":"apps"},"resource":{"resource":"pods"},
			"object":7,"object":{"metadata":{"annotations":{"vpaUpdates":"a"},"annotations":{"vpaUpdates":"b"},
					"labels":{"app":"gone","gone":"1"},"labels":{"app":"a","tier":null,"app":"b"}},
				"spec":{"containers":[{"name":"a"}],"containers":[{"name":"b","resources":{"limits":{"memory":"1Gi"},"limits":{"cpu":"3","cpu":"2"}}}]}}}}`)
	require.NoError(t, err)
	r := &d.review.request
	require.NoError(t, r.fault)
	require.Equal(t, "2", r.uid)
	require.True(t, r.isPodCreation())
	require.Equal(t, map[string]string{"vpaUpdates": "b"}, r.pod.annotations)
	require.Equal(t, "b", r.pod.labels.Get("app"))
	require.True(t, r.pod.labels.Has("tier"), "null is an empty string")
	require.False(t, r.pod.labels.Has("gone"))
	require.Len(t, r.pod.asking.Containers, 1)
	require.Equal(t, "b", r.pod.asking.Containers[0].Name)
	require.EqualValues(t, 2000, r.pod.asking.Containers[0].Now.Limits[0].Amount())
	require.False(t, r.pod.asking.Containers[0].Now.Limits[1].IsSet())
}

func TestADeskThatIsUsedAgainRemembersNothing(t *testing.T) {
	first, second := fixture(t, "create-shop.json"), `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","object":{"spec":{"containers":[{},{},{}],"initContainers":[{}]}}}}`
	d := new(desk)
	for range 3 {
		d.body.Reset()
		d.body.WriteString(first)
		require.NoError(t, d.decode())
		d.body.Reset()
		d.body.WriteString(second)
		require.NoError(t, d.decode())
		fresh, err := read(second)
		require.NoError(t, err)
		require.Equal(t, fresh.review.pod.asking.Containers, d.review.pod.asking.Containers)
		require.Equal(t, fresh.review.pod.asking.Init, d.review.pod.asking.Init)
		require.False(t, d.review.pod.labels.Has("app"))
		require.Equal(t, fresh.review.pod.has, d.review.pod.has)
		require.Empty(t, d.review.pod.owners)
		require.Nil(t, d.review.pod.annotations)
		require.False(t, d.review.isPodCreation())
		require.Empty(t, d.review.namespace)
	}
}
