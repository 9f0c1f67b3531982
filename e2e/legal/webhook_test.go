package legal

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/admission/webhook"
	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/target"
)

// hook is the webhook itself, all but the search for the pod's controller, in one namespace after the other.
type hook struct {
	*webhook.Index
	*webhook.Ranges
	handler  http.Handler
	counters *prometheus.Registry
}

var controller = target.Controller{Group: "apps", Kind: "Deployment", Namespace: namespace, Name: "app"}

func (h *hook) Topmost(context.Context, string, []metav1.OwnerReference) (target.Controller, bool, error) {
	return controller, true, nil
}

func newHook() *hook {
	h := &hook{counters: prometheus.NewRegistry()}
	h.handler = webhook.NewHandler(webhook.Config{
		Owners: h, VPAs: h, LimitRanges: h, Synced: func() bool { return true }, Log: logr.Discard(), Registerer: h.counters,
	})
	return h
}

// knows makes the hook forget all that it knew.
func (h *hook) knows(vpa *vpav1.VerticalPodAutoscaler, ranges []*corev1.LimitRange, cluster policy.Cluster) {
	h.Index, h.Ranges = webhook.NewIndex(cluster, logr.Discard()), webhook.NewRanges()
	h.Index.Into().Replace([]*vpav1.VerticalPodAutoscaler{vpa})
	h.Ranges.Into().Replace(ranges)
}

// review asks the hook, bytes in and bytes out, and twice: equal questions have equal answers.
func (h *hook) review(pod []byte) ([]byte, error) {
	question, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID: "1", Namespace: namespace, Operation: admissionv1.Create,
			Resource: metav1.GroupVersionResource{Version: "v1", Resource: "pods"}, Object: runtime.RawExtension{Raw: pod},
		},
	})
	if err != nil {
		return nil, err
	}
	text := h.ask(question)
	if second := h.ask(question); !bytes.Equal(text, second) {
		return nil, fmt.Errorf("two answers to one question:\n%s\n%s", text, second)
	}
	var answer admissionv1.AdmissionReview
	if err := json.Unmarshal(text, &answer); err != nil || answer.Response == nil || !answer.Response.Allowed || answer.Response.UID != "1" {
		return nil, fmt.Errorf("%s: %w", text, err)
	}
	switch decision := webhook.Decision(answer.Response.AuditAnnotations["decision"]); decision {
	case webhook.Patched, webhook.Unchanged, webhook.Skipped, webhook.NoRecommendation, webhook.NoVPA:
		return answer.Response.Patch, nil
	default:
		return nil, fmt.Errorf("the pod was not decided on: %s", decision)
	}
}

func (h *hook) ask(question []byte) []byte {
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/pods", bytes.NewReader(question)))
	return w.Body.Bytes()
}

// counted is how many reviews ended in each decision, and how many resources were bounded, by outcome and reason.
func (h *hook) counted() (map[string]int, error) {
	families, err := h.counters.Gather()
	counts := map[string]int{}
	for _, family := range families {
		for _, one := range family.GetMetric() {
			var key []string
			for _, label := range one.GetLabel() {
				if label.GetName() != "resource" {
					key = append(key, label.GetValue())
				}
			}
			counts[strings.Join(key, " ")] += int(one.GetCounter().GetValue())
		}
	}
	return counts, err
}
