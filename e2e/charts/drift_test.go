package charts

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// TestTheChartIsWhatKustomizeBuilds holds the chart to the manifests of deploy/, object by object, for each way to
// install that both know. What they may differ in is in chartForm and kustomizeForm, and nowhere else.
func TestTheChartIsWhatKustomizeBuilds(t *testing.T) {
	cases := map[string]struct {
		components []string
		values     string
	}{
		"defaults":     {nil, ""},
		"cert-manager": {[]string{"components/cert-manager"}, "webhook: {certManager: {enabled: true}}"},
		"limit policy": {[]string{"components/limit-policy"}, "limitPolicy:\n" + indented(read(t, deploy, "components/limit-policy/limits.yaml"))},
		"monitoring": {[]string{"monitoring/operator", "monitoring/dashboards"},
			"monitoring: {serviceMonitor: {enabled: true}, prometheusRule: {enabled: true}, dashboards: {enabled: true}}"},
		"network policy": {[]string{"components/network-policy"}, "networkPolicy: {egress: {enabled: true}}"},
		"both": {[]string{"components/cert-manager", "components/limit-policy"},
			"webhook: {certManager: {enabled: true}}\nlimitPolicy:\n" + indented(read(t, deploy, "components/limit-policy/limits.yaml"))},
	}
	for _, overlay := range overlays(t) {
		c := cases[overlay]
		c.components, c.values = []string{"overlays/" + overlay}, read(t, chart("sartor"), "examples", overlay+".yaml")
		cases[overlay] = c
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			want, got := kustomizeForm(t, kustomize(t, c.components...)), chartForm(t, sartor(c.values).manifests(t))
			require.Equal(t, ids(want), ids(got), "kustomize's objects, and the chart's")
			for i, o := range want {
				requireLabels(t, o, got[i])
				require.Equal(t, o.yaml(t), got[i].yaml(t), "%s of deploy/, and of the chart", o.id())
			}
		})
	}
}

// TestTheSecretForPrometheusIsMountedAlike is apart, because the chart wants to know the address of who is convinced by it.
func TestTheSecretForPrometheusIsMountedAlike(t *testing.T) {
	kustomized := kustomizeForm(t, kustomize(t, "components/prometheus-http-config"))
	charted := chartForm(t, sartor("prometheus: {address: http://p, httpConfigSecret: {name: sartor-prometheus-http}}").manifests(t))
	want, got := find(t, kustomized, "Deployment", "sartor-recommender"), find(t, charted, "Deployment", "sartor-recommender")
	requireLabels(t, want, got)
	require.Equal(t, want.yaml(t), got.yaml(t))
	require.Contains(t, got.args(), "--prometheus-http-config=/etc/sartor-prometheus/http.yaml")
}

// chartForm is what a chart rendered, without what only Helm needs.
func chartForm(t *testing.T, manifests string) []object {
	t.Helper()
	objects := decode(t, manifests)
	for _, o := range objects {
		if o.kind() == "CustomResourceDefinition" {
			require.Equal(t, "keep", o.in("metadata", "annotations", "helm.sh/resource-policy"), "uninstalling would delete every VPA")
			delete(o.table("metadata", "annotations"), "helm.sh/resource-policy")
		}
		// A change of configuration restarts pods. Kustomize's ConfigMaps have another name then.
		annotations := o.table("spec", "template", "metadata", "annotations")
		for _, name := range []string{"checksum/prometheus", "checksum/limit-policy"} {
			delete(annotations, name)
		}
		if len(annotations) == 0 {
			delete(o.table("spec", "template", "metadata"), "annotations")
		}
	}
	return common(t, objects)
}

// kustomizeForm is what kustomize built, without what Helm has another way for.
func kustomizeForm(t *testing.T, manifests string) []object {
	t.Helper()
	for _, o := range decode(t, manifests) {
		if hashed := hashedName.FindStringSubmatch(o.name()); o.kind() == "ConfigMap" && hashed != nil {
			manifests = strings.ReplaceAll(manifests, hashed[0], hashed[1])
		}
	}
	// Helm makes a release's namespace itself.
	return common(t, slices.DeleteFunc(decode(t, manifests), func(o object) bool { return o.kind() == "Namespace" }))
}

var hashedName = regexp.MustCompile(`^(sartor-.*)-[0-9a-z]{10}$`)

// common is what has no order sorted, and a file's text without what says nothing.
func common(t *testing.T, objects []object) []object {
	t.Helper()
	slices.SortFunc(objects, func(a, b object) int { return strings.Compare(a.id(), b.id()) })
	for _, o := range objects {
		if args := o.container().list("args"); args != nil {
			slices.SortFunc(args, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
		}
		sortByName(o.list("spec", "template", "spec", "volumes"))
		sortByName(o.container().list("volumeMounts"))
		if text, ok := o.in("data", "limits.yaml").(string); ok {
			var limits any
			require.NoError(t, yaml.Unmarshal([]byte(text), &limits))
			o.table("data")["limits.yaml"] = limits
		}
		for name, text := range o.table("data") {
			if strings.HasSuffix(name, ".json") {
				// What is last in a manifest ends without a newline.
				o.table("data")[name] = strings.TrimSpace(text.(string))
			}
		}
	}
	return objects
}

func sortByName(list []any) {
	slices.SortFunc(list, func(a, b any) int {
		return strings.Compare(fmt.Sprint(object(a.(map[string]any)).in("name")), fmt.Sprint(object(b.(map[string]any)).in("name")))
	})
}

// requireLabels lets the chart's object have labels beside those of deploy/'s, and drops both.
func requireLabels(t *testing.T, want, got object) {
	t.Helper()
	for name, value := range want.table("metadata", "labels") {
		require.Equal(t, value, got.in("metadata", "labels", name), "label %s of %s", name, want.id())
	}
	for _, o := range []object{want, got} {
		delete(o.table("metadata"), "labels")
	}
}

func indented(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }
