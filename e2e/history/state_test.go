package history

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// oneOfEach is a workload of each kind, in two environments. One has a name so long that its pods' are cut.
func oneOfEach() []Workload {
	var out []Workload
	for _, kind := range kinds {
		w := simple()
		w.Kind, w.Name = kind, strings.ToLower(kind)
		switch kind {
		case Job:
			w.Rollout = 0
		case CronJob:
			w.Lasting = 20 * time.Hour
		case StatefulSet:
			w.Restarts = 7 * time.Hour
		}
		out = append(out, w.In("prod", 1), w.In("dev", 1))
	}
	w := simple()
	w.Name = strings.Repeat("long", 15)
	return append(out, w)
}

// TestKubeStateMetricsLeadFromEachPodToItsWorkload climbs the owners as a reader does.
func TestKubeStateMetricsLeadFromEachPodToItsWorkload(t *testing.T) {
	r := Recording{End: end, Span: 40 * time.Hour, Interval: 2 * time.Minute, Workloads: oneOfEach(), KubeStateMetrics: true}
	require.NoError(t, r.Validate())
	dir := t.TempDir()
	_, err := r.Write(t.Context(), dir)
	require.NoError(t, err)
	type object struct{ env, kind, name string }
	owner, app := map[object]object{}, map[object]string{}
	scrapes, told := map[object]int{}, map[object]int{}
	series, _ := readBlocks(t, dir)
	for name, points := range series {
		l := parseLabels(t, name)
		require.Equal(t, "store", l["namespace"])
		pod := object{l["env"], "Pod", l["pod"]}
		above := object{l["env"], l["owner_kind"], l["owner_name"]}
		switch l["__name__"] {
		case "kube_pod_owner":
			owner[pod] = above
			told[pod] += len(points)
			require.Equal(t, "true", l["owner_is_controller"])
		case "kube_pod_labels":
			app[pod] = l["label_app"]
		case "kube_replicaset_owner":
			owner[object{l["env"], ReplicaSet, l["replicaset"]}] = above
		case "kube_job_owner":
			owner[object{l["env"], Job, l["job_name"]}] = above
		case cpuMetric:
			if l["container"] == "shop" {
				scrapes[pod] += len(points)
			}
			continue
		default:
			continue
		}
		for i, p := range points {
			require.EqualValues(t, 1, p.v)
			require.True(t, i == 0 || p.ms-points[i-1].ms == r.Interval.Milliseconds(), name)
		}
	}
	pods := 0
	for _, w := range r.Workloads {
		for pod := range podNames(r, w) {
			pods++
			top := object{w.Env, "Pod", pod}
			require.Equal(t, w.Name, app[top])
			require.InDelta(t, scrapes[top], told[top], 2*3, "%v: told of as long as it ran; a day has an end more", top)
			for owner[top] != (object{}) && owner[top].kind != "" {
				top = owner[top]
			}
			require.Equal(t, object{w.Env, w.Kind, w.Name}, top)
		}
	}
	require.Len(t, scrapes, pods)
	require.Len(t, told, pods)
}

func TestWithoutKubeStateMetricsNothingIsToldOfOwners(t *testing.T) {
	dir := t.TempDir()
	_, err := Recording{End: end, Span: time.Hour, Workloads: oneOfEach()}.Write(t.Context(), dir)
	require.NoError(t, err)
	series, _ := readBlocks(t, dir)
	require.NotEmpty(t, series)
	for name := range series {
		require.NotContains(t, name, "kube_")
	}
}
