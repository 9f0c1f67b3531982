package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/go-logr/logr/testr"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/target"
)

var shop = target.Controller{Group: "apps", Kind: "Deployment", Namespace: "store", Name: "shop"}

// ownersFunc is an Owners.
type ownersFunc func(ctx context.Context) (target.Controller, bool, error)

func (f ownersFunc) Topmost(ctx context.Context, _ string, _ []metav1.OwnerReference) (target.Controller, bool, error) {
	return f(ctx)
}

func belongsToShop(context.Context) (target.Controller, bool, error) { return shop, true, nil }

func vpa(name string, targets ...vpav1.RecommendedContainerResources) *vpav1.VerticalPodAutoscaler {
	return &vpav1.VerticalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: "store", Name: name},
		Spec: vpav1.VerticalPodAutoscalerSpec{
			TargetRef: &autoscalingv1.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "shop"},
		},
		Status: vpav1.VerticalPodAutoscalerStatus{Recommendation: &vpav1.RecommendedPodResources{ContainerRecommendations: targets}},
	}
}

func recommend(container, cpu, memory string) vpav1.RecommendedContainerResources {
	return vpav1.RecommendedContainerResources{ContainerName: container, Target: corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory),
	}}
}

// config is of a handler that finds shop's pods under these VPAs.
func config(t *testing.T, vpas ...*vpav1.VerticalPodAutoscaler) Config {
	log := testr.New(t)
	index := NewIndex(policy.Cluster{Limits: policy.DefaultLimitPolicy()}, log)
	index.Into().Replace(vpas)
	return Config{
		Owners: ownersFunc(belongsToShop), VPAs: index, LimitRanges: NewRanges(), Synced: func() bool { return true },
		Log: log, Registerer: prometheus.NewRegistry(),
	}
}

func fixture(t testing.TB, name string) string {
	text, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	return string(text)
}

// running is a handler behind TLS, as the API server meets it.
type running struct {
	*Handler
	server *httptest.Server
}

func start(t *testing.T, c Config) *running {
	r := &running{Handler: NewHandler(c)}
	r.server = httptest.NewTLSServer(r.Handler)
	t.Cleanup(r.server.Close)
	return r
}

func post(t *testing.T, h *running, query, body string) (int, string) {
	response, err := h.server.Client().Post(h.server.URL+"/pods"+query, "application/json", strings.NewReader(body))
	require.NoError(t, err)
	defer response.Body.Close()
	var text bytes.Buffer
	_, err = text.ReadFrom(response.Body)
	require.NoError(t, err)
	return response.StatusCode, text.String()
}

// ask sends a review that has a UID, and checks what holds for every answer to one.
func ask(t *testing.T, h *running, body string) *admissionv1.AdmissionResponse {
	status, text := post(t, h, "?timeout=2s", body)
	require.Equal(t, http.StatusOK, status, text)
	var answer admissionv1.AdmissionReview
	require.NoError(t, json.Unmarshal([]byte(text), &answer))
	require.Equal(t, "admission.k8s.io/v1", answer.APIVersion)
	require.Equal(t, "AdmissionReview", answer.Kind)
	require.True(t, answer.Response.Allowed)
	require.EqualValues(t, "26f42b86-b68f-47c5-9318-544031705382", answer.Response.UID)
	require.Equal(t, answer.Response.Patch != nil, answer.Response.PatchType != nil)
	return answer.Response
}

// counted is how often the handler took this decision.
func (h *Handler) counted(d Decision) float64 { return value(h.metrics.decisions[d]) }

func value(c prometheus.Counter) float64 {
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		panic(err)
	}
	return m.GetCounter().GetValue()
}
