package webhook

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
)

func FuzzNothingIsEverRejected(f *testing.F) {
	seed, err := json.Marshal(json.RawMessage(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","operation":"CREATE",
		"resource":{"resource":"pods"},"object":{"metadata":{"annotations":{"sartor.dev/declared":"{}"}},"spec":{"containers":[{"name":"shop","resources":{"limits":{"cpu":"1"}}}]}}}}`))
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{string(seed), `{}`, ``, `null`, `[]`, strings.Replace(string(seed), `"resources":{"limits":{"cpu":"1"}}`, `"resources":null`, 1)} {
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
			_, err := jsonpatch.DecodePatch(answer.Response.Patch)
			require.NoError(t, err)
		}
	})
}
