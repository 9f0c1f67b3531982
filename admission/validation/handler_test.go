package validation

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/go-logr/logr/testr"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	apijson "k8s.io/apimachinery/pkg/util/json"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/features"
)

func body(t testing.TB, r *admissionv1.AdmissionRequest) string {
	var review admissionv1.AdmissionReview
	review.APIVersion, review.Kind, review.Request = "admission.k8s.io/v1", "AdmissionReview", r
	text, err := json.Marshal(review)
	require.NoError(t, err)
	return string(text)
}

func post(h http.Handler, body string) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/vpas", strings.NewReader(body)))
	return recorder
}

func answer(t testing.TB, recorder *httptest.ResponseRecorder) *admissionv1.AdmissionResponse {
	require.Equal(t, http.StatusOK, recorder.Code, recorder.Body)
	var review admissionv1.AdmissionReview
	require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &review))
	require.Equal(t, "admission.k8s.io/v1, Kind=AdmissionReview", review.GroupVersionKind().String())
	require.EqualValues(t, "1", review.Response.UID)
	return review.Response
}

// counted are the results that were counted.
func counted(t testing.TB, registry *prometheus.Registry) map[Result]int {
	families, err := registry.Gather()
	require.NoError(t, err)
	found := map[Result]int{}
	for _, family := range families {
		for _, metric := range family.Metric {
			found[Result(label(metric, "result"))] = int(metric.Counter.GetValue())
		}
	}
	return found
}

func label(m *dto.Metric, name string) string {
	for _, pair := range m.Label {
		if pair.GetName() == name {
			return pair.GetValue()
		}
	}
	return ""
}

func TestABrokenVPAIsDeniedAsAnInvalidObjectIs(t *testing.T) {
	registry := prometheus.NewRegistry()
	h := NewHandler(features.Gates{}, testr.New(t), registry)
	broken := one(t, "", "updatePolicy: {updateMode: Sometimes}")
	response := answer(t, post(h, body(t, request(t, broken, nil))))
	require.False(t, response.Allowed)
	require.Equal(t, `VerticalPodAutoscaler.autoscaling.k8s.io "shop" is invalid: spec.updatePolicy.updateMode: Unsupported value: "Sometimes": supported values: "InPlace", "InPlaceOrRecreate", "Initial", "Off", "Recreate"`, response.Result.Message)
	require.EqualValues(t, http.StatusUnprocessableEntity, response.Result.Code)
	require.Empty(t, response.Patch)

	require.True(t, answer(t, post(h, body(t, request(t, broken, broken)))).Allowed, "an update that does not change it")
	require.Equal(t, map[Result]int{Denied: 1, Allowed: 1}, counted(t, registry))
}

func TestTheUpdateModeThatCountsIsWrittenDown(t *testing.T) {
	h := NewHandler(features.Gates{}, testr.New(t), prometheus.NewRegistry())
	vpa := one(t, "", "")
	r := request(t, vpa, nil)
	dry := true
	r.DryRun = &dry
	response := answer(t, post(h, body(t, r)))
	require.True(t, response.Allowed)
	patch, err := jsonpatch.DecodePatch(response.Patch)
	require.NoError(t, err)
	patched, err := patch.Apply(r.Object.Raw)
	require.NoError(t, err)
	var got vpav1.VerticalPodAutoscaler
	require.NoError(t, json.Unmarshal(patched, &got))
	require.Equal(t, vpav1.UpdateModeRecreate, *got.Spec.UpdatePolicy.UpdateMode)

	r.Object.Raw = patched
	require.Nil(t, answer(t, post(h, body(t, r))).Patch, "asked again it changes nothing")
}

func TestWhatCannotBeJudgedIsAllowedAndCounted(t *testing.T) {
	vpa := one(t, "", "updatePolicy: {updateMode: Sometimes}")
	for name, tc := range map[string]struct {
		change func(*admissionv1.AdmissionRequest)
		want   Result
	}{
		"no VPA":                {func(r *admissionv1.AdmissionRequest) { r.Resource.Resource = "pods" }, NotAVPA},
		"its status":            {func(r *admissionv1.AdmissionRequest) { r.SubResource = "status" }, NotAVPA},
		"its deletion":          {func(r *admissionv1.AdmissionRequest) { r.Operation = admissionv1.Delete }, NotAVPA},
		"no object":             {func(r *admissionv1.AdmissionRequest) { r.Object.Raw = nil }, Unreadable},
		"null":                  {func(r *admissionv1.AdmissionRequest) { r.Object = runtime.RawExtension{Raw: []byte("null")} }, Denied},
		"an object of any kind": {func(r *admissionv1.AdmissionRequest) { r.Object.Raw = []byte(`{"spec":[]}`) }, Unreadable},
		"no quantity": {func(r *admissionv1.AdmissionRequest) {
			r.Object.Raw = []byte(`{"spec":{"resourcePolicy":{"containerPolicies":[{"minAllowed":{"cpu":"x"}}]}}}`)
		}, Unreadable},
		"an old object that cannot be read": {func(r *admissionv1.AdmissionRequest) {
			r.Operation, r.OldObject.Raw = admissionv1.Update, []byte(`{"spec":[]}`)
		}, Unreadable},
	} {
		t.Run(name, func(t *testing.T) {
			r := request(t, vpa, nil)
			tc.change(r)
			response, result := Review(r, features.Gates{})
			require.Equal(t, tc.want, result)
			require.Equal(t, tc.want != Denied, response.Allowed)
		})
	}
}

func TestQuantitiesThatTakeMinutesToReadAreDeniedUnread(t *testing.T) {
	for _, text := range []string{`"1e-100000000"`, `"1\u0065-100000000"`, `1E-100000000`, `"-1e+0000000001"`, `"` + strings.Repeat("1", 100) + `"`} {
		for _, spec := range []string{
			`{"resourcePolicy":{"containerPolicies":[{},{"minAllowed":{"cpu":QUANTITY}}]}}`,
			`{"resourcePolicy":{"containerPolicies":[{},{"maxAllowed":{"a/b":QUANTITY}}]}}`,
			`{"resourcePolicy":{"containerPolicies":[{},{"oomBumpUpRatio":QUANTITY}]}}`,
			`{"resourcePolicy":{"containerPolicies":[{},{"oomMinBumpUp":QUANTITY}]}}`,
			`{"resourcePolicy":{"containerPolicies":[{},{"startupBoost":{"cpu":{"quantity":QUANTITY}}}]}}`,
			`{"startupBoost":{"cpu":{"quantity":QUANTITY}}}`,
		} {
			r := request(t, one(t, "", ""), nil)
			r.Object.Raw = []byte(`{"spec":` + strings.Replace(spec, "QUANTITY", text, 1) + `}`)
			response, result := Review(r, features.Gates{})
			require.Equal(t, Denied, result, "%s", r.Object.Raw)
			require.Contains(t, response.Result.Message, "check its exponent")

			r.Operation, r.OldObject = admissionv1.Update, r.Object
			_, result = Review(r, features.Gates{})
			require.Equal(t, Unreadable, result, "it was there before")
		}
	}
}

func TestAPanicAllowsTheVPA(t *testing.T) {
	registry := prometheus.NewRegistry()
	h := NewHandler(features.Gates{}, testr.New(t), registry)
	h.review = func(*admissionv1.AdmissionRequest, features.Gates) (*admissionv1.AdmissionResponse, Result) {
		panic("at the disco")
	}
	response := answer(t, post(h, body(t, request(t, one(t, "", ""), nil))))
	require.True(t, response.Allowed)
	require.Len(t, response.Warnings, 1)
	require.Equal(t, map[Result]int{Panicked: 1}, counted(t, registry))
}

func TestWhatIsNoReviewIsRefusedAndNeverDenied(t *testing.T) {
	registry := prometheus.NewRegistry()
	h := NewHandler(features.Gates{}, testr.New(t), registry)
	for text, status := range map[string]int{
		"":   http.StatusBadRequest,
		"{}": http.StatusBadRequest,
		`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}`:              http.StatusBadRequest,
		`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{}}`: http.StatusBadRequest,
		strings.Repeat("[", 100000):     http.StatusBadRequest,
		strings.Repeat(" ", maxBody+10): http.StatusRequestEntityTooLarge,
	} {
		require.Equal(t, status, post(h, text).Code)
	}
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/vpas", nil))
	require.Equal(t, http.StatusMethodNotAllowed, recorder.Code)
	require.Equal(t, map[Result]int{Malformed: 7}, counted(t, registry))
}

// agreesWithTheAPI holds a judgement to what the API's own types make of an object.
func agreesWithTheAPI(t *testing.T, object, old string, result Result) {
	var vpa struct {
		Metadata metav1.ObjectMeta               `json:"metadata"`
		Spec     vpav1.VerticalPodAutoscalerSpec `json:"spec"`
	}
	switch result {
	case Allowed: // and decoded soon, or this test would not end
		require.NoError(t, apijson.Unmarshal([]byte(object), &vpa))
	case Unreadable:
		if old == "" {
			require.Error(t, apijson.Unmarshal([]byte(object), &vpa))
		}
	default:
		require.Equal(t, Denied, result)
	}
}

func FuzzAnyObjectIsJudgedAsTheAPIReadsIt(f *testing.F) {
	for _, m := range messages {
		vpa := one(f, m.metadata, m.spec)
		text, err := json.Marshal(vpa)
		require.NoError(f, err)
		f.Add(string(text), "")
		f.Add(string(text), string(text))
	}
	f.Add(`{"spec":{"recommenders":[null],"updatePolicy":{"evictionRequirements":[null]},"resourcePolicy":{"containerPolicies":[{"minAllowed":{"cpu":"1e999","memory":"-1e-999"}}]}}}`, "{}")
	var open features.Gates
	require.NoError(f, open.Set("AllAlpha=true"))
	f.Fuzz(func(t *testing.T, object, old string) {
		r := request(t, &vpav1.VerticalPodAutoscaler{}, nil)
		r.Object.Raw = []byte(object)
		if old != "" {
			r.Operation, r.OldObject.Raw = admissionv1.Update, []byte(old)
		}
		for _, gates := range []features.Gates{{}, open} {
			response, result := Review(r, gates)
			require.Equal(t, result != Denied, response.Allowed)
			require.Equal(t, result == Denied, response.Result != nil)
			agreesWithTheAPI(t, object, old, result)
			if response.Patch != nil {
				patch, err := jsonpatch.DecodePatch(response.Patch)
				require.NoError(t, err)
				_, err = patch.Apply([]byte(object))
				require.NoError(t, err)
			}
		}
		if old == "" {
			r.Operation, r.OldObject.Raw = admissionv1.Update, []byte(object)
			_, result := Review(r, features.Gates{})
			require.NotEqual(t, Denied, result, "nothing changed")
		}
	})
}
