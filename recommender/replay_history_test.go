package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// promStandIn has the usage of one container of a pod, 100m and 300 MiB, since a time; queries alone, no remote read.
type promStandIn struct {
	since   time.Time
	denied  bool
	queries func(query string)
}

func (p *promStandIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	query, result := r.Form.Get("query"), []any{}
	metric := map[string]string{"namespace": "store", "pod": "shop-7d9f6c5b8d-2kq8x", "container": "shop"}
	kind := "vector"
	switch {
	case p.denied:
		http.Error(w, "no", http.StatusForbidden)
		return
	case r.URL.Path == "/api/v1/query" && !strings.Contains(query, "kube_"):
		result = append(result, map[string]any{"metric": metric, "value": [2]any{float64(time.Now().Unix()), "1"}})
	case r.URL.Path == "/api/v1/query":
	case r.URL.Path == "/api/v1/query_range":
		p.queries(query)
		kind = "matrix"
		start, _ := strconv.ParseFloat(r.Form.Get("start"), 64)
		end, _ := strconv.ParseFloat(r.Form.Get("end"), 64)
		value := strconv.Itoa(300 << 20)
		if strings.Contains(query, "cpu") {
			value = "0.1"
		}
		var values [][2]any
		for at := start; at <= end; at += 300 {
			if at > float64(p.since.Unix()) {
				values = append(values, [2]any{at, value})
			}
		}
		if len(values) > 0 {
			result = append(result, map[string]any{"metric": metric, "values": values})
		}
	default:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": kind, "result": result}})
}

func TestTheHistoryOfAWorkloadIsReplayedWithoutACluster(t *testing.T) {
	var mu sync.Mutex
	var queries []string
	server := httptest.NewServer(&promStandIn{since: time.Now().Add(-60 * time.Hour), queries: func(query string) {
		mu.Lock()
		defer mu.Unlock()
		queries = append(queries, query)
	}})
	defer server.Close()
	t.Setenv("K8S_ENVIRONMENT", "prod")
	r := reported(t, "", "--prometheus-address="+server.URL, "--workload=store/Deployment/shop", "--history-length=4d", "--prometheus-env-label=env")
	require.Len(t, r.Containers, 1)
	c := r.Containers[0]
	require.Equal(t, "store/Deployment/shop/shop", c.Namespace+"/"+c.Workload+"/"+c.Container)
	require.Equal(t, 1, c.Pods)
	require.InDelta(t, 36*60, c.Outcomes[0].CPU.Minutes, 20, "sixty hours, of which one day is learnt from")
	require.InDelta(t, 0.12, c.Outcomes[0].CPU.Request, 0.03)
	mu.Lock()
	defer mu.Unlock()
	require.GreaterOrEqual(t, len(queries), 8, "CPU and memory of four days")
	for _, query := range queries {
		require.Contains(t, query, `env="prod"`)
	}
}

func TestAWorkloadWithoutHistoryIsTold(t *testing.T) {
	server := httptest.NewServer(&promStandIn{since: time.Now().Add(-3 * time.Hour), queries: func(string) {}})
	defer server.Close()
	args := []string{"--prometheus-address=" + server.URL, "--history-length=1d", "--warm-up=0s", "--restart-every=10m"}
	_, _, err := replayed(t, "", append(args, "--workload=store/Deployment/till")...)
	require.ErrorContains(t, err, "there is no usage of store/Deployment/till in the last 1d: are kind and name right")
	out, errOut, err := replayed(t, "", append(args, "--workload=store/Deployment/till", "--workload=store/Deployment/shop")...)
	require.NoError(t, err)
	require.Contains(t, errOut, "there is no usage of store/Deployment/till")
	require.Contains(t, out, "store/shop")
}

func TestAServerThatDeniesAccessEndsItAtOnce(t *testing.T) {
	server := httptest.NewServer(&promStandIn{denied: true})
	defer server.Close()
	_, _, err := replayed(t, "", "--prometheus-address="+server.URL, "--workload=store/Deployment/shop")
	require.ErrorContains(t, err, "the server denies access")
}

// apiServer has VPAs and what they target, and notes what is asked of it.
type apiServer struct {
	objects map[string]string

	mu      sync.Mutex
	methods map[string]bool
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.methods[r.Method] = true
	w.Header().Set("Content-Type", "application/json")
	text, ok := s.objects[r.URL.Path]
	if !ok {
		name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
		w.WriteHeader(http.StatusNotFound)
		text = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"details":{"name":"` + name + `"}}`
	}
	fmt.Fprint(w, text)
}

func newAPIServer() *apiServer {
	const vpa = `{"apiVersion":"autoscaling.k8s.io/v1","kind":"VerticalPodAutoscaler","metadata":{"namespace":"store","name":%q},
		"spec":{"targetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":%q},"updatePolicy":{"updateMode":"Off"},
		"resourcePolicy":{"containerPolicies":[{"containerName":"*","minAllowed":{"cpu":"600m"}}]}}}`
	return &apiServer{methods: map[string]bool{}, objects: map[string]string{
		"/api":                        `{"kind":"APIVersions","versions":["v1"]}`,
		"/apis":                       `{"kind":"APIGroupList","apiVersion":"v1","groups":[{"name":"apps","versions":[{"groupVersion":"apps/v1","version":"v1"}],"preferredVersion":{"groupVersion":"apps/v1","version":"v1"}},{"name":"autoscaling.k8s.io","versions":[{"groupVersion":"autoscaling.k8s.io/v1","version":"v1"}],"preferredVersion":{"groupVersion":"autoscaling.k8s.io/v1","version":"v1"}}]}`,
		"/apis/apps/v1":               `{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"apps/v1","resources":[{"name":"deployments","singularName":"deployment","namespaced":true,"kind":"Deployment","verbs":["get"]}]}`,
		"/apis/autoscaling.k8s.io/v1": `{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"autoscaling.k8s.io/v1","resources":[{"name":"verticalpodautoscalers","singularName":"verticalpodautoscaler","namespaced":true,"kind":"VerticalPodAutoscaler","verbs":["get"]}]}`,
		"/apis/autoscaling.k8s.io/v1/namespaces/store/verticalpodautoscalers/shop": fmt.Sprintf(vpa, "shop", "shop"),
		"/apis/autoscaling.k8s.io/v1/namespaces/store/verticalpodautoscalers/gone": fmt.Sprintf(vpa, "gone", "gone"),
		"/apis/apps/v1/namespaces/store/deployments/shop": `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"namespace":"store","name":"shop"},
			"spec":{"template":{"spec":{"containers":[{"name":"shop","resources":{"requests":{"cpu":"250m","memory":"512Mi"},"limits":{"cpu":"2","memory":"1Gi"}}}]}}}}`,
	}}
}

func TestAVPAIsReplayedWithItsPolicyAndNothingIsWritten(t *testing.T) {
	api := newAPIServer()
	cluster, server := httptest.NewServer(api), httptest.NewServer(&promStandIn{since: time.Now().Add(-60 * time.Hour), queries: func(string) {}})
	defer cluster.Close()
	defer server.Close()
	args := []string{"--prometheus-address=" + server.URL, "--kubeconfig=" + kubeconfig(t, cluster.URL), "--history-length=4d"}
	r := reported(t, "", append(args, "--vpa=store/shop")...)
	require.Len(t, r.Policies, 2)
	of := r.Containers[0].Outcomes
	require.Equal(t, 0.6, of[0].CPU.Request, "minAllowed")
	require.Equal(t, 2.0, of[0].CPU.Limit)
	require.Equal(t, 1.0, of[0].CPU.Coverage, "though its update mode is Off")
	require.Equal(t, "declared", of[1].Policy)
	require.Equal(t, 0.25, of[1].CPU.Request)
	require.Equal(t, float64(1<<30), of[1].Memory.Limit)

	_, _, err := replayed(t, "", append(args, "--vpa=store/till")...)
	require.ErrorContains(t, err, "there is no VPA store/till: kubectl get vpa -n store lists those that there are")
	_, _, err = replayed(t, "", append(args, "--vpa=store/gone")...)
	require.ErrorContains(t, err, "there is no usage of store/Deployment/gone", "that its target is gone is no trouble")
	_, _, err = replayed(t, "", append(args, "--vpa=store/shop", "--workload=store/Deployment/shop")...)
	require.ErrorContains(t, err, "store/Deployment/shop is asked for twice")
	api.mu.Lock()
	defer api.mu.Unlock()
	require.Equal(t, map[string]bool{http.MethodGet: true}, api.methods)
}
