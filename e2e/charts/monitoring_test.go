package charts

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAlertsAndDashboardsAreAboutTheReleasesOwnJobs is about an installation of another name: the ServiceMonitor calls jobs
// by the Deployments.
func TestAlertsAndDashboardsAreAboutTheReleasesOwnJobs(t *testing.T) {
	job := regexp.MustCompile(`job=~?\\*"([^"\\]+)`)
	jobs := func(text string) map[string]bool {
		found := map[string]bool{}
		for _, m := range job.FindAllStringSubmatch(text, -1) {
			found[m[1]] = true
		}
		return found
	}
	for name, want := range map[string]map[string]bool{
		"sartor": {"sartor-recommender": true, "sartor-admission": true, "sartor-recommender|sartor-admission": true},
		"vpa":    {"vpa-recommender": true, "vpa-admission": true, "vpa-recommender|vpa-admission": true},
	} {
		objects := decode(t, sartor("name: "+name, watched).manifests(t))
		found := jobs(find(t, objects, "PrometheusRule", name).yaml(t))
		for job := range jobs(find(t, objects, "ConfigMap", name+"-dashboards").yaml(t)) {
			found[job] = true
		}
		require.Equal(t, want, found)
		require.Contains(t, find(t, objects, "PrometheusRule", name).yaml(t), "https://github.com/sartor-vpa/sartor/blob/main/docs/runbooks/")
	}
}

// TestDashboardsGoWhereGrafanaLooks: its sidecar looks in one namespace, unless it is told to look in all.
func TestDashboardsGoWhereGrafanaLooks(t *testing.T) {
	dashboards := func(values string) object {
		return find(t, decode(t, sartor(watched, values).manifests(t)), "ConfigMap", "sartor-dashboards")
	}
	require.Equal(t, "sartor-system", dashboards("").in("metadata", "namespace"))
	other := dashboards("monitoring: {dashboards: {namespace: grafana, labels: {grafana_dashboard: null, dashboards: ours}}}")
	require.Equal(t, "grafana", other.in("metadata", "namespace"))
	require.Equal(t, "ours", other.in("metadata", "labels", "dashboards"))
	require.NotContains(t, other.table("metadata", "labels"), "grafana_dashboard")
	require.Len(t, other.table("data"), 2)
}

// TestThePrometheusThatSelectsByLabelFindsAll is about kube-prometheus-stack, whose Prometheus wants the label release.
func TestThePrometheusThatSelectsByLabelFindsAll(t *testing.T) {
	objects := decode(t, sartor(read(t, chart("sartor"), "examples", "everything.yaml")).manifests(t))
	for _, kind := range []string{"ServiceMonitor", "PrometheusRule"} {
		require.Equal(t, "prometheus", find(t, objects, kind, "sartor").in("metadata", "labels", "release"), kind)
	}
}

func TestNothingForPrometheusIsMadeUnasked(t *testing.T) {
	for _, o := range decode(t, sartor().manifests(t)) {
		require.NotContains(t, []string{"ServiceMonitor", "PrometheusRule"}, o.kind())
		require.NotContains(t, o.name(), "dashboards")
	}
}
