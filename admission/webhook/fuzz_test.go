package webhook

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
)

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
	f.Fuzz(func(t *testing.T, body string) {
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
	})
}

// askedAgain applies a patch as the API server does, and asks for the pod that it led to: that one is right.
func askedAgain(t *testing.T, h *Handler, body string, text []byte) {
	patch, err := jsonpatch.DecodePatch(text)
	require.NoError(t, err)
	review, before, err := typed(body)
	if err != nil || !jsontext.Value(body).IsValid() {
		return // the API server sends no such pod, and no key twice
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
