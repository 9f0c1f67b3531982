package bench

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// cluster is what a side stands before.
type cluster struct {
	vpas, workloads int
	kind            kind
	// server is asked for /scale; nil where the workloads need none.
	server *rest.Config
}

// target is the workload that the i-th VPA names.
func (c cluster) target(i int) int { return min(i, c.workloads-1) }

func experiments() []experiment {
	return []experiment{
		inProcess("1", cluster{vpas: 1, workloads: 1, kind: deployment}, 2000),
		inProcess("100", cluster{vpas: 100, workloads: 100, kind: deployment}, 2000),
		inProcess("2000", cluster{vpas: 2000, workloads: 2000, kind: deployment}, 2000),
		inProcess("2000-on-one", cluster{vpas: 2000, workloads: 1, kind: deployment}, 500),
		{"https", 3, [2]func() operation{overHTTPS(newOurs), overHTTPS(newUpstream)}},
		{"rollouts", 1, [2]func() operation{burst(newOurs, 10_000), burst(newUpstream, 400)}},
		{"replica-sets", 1, [2]func() operation{ours: heap}},
	}
}

func rows() []row {
	return []row{
		{name: "admission-cpu-1", of: "1/cpu", unit: microseconds},
		{name: "admission-cpu", of: "100/cpu", unit: microseconds, target: 0.5},
		{name: "admission-cpu-2000", of: "2000/cpu", unit: microseconds},
		{name: "admission-cpu-2000-on-one", of: "2000-on-one/cpu", unit: microseconds},
		{name: "admission-2000-on-one-target", of: "2000-on-one/cpu", to: "1/cpu", unit: microseconds, target: 1.5},
		{name: "admission-allocs", of: "100/allocs", unit: count, target: 0.33},
		{name: "admission-bytes", of: "100/bytes", unit: kilobytes},
		{name: "admission-https-cpu", of: "https/cpu", unit: microseconds},
		{name: "admission-https-p99", of: "https/p99", unit: milliseconds},
		{name: "admission-rollout-burst", of: "rollouts/each", unit: microseconds},
		{name: "admission-rollout-p99", of: "rollouts/p99", unit: milliseconds},
		{name: "admission-rollout-cpu-busy", of: "rollouts/busy", unit: percent, silent: true},
		{name: "admission-rollout-reads", of: "rollouts/reads", unit: count, silent: true},
		{name: "admission-heap-100k-replicasets", of: "replica-sets/heap", unit: megabytes, alone: true, target: 60},
	}
}

// inProcess measures what n reviews of the last workload's pods cost, from the bytes of the request to those of the answer.
func inProcess(name string, c cluster, n int) experiment {
	side := func(newHandler func(cluster) http.Handler) func() operation {
		return func() operation {
			handler, body := newHandler(c), newReview(newPod(c.workloads-1))
			return func() reading { return cost(n, func() { review(handler, body) }) }
		}
	}
	return experiment{name, 5, [2]func() operation{side(newOurs), side(newUpstream)}}
}

// overHTTPS measures what reviews cost behind TLS, with the client, and how long they take: 4 clients, 500 reviews each.
func overHTTPS(newHandler func(cluster) http.Handler) func() operation {
	return func() operation {
		c := cluster{vpas: 100, workloads: 100, kind: deployment}
		server, body := httptest.NewTLSServer(newHandler(c)), newReview(newPod(c.workloads-1))
		client := server.Client()
		client.Transport.(*http.Transport).MaxIdleConnsPerHost = 4
		client.Transport.(*http.Transport).TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(4)
		return func() reading {
			return concurrently(4, 2000, func(int) error {
				response, err := client.Post(server.URL+"/?timeout=2s", "application/json", bytes.NewReader(body))
				if err != nil {
					return err
				}
				answer, err := io.ReadAll(response.Body)
				return errors.Join(err, response.Body.Close(), check(response.StatusCode, answer))
			})
		}
	}
}

// burst measures n pods of 100 Rollouts that are created at once, 64 at a time, for the first time since the start.
func burst(newHandler func(cluster) http.Handler, n int) func() operation {
	return func() operation {
		api := &apiServer{}
		server := httptest.NewServer(api)
		// Upstream's defaults, and ours.
		c := cluster{vpas: 100, workloads: 100, kind: rollout, server: &rest.Config{Host: server.URL, QPS: 50, Burst: 100}}
		bodies := make([][]byte, c.workloads)
		for i := range bodies {
			bodies[i] = newReview(newPod(i))
		}
		return func() reading {
			handler := newHandler(c)
			api.reads.Store(0)
			r := concurrently(64, n, func(i int) error { review(handler, bodies[i%len(bodies)]); return nil })
			r["reads"] = float64(api.reads.Load())
			return r
		}
	}
}

// heap measures what 100 000 ReplicaSets take, of 10 000 Deployments. No two objects that come share a string.
func heap() operation {
	const replicaSets, each = 100_000, 10
	lists := ownerLists{"replicasets": func() []metav1.PartialObjectMetadata {
		all := make([]metav1.PartialObjectMetadata, replicaSets)
		for i := range all {
			all[i].ObjectMeta = newReplicaSet(i/each, deployment).ObjectMeta
			all[i].Name = fmt.Sprintf("%s-%010d", workload(i/each), i)
			all[i].UID = types.UID(fmt.Sprintf("%08d-0000-4000-8000-000000000000", i))
		}
		return all
	}}
	return func() reading {
		before := liveHeap()
		owners := newOwners(lists)
		grown := liveHeap() - before
		runtime.KeepAlive(owners)
		return reading{"heap": grown}
	}
}

// TestEverySideOfEveryExperimentWorks runs small ones, so that the report does not rot.
func TestEverySideOfEveryExperimentWorks(t *testing.T) {
	for _, newHandler := range []func(cluster) http.Handler{newOurs, newUpstream} {
		for _, c := range []cluster{{vpas: 2, workloads: 2, kind: deployment}, {vpas: 2, workloads: 1, kind: deployment}} {
			handler := newHandler(c)
			var answer admissionv1.AdmissionReview
			recorder := httptest.NewRecorder()
			request := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(newReview(newPod(c.workloads-1))))
			request.Header.Set("Content-Type", "application/json")
			handler.ServeHTTP(recorder, request)
			need(json.Unmarshal(recorder.Body.Bytes(), &answer))
			if !bytes.Contains(answer.Response.Patch, []byte("587m")) {
				t.Errorf("not what was recommended: %s", answer.Response.Patch)
			}
		}
		burst(newHandler, 4)()
	}
}
