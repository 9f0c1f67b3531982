package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// maxBody is the largest review that is read, in bytes. The API server takes objects of up to 3 MiB
// and wraps one of them.
const maxBody = 4 << 20

// review is an AdmissionReview, cut down to what a decision reads. The rest is never decoded.
type review struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Request    *request `json:"request"`
}

type request struct {
	UID         types.UID                   `json:"uid"`
	Resource    metav1.GroupVersionResource `json:"resource"`
	SubResource string                      `json:"subResource"`
	Namespace   string                      `json:"namespace"`
	Operation   admissionv1.Operation       `json:"operation"`
	Object      json.RawMessage             `json:"object"`
}

// pod is a Pod, cut down in the same way.
type pod struct {
	Metadata struct {
		Annotations     map[string]string       `json:"annotations"`
		OwnerReferences []metav1.OwnerReference `json:"ownerReferences"`
	} `json:"metadata"`
	Spec struct {
		Containers     []container                  `json:"containers"`
		InitContainers []container                  `json:"initContainers"`
		Resources      *corev1.ResourceRequirements `json:"resources"`
	} `json:"spec"`
}

type container struct {
	Name string `json:"name"`
	// Resources is nil where the pod's JSON has none.
	Resources *corev1.ResourceRequirements `json:"resources"`
}

// httpError is a request that no answer can be given to, since there is no UID to put into one.
type httpError struct {
	status   int
	decision Decision
	err      error
}

func (e *httpError) Error() string { return e.err.Error() }
func (e *httpError) Unwrap() error { return e.err }

// readReview reads a review that can be answered: it has a request with a UID. Every error is an
// *httpError.
func readReview(w http.ResponseWriter, r *http.Request) (*request, error) {
	if r.Method != http.MethodPost {
		return nil, &httpError{http.StatusMethodNotAllowed, Malformed, fmt.Errorf("method %s: reviews are posted", r.Method)}
	}
	var body bytes.Buffer
	if _, err := io.Copy(&body, http.MaxBytesReader(w, r.Body, maxBody)); err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return nil, &httpError{http.StatusRequestEntityTooLarge, TooLarge, fmt.Errorf("the review is over %d bytes", maxBody)}
		}
		return nil, &httpError{http.StatusBadRequest, Malformed, fmt.Errorf("reading the review: %w", err)}
	}
	var read review
	if err := json.Unmarshal(body.Bytes(), &read); err != nil {
		return nil, &httpError{http.StatusBadRequest, Malformed, fmt.Errorf("decoding the review: %w", err)}
	}
	if want := admissionv1.SchemeGroupVersion.String(); read.APIVersion != want || read.Kind != "AdmissionReview" {
		return nil, &httpError{http.StatusBadRequest, Malformed, fmt.Errorf("%q of %q: only AdmissionReview of %s is understood", read.Kind, read.APIVersion, want)}
	}
	if read.Request == nil || read.Request.UID == "" {
		return nil, &httpError{http.StatusBadRequest, Malformed, errors.New("the review has no request with a uid")}
	}
	return read.Request, nil
}

// answer writes the response to the request with this uid. The pod is always allowed.
func answer(w http.ResponseWriter, uid types.UID, o outcome) error {
	response := admissionv1.AdmissionResponse{UID: uid, Allowed: true, Warnings: o.warnings}
	if o.patch != nil {
		jsonPatch := admissionv1.PatchTypeJSONPatch
		response.Patch, response.PatchType = o.patch, &jsonPatch
	}
	body, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "AdmissionReview"},
		Response: &response,
	})
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	if _, err := w.Write(body); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return nil
}
