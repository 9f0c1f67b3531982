package history

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/recommender/history/owners"
)

// TestPodsThatAreGoneAreTheirWorkloadsAlone asks whose the pods of eight churned days were, of workloads of every kind
// and of many that begin alike: by their names, and by what kube-state-metrics told.
func TestPodsThatAreGoneAreTheirWorkloadsAlone(t *testing.T) {
	r := Recording{End: end, Workloads: Fleet(500, 1)}
	r.Workloads = append(append(r.Workloads, Store()...), oneOfEach()...)
	r = r.withDefaults()
	links, all, pods := &owners.Links{}, []owners.Workload{}, map[owners.Workload][]string{}
	for _, w := range r.Workloads {
		if w.Env != "prod" {
			continue
		}
		is := owners.Workload{Namespace: w.Namespace, Kind: w.Kind, Name: w.Name}
		all = append(all, is)
		for _, l := range r.lives(&w) {
			pods[is] = append(pods[is], l.pod)
			for _, told := range (&target{recording: &r, workload: &w, life: l}).state() {
				l := told.Map()
				kind := map[string]string{"kube_pod_owner": "Pod", "kube_replicaset_owner": ReplicaSet, "kube_job_owner": Job}[l["__name__"]]
				if kind != "" {
					links.Add(kind, l["namespace"], l["pod"]+l["replicaset"]+l["job_name"], l["owner_kind"], l["owner_name"])
				}
			}
		}
	}
	index := owners.NewIndex(all)
	for i, w := range all {
		require.NotEmpty(t, pods[w])
		for _, pod := range pods[w] {
			require.Equal(t, []int{i}, index.Owners(nil, links, w.Namespace, pod), "%+v has %s", w, pod)
			if strings.HasPrefix(w.Name, "longlong") { // nothing of it is left in its pods' names
				require.Empty(t, index.Owners(nil, nil, w.Namespace, pod))
				require.Contains(t, links.Odd(w), pod)
				continue
			}
			require.Equal(t, []int{i}, index.Owners(nil, nil, w.Namespace, pod), "%+v has %s", w, pod)
			require.Empty(t, links.Odd(w))
		}
	}
}
