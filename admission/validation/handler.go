package validation

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/features"
)

// maxBody is the largest review that is read, in bytes: an update carries two objects of up to 3 MiB.
const maxBody = 8 << 20

// Result is what became of one review, and the label that it is counted under.
type Result string

// Results. Only Denied denies; what cannot be judged is allowed.
const (
	Allowed Result = "allowed"
	Denied  Result = "denied"
	// NotAVPA: a review that the webhook's rules should not have sent.
	NotAVPA Result = "not_a_vpa"
	// Unreadable: an object that is no VPA; the API server says so itself, by the VPA's definition.
	Unreadable Result = "unreadable"
	// Panicked: a defect of ours, see the log.
	Panicked Result = "panic"
	// Malformed: not an AdmissionReview with a UID; answered with a 4xx.
	Malformed Result = "malformed"
)

// Handler answers AdmissionReviews of VPAs. It is safe for concurrent use.
type Handler struct {
	gates   features.Gates
	log     logr.Logger
	results *prometheus.CounterVec
	review  func(*admissionv1.AdmissionRequest, features.Gates) (*admissionv1.AdmissionResponse, Result) // Review, but in tests
}

var _ http.Handler = (*Handler)(nil)

// NewHandler returns a Handler whose metric is registered; it panics if that is registered already.
func NewHandler(gates features.Gates, log logr.Logger, registerer prometheus.Registerer) *Handler {
	h := &Handler{gates: gates, log: log, review: Review, results: prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "sartor", Subsystem: "admission", Name: "validations_total",
		Help: "Reviews of VerticalPodAutoscalers by what became of them.",
	}, []string{"result"})}
	registerer.MustRegister(h.results)
	return h
}

// ServeHTTP implements http.Handler. A review with a UID is always answered; anything else with a 4xx, which the API
// server ignores as the webhook's failurePolicy says.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request, status, err := receive(w, r)
	if err != nil {
		h.results.WithLabelValues(string(Malformed)).Inc()
		h.log.V(1).Info("a request was refused", "status", status, "problem", err.Error(), "from", r.RemoteAddr)
		http.Error(w, err.Error(), status)
		return
	}
	response, result := h.safely(request)
	response.UID = request.UID
	h.results.WithLabelValues(string(result)).Inc()
	body, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "AdmissionReview"},
		Response: response,
	})
	if err != nil {
		panic(err) // strings and bytes always encode
	}
	w.Header().Set("Content-Type", "application/json")
	if _, err := w.Write(body); err != nil {
		h.log.V(1).Info("an answer was lost", "problem", err.Error())
	}
}

// safely reviews, and turns a panic into a VPA that is let through.
func (h *Handler) safely(r *admissionv1.AdmissionRequest) (response *admissionv1.AdmissionResponse, result Result) {
	defer func() {
		if cause := recover(); cause != nil {
			h.log.Error(fmt.Errorf("panic: %v", cause), "a review panicked; the VPA was allowed", "namespace", r.Namespace, "name", r.Name, "stack", string(debug.Stack()))
			response = &admissionv1.AdmissionResponse{Allowed: true, Warnings: []string{"sartor: internal error, this VPA was not validated"}}
			result = Panicked
		}
	}()
	response, result = h.review(r, h.gates)
	h.log.V(1).Info("reviewed", "namespace", r.Namespace, "name", r.Name, "result", result)
	return response, result
}

func receive(w http.ResponseWriter, r *http.Request) (*admissionv1.AdmissionRequest, int, error) {
	if r.Method != http.MethodPost {
		return nil, http.StatusMethodNotAllowed, fmt.Errorf("method %s: reviews are posted", r.Method)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return nil, http.StatusRequestEntityTooLarge, fmt.Errorf("the review is over %d bytes", maxBody)
		}
		return nil, http.StatusBadRequest, fmt.Errorf("reading the review: %w", err)
	}
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal(body, &review); err != nil {
		return nil, http.StatusBadRequest, fmt.Errorf("decoding the review: %w", err)
	}
	if want := admissionv1.SchemeGroupVersion.String(); review.APIVersion != want || review.Kind != "AdmissionReview" {
		return nil, http.StatusBadRequest, fmt.Errorf("%q of %q: only AdmissionReview of %s is understood", review.Kind, review.APIVersion, want)
	}
	if review.Request == nil || review.Request.UID == "" {
		return nil, http.StatusBadRequest, errors.New("the review has no request with a uid")
	}
	return review.Request, 0, nil
}

// Review answers a request, but for its UID. It writes nothing anywhere, so that a dry run is like any other.
func Review(r *admissionv1.AdmissionRequest, gates features.Gates) (*admissionv1.AdmissionResponse, Result) {
	allowed := &admissionv1.AdmissionResponse{Allowed: true}
	update := r.Operation == admissionv1.Update
	if r.Resource.Group != vpav1.SchemeGroupVersion.Group || r.Resource.Resource != "verticalpodautoscalers" || r.SubResource != "" ||
		!update && r.Operation != admissionv1.Create {
		return allowed, NotAVPA
	}
	vpa, errs, err := read(r.Object.Raw)
	if err != nil {
		return allowed, Unreadable
	}
	var old *vpav1.VerticalPodAutoscaler
	if update {
		var unread field.ErrorList
		if old, unread, err = read(r.OldObject.Raw); err != nil || len(unread) > 0 {
			return allowed, Unreadable // whether it gets worse cannot be told
		}
	}
	var warnings []string
	if len(errs) == 0 {
		warnings, errs = Validate(vpa, old, gates)
	}
	if len(errs) > 0 {
		status := apierrors.NewInvalid(schema.GroupKind{Group: r.Resource.Group, Kind: r.Kind.Kind}, r.Name, errs).ErrStatus
		return &admissionv1.AdmissionResponse{Result: &status, Warnings: warnings}, Denied
	}
	allowed.Warnings = warnings
	if vpa.Spec.UpdatePolicy == nil && vpa.Spec.TargetRef != nil && vpa.DeletionTimestamp == nil {
		jsonPatch := admissionv1.PatchTypeJSONPatch
		allowed.PatchType, allowed.Patch = &jsonPatch, []byte(defaultUpdatePolicy)
	}
	return allowed, Allowed
}

// defaultUpdatePolicy writes down, as upstream does, which mode a VPA has that names none: kubectl shows it.
const defaultUpdatePolicy = `[{"op":"add","path":"/spec/updatePolicy","value":{"updateMode":"Recreate"}}]`
