package charts

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/lint"
	"sigs.k8s.io/yaml"

	"github.com/sartor-vpa/sartor/pkg/features"
	"github.com/sartor-vpa/sartor/pkg/policy"
)

func TestHelmHasNothingToSayAboutTheCharts(t *testing.T) {
	for _, name := range charts(t) {
		values, err := chartutil.ReadValues([]byte(read(t, chart(name), "examples", examples(t, name)[0])))
		require.NoError(t, err)
		linter := lint.All(chart(name), values, "default", true)
		var messages []string
		for _, message := range linter.Messages {
			// An icon is a picture for catalogues.
			if !strings.Contains(message.Err.Error(), "icon is recommended") {
				messages = append(messages, message.Error())
			}
		}
		require.Empty(t, messages, name)
	}
}

// watched are values with all that there is for Prometheus and Grafana.
const watched = "monitoring: {serviceMonitor: {enabled: true}, prometheusRule: {enabled: true}, dashboards: {enabled: true}}"

// TestAPackagedChartIsWhole is about files that templates read, which a package may leave out.
func TestAPackagedChartIsWhole(t *testing.T) {
	c, err := loader.Load(chart("sartor"))
	require.NoError(t, err)
	packed, err := chartutil.Save(c, t.TempDir())
	require.NoError(t, err)
	unpacked := sartor(watched)
	unpacked.chart = packed
	require.Equal(t, sartor(watched).manifests(t), unpacked.manifests(t))
}

// TestTheSchemaKnowsEveryValue also says the reverse: it knows none that values.yaml does not explain.
func TestTheSchemaKnowsEveryValue(t *testing.T) {
	for _, name := range charts(t) {
		var values, schema map[string]any
		require.NoError(t, yaml.Unmarshal([]byte(read(t, chart(name), "values.yaml")), &values))
		require.NoError(t, json.Unmarshal([]byte(read(t, chart(name), "values.schema.json")), &schema))
		requireKnown(t, name, values, schema)
	}
}

func requireKnown(t *testing.T, path string, values, schema map[string]any) {
	t.Helper()
	known, ok := schema["properties"].(map[string]any)
	if !ok {
		return // a table of any names, such as labels
	}
	for name, value := range values {
		property, ok := known[name].(map[string]any)
		require.True(t, ok, "%s.%s is in values.yaml and not in values.schema.json", path, name)
		if inner, ok := value.(map[string]any); ok && len(inner) > 0 {
			requireKnown(t, path+"."+name, inner, property)
		}
	}
	for name := range known {
		// Helm gives every chart a table of this name.
		if _, ok := values[name]; !ok && name != "global" && len(values) > 0 && schema["additionalProperties"] == false {
			require.Contains(t, optional, name, "%s.%s is in values.schema.json and not in values.yaml", path, name)
		}
	}
}

// optional are values that values.yaml leaves out, because they have no default that says anything.
var optional = []string{"claims", "blueGreen"}

// TestValuesThatCannotBeAreNamed has what is wrong, with the field, the value and what to do about it.
func TestValuesThatCannotBeAreNamed(t *testing.T) {
	cases := map[string][]string{
		// The schema's.
		"replica: 2":                                     {"additional properties 'replica' not allowed"},
		"admission: {replicas: two}":                     {"at '/admission/replicas'", "got string, want integer"},
		"admission: {replicas: -1}":                      {"at '/admission/replicas'", "minimum: got -1, want 0"},
		"webhook: {failurePolicy: Deny}":                 {"at '/webhook/failurePolicy'", "must be one of 'Ignore', 'Fail'"},
		"webhook: {timeoutSeconds: 31}":                  {"at '/webhook/timeoutSeconds'", "maximum: got 31, want 30"},
		"recommender: {image: {digest: latest}}":         {"at '/recommender/image/digest'", "'latest' does not match pattern", "sha256:"},
		"prometheus: {address: prometheus:9090}":         {"at '/prometheus/address'", "'prometheus:9090' does not match pattern", "https?://"},
		"prometheus: {matchers: ['cluster eu']}":         {"at '/prometheus/matchers/0'", "'cluster eu' does not match pattern"},
		"featureGates: {InPlace: yes please}":            {"at '/featureGates/InPlace'", "got string, want boolean"},
		"limitPolicy: {cpu: {mode: double}}":             {"at '/limitPolicy/cpu/mode'", "must be one of 'multiple', 'proportional', 'none'"},
		"recommender: {extraArgs: [v=1]}":                {"at '/recommender/extraArgs/0'", "'v=1' does not match pattern"},
		"recommender: {resources: {limits: {cpu: two}}}": {"at '/recommender/resources/limits/cpu'", "'two' does not match pattern"},
		"name: Sartor":                                   {"at '/name'", "'Sartor' does not match pattern"},
		"serviceMonitor: {enabled: true}":                {"additional properties 'serviceMonitor' not allowed"},
		// No port would be every port.
		"networkPolicy: {apiServer: {ports: []}}":            {"at '/networkPolicy/apiServer/ports'", "minItems: got 0, want 1"},
		"networkPolicy: {egress: {prometheus: {ports: []}}}": {"at '/networkPolicy/egress/prometheus/ports'", "minItems: got 0, want 1"},
		// What must be together, and what must not.
		"prometheus: {address: http://p, envLabel: env}":               {`prometheus.envLabel is "env"`, "prometheus.environment is empty", "set it to this cluster's value"},
		"prometheus: {address: http://p, environment: prod}":           {`prometheus.environment is "prod"`, "prometheus.envLabel is empty", "such as env"},
		"prometheus: {envLabel: env, environment: prod}":               {"prometheus.address is empty", "such as http://prometheus.monitoring.svc:9090"},
		"prometheus: {address: 'http://u:s3cret@p'}":                   {"prometheus.address has a user before its host", "prometheus.httpConfigSecret"},
		"recommender: {extraArgs: [--password=s3cret]}":                {"recommender.extraArgs has --password,", "prometheus.httpConfigSecret"},
		"recommender: {extraArgs: [--prometheus-bearer-token=s3cret]}": {"recommender.extraArgs has --prometheus-bearer-token,"},
		"recommender: {shards: 2}":                                     {"recommender.shards is 2 and recommender.replicas is 1", "set recommender.replicas to 2 or more"},
		"admission: {replicas: 1}":                                     {"admission.podDisruptionBudget.minAvailable is 1 and admission.replicas is 1", "no node drained", "admission.podDisruptionBudget.enabled to false"},
		"admission: {priorityClass: {name: platform}}":                 {`admission.priorityClass.name is "platform"`, "set create to false"},
	}
	for values, parts := range cases {
		refusal := sartor(values).refusal(t)
		for _, part := range parts {
			require.Contains(t, refusal, part, values)
		}
		require.NotContains(t, refusal, "s3cret", values)
	}
}

// TestWhatTheChartPassesOnTheProgramsUnderstand holds the schema to the programs' own words.
func TestWhatTheChartPassesOnTheProgramsUnderstand(t *testing.T) {
	objects := decode(t, sartor(read(t, chart("sartor"), "examples", "everything.yaml")).manifests(t))
	limits, ok := find(t, objects, "ConfigMap", "sartor-limit-policy").in("data", "limits.yaml").(string)
	require.True(t, ok)
	parsed, err := policy.ParseLimitPolicy([]byte(limits))
	require.NoError(t, err)
	require.True(t, parsed.MaxAllowedBoundsLimit)
	require.Equal(t, "8", parsed.CPU.Max.String())

	args := find(t, objects, "Deployment", "sartor-recommender").args()
	i := slices.IndexFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "--feature-gates=") })
	require.GreaterOrEqual(t, i, 0)
	gates := features.Gates{}
	require.NoError(t, gates.Set(strings.TrimPrefix(args[i], "--feature-gates=")))

	// Flags are documented, which a test of theirs holds to be true.
	documented := read(t, deploy, "..", "docs", "flags.md")
	for _, o := range objects {
		for _, arg := range o.args() {
			require.Contains(t, documented, "| `"+strings.SplitN(arg, "=", 2)[0]+"` |", o.id())
		}
	}
}

// TestTwoInstallationsShareNothing is about one that has another name and another namespace.
func TestTwoInstallationsShareNothing(t *testing.T) {
	second := sartor("name: second\ncrds: {install: false}\nupdaterLease: {enabled: false}\nwebhook: {configurationName: second}", watched)
	second.name, second.namespace = "second", "second-system"
	objects := decode(t, second.manifests(t))
	first := ids(decode(t, sartor(watched).manifests(t)))
	for _, o := range objects {
		require.NotContains(t, first, o.id())
		require.NotRegexp(t, "sartor-(recommender|admission|system|limit)", o.yaml(t), "a name of the first's in %s", o.id())
	}
	require.Subset(t, find(t, objects, "Deployment", "second-admission").args(),
		[]string{"--webhook-service=second-admission", "--ca-secret=second-admission-ca", "--webhook-configuration=second"})
	require.Contains(t, find(t, objects, "Deployment", "second-recommender").args(), "--leader-elect-resource-name=second-recommender-lease")
}

func charts(t *testing.T) []string {
	t.Helper()
	return names(t, filepath.Join(deploy, "charts", "*"))
}

// examples are files of values that come with a chart.
func examples(t *testing.T, name string) []string {
	t.Helper()
	return names(t, filepath.Join(chart(name), "examples", "*.yaml"))
}

func names(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, paths, pattern)
	for i := range paths {
		paths[i] = filepath.Base(paths[i])
	}
	return paths
}
