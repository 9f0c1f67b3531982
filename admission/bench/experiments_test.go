package bench

import (
	"flag"
	"fmt"
	"net/http"
	"runtime"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/sartor-vpa/sartor/pkg/sidebyside"
)

var flags = sidebyside.NewFlags(flag.CommandLine)

// TestReport measures both sides of all experiments, and prints what came out:
//
//	go test ./admission/bench -run '^TestReport$' -count=1 -timeout 30m -v -report
func TestReport(t *testing.T) { flags.Report(t, about, experiments()) }

const about = `A review is of a pod's creation, 4.7 KB: three containers, of which one is a mesh's sidecar, and an init container. Each is patched.
In process: the handler alone, from the request's bytes to the answer's. HTTPS: on loopback with TLS, the client in the same process.
Rollouts: pods of 100 Argo Rollouts, and an API server in the same process that takes 2 ms to answer for a /scale.
`

// TestEverySideOfEveryExperimentWorks runs small ones, so that the report does not rot.
func TestEverySideOfEveryExperimentWorks(t *testing.T) { sidebyside.Try(t, experiments(), 1) }

type (
	experiment = sidebyside.Experiment
	side       = sidebyside.Side
	operation  = sidebyside.Operation
	reading    = sidebyside.Reading
	row        = sidebyside.Row
)

var need = sidebyside.Need

// cluster is what a side stands before.
type cluster struct {
	vpas, workloads int
	kind            kind
	// server is asked for /scale; nil where the workloads need none.
	server *rest.Config
}

// target is the workload that the i-th VPA names.
func (c cluster) target(i int) int { return min(i, c.workloads-1) }

// maker makes a side's handler before a cluster.
type maker func(cluster) http.Handler

// An experiment's size is the number of its reviews.
func experiments() []experiment {
	var list []experiment
	clusters := []struct {
		name string
		cluster
	}{
		{"1", cluster{vpas: 1, workloads: 1, kind: deployment}},
		{"100", cluster{vpas: 100, workloads: 100, kind: deployment}},
		{"2000", cluster{vpas: 2000, workloads: 2000, kind: deployment}},
		{"2000-on-one", cluster{vpas: 2000, workloads: 1, kind: deployment}},
	}
	for _, c := range clusters {
		list = append(list, experiment{Name: c.name, Size: 1000, Runs: 5,
			Ours: inProcess(newOurs, c.cluster), Upstream: inProcess(newUpstream, c.cluster), Rows: inProcessRows()[c.name]})
	}
	for _, c := range clusters {
		list = append(list, experiment{Name: "https-" + c.name, Size: 500, Runs: 3,
			Ours: overHTTPS(newOurs, c.cluster), Upstream: overHTTPS(newUpstream, c.cluster), Rows: overHTTPSRows(c.name)})
	}
	return append(append(list, rollouts()...), experiment{Name: "replica-sets", Size: 100_000, Runs: 1, Ours: heap, Rows: []row{
		{Name: "admission-heap-100k-replicasets", About: "live heap of what is kept of 100 000 ReplicaSets", Of: "heap", Unit: sidebyside.Megabytes, Target: sidebyside.AtMost(60)}}})
}

func inProcessRows() map[string][]row {
	cpu := func(name, about string, target *float64) row {
		return row{Name: name, About: "in process: CPU of a review, " + about, Of: sidebyside.CPU, Unit: sidebyside.Microseconds, Target: target}
	}
	onOne := row{Name: "admission-2000-on-one-target", About: "the same, ours beside ours with 1 VPA", Of: sidebyside.CPU, To: "1/" + sidebyside.CPU,
		Unit: sidebyside.Microseconds, Target: sidebyside.AtMost(1.5)}
	return map[string][]row{
		"1": {cpu("admission-cpu-1", "1 VPA", nil)},
		"100": {
			cpu("admission-cpu", "100 VPAs", sidebyside.AtMost(0.5)),
			{Name: "admission-allocs", About: "what it allocates, objects", Of: sidebyside.Allocs, Unit: sidebyside.Count, Target: sidebyside.AtMost(0.33)},
			{Name: "admission-bytes", About: "and bytes", Of: sidebyside.Bytes, Unit: sidebyside.Kilobytes},
		},
		"2000":        {cpu("admission-cpu-2000", "2000 VPAs", nil)},
		"2000-on-one": {cpu("admission-cpu-2000-on-one", "2000 VPAs on one target", nil), onOne},
	}
}

func overHTTPSRows(vpas string) []row {
	name, about := "-"+vpas, "HTTPS: CPU of a review with its client, VPAs: "+vpas
	if vpas == "100" {
		name = ""
	}
	return []row{
		{Name: "admission-https-cpu" + name, About: about, Of: sidebyside.CPU, Unit: sidebyside.Microseconds},
		{Name: "admission-https-p99" + name, About: fmt.Sprintf("and how long 99 of 100 take at most, at %d a second", httpsRate), Of: "p99", Unit: sidebyside.Milliseconds},
	}
}

// inProcess measures what reviews of the last workload's pods cost, from the bytes of the request to those of the answer.
func inProcess(newHandler maker, c cluster) side {
	return func(reviews int) operation {
		handler, body := newHandler(c), newReview(newPod(c.workloads-1))
		return func(r reading) {
			r.Measure(reviews, func() {
				for range reviews {
					review(handler, body)
				}
			})
		}
	}
}

// httpsRate is how many reviews a second are sent over HTTPS: as many as upstream manages with 2000 VPAs on one target.
const httpsRate = 100

// overHTTPS measures what reviews cost behind TLS, one after the other, and then how long they take at a rate that leaves the
// processors time.
func overHTTPS(newHandler maker, c cluster) side {
	return func(reviews int) operation {
		server, body := serve(newHandler(c)), newReview(newPod(c.workloads-1))
		send := func(int) error { return server.review(body) }
		return func(r reading) {
			arriving(r, httpsRate, reviews, send)
			atOnce(r, 1, reviews, send)
		}
	}
}

// heap measures what ReplicaSets take, of which ten have a Deployment in common. No two objects that come share a string.
func heap(replicaSets int) operation {
	const each = 10
	lists := ownerLists{"replicasets": func() []metav1.PartialObjectMetadata {
		all := make([]metav1.PartialObjectMetadata, replicaSets)
		for i := range all {
			all[i].ObjectMeta = newReplicaSet(i/each, deployment).ObjectMeta
			all[i].Name = fmt.Sprintf("%s-%010d", workload(i/each), i)
			all[i].UID = types.UID(fmt.Sprintf("%08d-0000-4000-8000-000000000000", i))
		}
		return all
	}}
	return func(r reading) {
		before := sidebyside.LiveHeap()
		owners := newOwners(lists)
		r["heap"] = sidebyside.LiveHeap() - before
		runtime.KeepAlive(owners)
	}
}
