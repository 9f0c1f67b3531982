package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// apiServer knows Rollouts, and takes 2 ms for a /scale.
type apiServer struct{ reads atomic.Int64 }

func (a *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const group, version = "argoproj.io", "argoproj.io/v1alpha1"
	var answer any
	switch r.URL.Path {
	case "/api":
		answer = metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}}
	case "/apis":
		served := metav1.GroupVersionForDiscovery{GroupVersion: version, Version: "v1alpha1"}
		answer = metav1.APIGroupList{
			TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"},
			Groups:   []metav1.APIGroup{{Name: group, Versions: []metav1.GroupVersionForDiscovery{served}, PreferredVersion: served}},
		}
	case "/api/v1":
		answer = metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: "v1"}
	case "/apis/" + version:
		answer = metav1.APIResourceList{
			TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: version,
			APIResources: []metav1.APIResource{
				{Name: "rollouts", Namespaced: true, Kind: "Rollout", Verbs: metav1.Verbs{"get"}},
				{Name: "rollouts/scale", Namespaced: true, Kind: "Scale", Group: "autoscaling", Version: "v1", Verbs: metav1.Verbs{"get"}},
			},
		}
	default:
		var name string
		if _, err := fmt.Sscanf(r.URL.Path, "/apis/"+version+"/namespaces/"+namespace+"/rollouts/%s", &name); err != nil {
			http.NotFound(w, r)
			return
		}
		name = name[:len(name)-len("/scale")]
		time.Sleep(2 * time.Millisecond)
		answer = autoscalingv1.Scale{
			TypeMeta: metav1.TypeMeta{Kind: "Scale", APIVersion: "autoscaling/v1"}, ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
			Status: autoscalingv1.ScaleStatus{Selector: "env=prod,app.kubernetes.io/name=" + name},
		}
	}
	a.reads.Add(1)
	w.Header().Set("Content-Type", "application/json")
	need(json.NewEncoder(w).Encode(answer))
}

// TestABurstOf10000RolloutPodsIsNotThrottledByOurClient counts what the API server is asked. How long it takes is in the report.
func TestABurstOf10000RolloutPodsIsNotThrottledByOurClient(t *testing.T) {
	api := &apiServer{}
	server := httptest.NewServer(api)
	defer server.Close()
	handler := newOurs(cluster{vpas: 100, workloads: 100, kind: rollout, server: &rest.Config{Host: server.URL, QPS: 50, Burst: 100}})
	bodies := make([][]byte, 100)
	for i := range bodies {
		bodies[i] = newReview(newPod(i))
	}
	concurrently(16, 10_000, func(i int) error { review(handler, bodies[i%len(bodies)]); return nil })
	if reads := api.reads.Load(); reads != 1 {
		t.Errorf("the API server was asked %d times", reads)
	}
}

func TestAReadThatFailedOnceIsTriedAgainByTheNextPod(t *testing.T) {
	api := &apiServer{}
	var fails atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fails.Load() {
			http.Error(w, "etcdserver: leader changed", http.StatusInternalServerError)
			return
		}
		api.ServeHTTP(w, r)
	}))
	defer server.Close()
	handler := newOurs(cluster{vpas: 1, workloads: 1, kind: rollout, server: &rest.Config{Host: server.URL}})
	patched := func() bool {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/?timeout=2s", bytes.NewReader(newReview(newPod(0)))))
		return check(recorder.Code, recorder.Body.Bytes()) == nil
	}
	fails.Store(true)
	if patched() {
		t.Error("patched though nobody could tell whose pod it is")
	}
	fails.Store(false)
	if !patched() {
		t.Error("the failure was remembered")
	}
}
