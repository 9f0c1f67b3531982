package charts

import (
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	klabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/prometheus-adapter/pkg/client"
	"sigs.k8s.io/prometheus-adapter/pkg/config"
	"sigs.k8s.io/prometheus-adapter/pkg/naming"
	"sigs.k8s.io/yaml"
)

// rule is the adapter's own reading of the rule that comes with the chart for services.
func rule(t *testing.T) naming.MetricNamer {
	t.Helper()
	var values struct {
		Rules struct {
			Custom []any `json:"custom"`
		} `json:"rules"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(read(t, chart("service"), "prometheus-adapter", "values.yaml")), &values))
	// The adapter's chart puts them there.
	text, err := yaml.Marshal(map[string]any{"rules": values.Rules.Custom})
	require.NoError(t, err)
	parsed, err := config.FromYAML(text)
	require.NoError(t, err)
	mapper := apimeta.NewDefaultRESTMapper(nil)
	for _, kind := range []string{"Namespace", "Pod"} {
		mapper.Add(schema.GroupVersionKind{Version: "v1", Kind: kind}, apimeta.RESTScopeNamespace)
	}
	namers, err := naming.NamersFromConfig(parsed.Rules, mapper)
	require.NoError(t, err)
	require.Len(t, namers, 1)
	return namers[0]
}

// TestTheAdaptersRuleGivesWhatTheHPAAsksFor lets the adapter's own code make the metric's name and the query of it.
func TestTheAdaptersRuleGivesWhatTheHPAAsksFor(t *testing.T) {
	namer := rule(t)
	series := client.Series{Name: "istio_requests_total", Labels: model.LabelSet{"namespace": "store", "pod": "shop-1"}}
	name, err := namer.MetricNameForSeries(series)
	require.NoError(t, err)
	hpa := find(t, decode(t, example(t, "hpa.yaml").manifests(t)), "HorizontalPodAutoscaler", "shop")
	metric := object(hpa.list("spec", "metrics")[0].(map[string]any))
	require.Equal(t, name, metric.in("pods", "metric", "name"))

	resources, namespaced := namer.ResourcesForSeries(series)
	require.True(t, namespaced)
	require.ElementsMatch(t, []schema.GroupResource{{Resource: "namespaces"}, {Resource: "pods"}}, resources)

	query, err := namer.QueryForSeries(series.Name, schema.GroupResource{Resource: "pods"}, "store", klabels.Everything(), "shop-1", "shop-2")
	require.NoError(t, err)
	require.Equal(t, `sum(rate(istio_requests_total{namespace="store",pod=~"shop-1|shop-2",env="prod",reporter="destination"}[2m])) by (pod)`, string(query))
}

// TestNoQueryOfTheRuleLeavesTheEnvironment is about a Prometheus that several environments share, and about requests that
// count once: each is reported by its source and by its destination.
func TestNoQueryOfTheRuleLeavesTheEnvironment(t *testing.T) {
	namer := rule(t)
	query, err := namer.QueryForSeries("istio_requests_total", schema.GroupResource{Resource: "pods"}, "store", klabels.Everything(), "shop-1")
	require.NoError(t, err)
	for _, text := range []string{string(namer.Selector()), string(query)} {
		expression, err := parser.NewParser(parser.Options{}).ParseExpr(text)
		require.NoError(t, err)
		selectors := parser.ExtractSelectors(expression)
		require.NotEmpty(t, selectors)
		for _, selector := range selectors {
			require.True(t, matches(selector, "env", "prod"), text)
			require.True(t, matches(selector, "reporter", "destination"), text)
		}
	}
}

func matches(selector []*labels.Matcher, name, value string) bool {
	for _, m := range selector {
		if m.Name == name && m.Type == labels.MatchEqual && m.Value == value {
			return true
		}
	}
	return false
}
