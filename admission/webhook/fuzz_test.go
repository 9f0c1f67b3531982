package webhook

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
)

// mutants are a review in which one value after the other is of each type there is, or missing.
func mutants(t require.TestingT, review string) (all []string) {
	var root any
	require.NoError(t, json.Unmarshal([]byte(review), &root))
	add := func() {
		text, err := json.Marshal(root)
		require.NoError(t, err)
		all = append(all, string(text))
	}
	var visit func(value any)
	visit = func(value any) {
		switch in := value.(type) {
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(in)) {
				was := in[key]
				visit(was)
				for _, other := range anyTypes {
					in[key] = other
					add()
				}
				delete(in, key)
				add()
				in[key] = was
			}
		case []any:
			for i, was := range in {
				visit(was)
				for _, other := range anyTypes {
					in[i] = other
					add()
				}
				in[i] = was
			}
		}
	}
	visit(root)
	return all
}

// anyTypes are of each type, and quantities that are seldom met.
var anyTypes = []any{nil, true, 1.5, -1, "", "1e3", "9E", "x", []any{}, map[string]any{}, []any{nil}, []any{map[string]any{}}, map[string]any{"cpu": nil}}

func TestAReviewInWhichAnyValueIsOfAnyTypeIsReadAsKubernetesReadsIt(t *testing.T) {
	for _, body := range mutants(t, fixture(t, "create-shop.json")) {
		readAsTheAPI(t, body)
		neverRejected(t, body)
	}
}

func FuzzNothingIsEverRejected(f *testing.F) {
	seed, err := json.Marshal(json.RawMessage(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","operation":"CREATE",
		"resource":{"resource":"pods"},"object":{"metadata":{"annotations":{"sartor.dev/declared":"{}"}},"spec":{"containers":[{"name":"shop","resources":{"limits":{"cpu":"1"}}}]}}}}`))
	if err != nil {
		f.Fatal(err)
	}
	shop := fixture(f, "create-shop.json")
	for _, text := range []string{
		shop, strings.ReplaceAll(shop, `"100m"`, `"3"`), strings.ReplaceAll(shop, `"2"`, `"3"`),
		string(seed), `{}`, ``, `null`, `[]`, strings.Replace(string(seed), `"resources":{"limits":{"cpu":"1"}}`, `"resources":null`, 1),
	} {
		f.Add(text)
	}
	f.Fuzz(neverRejected)
}

// neverRejected holds the answer to whatever is posted to what must always hold.
func neverRejected(t *testing.T, body string) {
	c := config(t, vpa("shop", recommend("shop", "1200m", "700Mi")))
	c.Log = logr.Discard()
	h := NewHandler(c)
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/pods", strings.NewReader(body)))
	require.Zero(t, h.counted(Panicked))
	if recorder.Code != http.StatusOK {
		require.True(t, recorder.Code >= 400 && recorder.Code < 500, recorder.Code)
		return
	}
	var answer admissionv1.AdmissionReview
	require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &answer))
	require.True(t, answer.Response.Allowed)
	require.NotEmpty(t, answer.Response.UID)
	if answer.Response.Patch != nil {
		askedAgain(t, h, body, answer.Response.Patch)
	}
}

// askedAgain applies a patch as the API server does, and asks for the pod that it led to: that one is right.
func askedAgain(t *testing.T, h *Handler, body string, text []byte) {
	patch, err := jsonpatch.DecodePatch(text)
	require.NoError(t, err)
	review, before, err := typed(body)
	if err != nil || !jsontext.Value(body).IsValid() {
		return // the API server sends no such pod, and no key twice
	}
	var raw struct{ Metadata map[string]json.RawMessage }
	if err := json.Unmarshal(review.Request.Object.Raw, &raw); err != nil || raw.Metadata == nil {
		return // it sends metadata always
	}
	object, err := patch.Apply(review.Request.Object.Raw)
	require.NoError(t, err, string(text))
	var after corev1.Pod
	require.NoError(t, json.Unmarshal(object, &after))
	require.Len(t, after.Spec.Containers, len(before.Spec.Containers))
	review.Request.Object.Raw = object
	again, err := json.Marshal(review)
	require.NoError(t, err)
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/pods", bytes.NewReader(again)))
	var answer admissionv1.AdmissionReview
	require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &answer), recorder.Body)
	require.Empty(t, string(answer.Response.Patch), "%s led to %s", text, object)
}
