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

	"github.com/stretchr/testify/require"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/sartor-vpa/sartor/pkg/sidebyside"
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

// burstClients is how many reviews of a burst are under way at a time.
const burstClients = 64

// Reviews of Rollouts' pods that arrive each second: what upstream's client, at 50 requests to the API server a second, can
// just follow, and a burst that takes 20 s.
const (
	rolloutRate = 40
	burstRate   = 500
)

// rollouts are the experiments with pods of 100 Rollouts.
func rollouts() []experiment {
	const burst = 10_000
	return []experiment{
		{Name: "rollouts", Size: burst, Runs: 1, Ours: rolloutBurst(newOurs), Upstream: func(reviews int) operation {
			return rolloutBurst(newUpstream)(min(reviews, 400)) // which takes 8 s
		}, Rows: []row{
			{Name: "admission-rollout-burst", About: fmt.Sprintf("Rollouts, burst of %d (upstream: 400), %d at a time, HTTPS: time for each", burst, burstClients), Of: sidebyside.Wall, Unit: sidebyside.Microseconds},
			{Name: "admission-rollout-rate", About: "and how many a second that is", Of: "rate", Unit: sidebyside.PerSecond, Silent: true},
			{Name: "admission-rollout-cpu-busy", About: "and how much it uses of the processors' time that others leave: less than all if it is throttled", Of: "busy", Unit: sidebyside.Percent, Silent: true},
			{Name: "admission-rollout-reads", About: "and what it asks of the API server, requests", Of: "reads", Unit: sidebyside.Count, Silent: true},
		}},
		{Name: "rollouts-arriving", Size: 5 * rolloutRate, Runs: 3, Ours: rolloutArrivals(newOurs, rolloutRate), Upstream: rolloutArrivals(newUpstream, rolloutRate), Rows: []row{
			{Name: "admission-rollout-p99", About: fmt.Sprintf("Rollouts, HTTPS, %d a second: how long 99 of 100 take at most", rolloutRate), Of: "p99", Unit: sidebyside.Milliseconds},
		}},
		{Name: "rollouts-arriving-fast", Size: burst, Runs: 1, Ours: rolloutArrivals(newOurs, burstRate), Rows: []row{
			{Name: "admission-rollout-p99-burst", About: fmt.Sprintf("the same, %d at %d a second, which upstream cannot follow", burst, burstRate), Of: "p99", Unit: sidebyside.Milliseconds, Target: sidebyside.AtMost(p99Budget)},
		}},
	}
}

// p99Budget is what a review may take in a burst, in ms: a twentieth of what the API server waits for.
const p99Budget = 100

// rolloutCluster is a cluster of 100 Rollouts with what is sent when their pods are created.
type rolloutCluster struct {
	cluster
	api    *apiServer
	bodies [][]byte
}

// newRolloutCluster has an API server that a client may ask as often as upstream's by default.
func newRolloutCluster() rolloutCluster {
	api := &apiServer{}
	server := httptest.NewServer(api)
	c := rolloutCluster{cluster{vpas: 100, workloads: 100, kind: rollout, server: &rest.Config{Host: server.URL, QPS: 50, Burst: 100}}, api, nil}
	for i := range c.workloads {
		c.bodies = append(c.bodies, newReview(newPod(i)))
	}
	return c
}

// body is that of the i-th review.
func (c rolloutCluster) body(i int) []byte { return c.bodies[i%len(c.bodies)] }

// rolloutBurst measures pods that are created at once, for the first time since the start.
func rolloutBurst(newHandler maker) side {
	return func(reviews int) operation {
		c := newRolloutCluster()
		return func(r reading) {
			server := serve(newHandler(c.cluster))
			defer server.Close()
			c.api.reads.Store(0)
			atOnce(r, burstClients, reviews, func(i int) error { return server.review(c.body(i)) })
			r["reads"] = float64(c.api.reads.Load())
		}
	}
}

// rolloutArrivals measures pods of which so many are created each second.
func rolloutArrivals(newHandler maker, perSecond int) side {
	return func(reviews int) operation {
		c := newRolloutCluster()
		server := serve(newHandler(c.cluster))
		return func(r reading) {
			arriving(r, perSecond, reviews, func(i int) error { return server.review(c.body(i)) })
		}
	}
}

// TestABurstOf10000RolloutPodsIsNotThrottledByOurClient counts what the API server is asked. How long it takes is in the report.
func TestABurstOf10000RolloutPodsIsNotThrottledByOurClient(t *testing.T) {
	c := newRolloutCluster()
	handler := newOurs(c.cluster)
	atOnce(reading{}, 16, 10_000, func(i int) error { review(handler, c.body(i)); return nil })
	// Once which kinds have a /scale, and each Rollout's, by the first of its pods or, at the same time, in the background.
	require.GreaterOrEqual(t, c.api.reads.Load(), int64(1+c.workloads))
	require.LessOrEqual(t, c.api.reads.Load(), int64(1+2*c.workloads))
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
