package explain

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/resource"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/recommender/loop"
)

var update = flag.Bool("update", false, "write golden files anew; read the diff before committing it")

// golden compares a table with a file, and holds it to its width.
func golden(t *testing.T, name string, e *loop.Explanation) {
	t.Helper()
	var out strings.Builder
	require.NoError(t, Table(&out, e))
	for line := range strings.Lines(out.String()) {
		require.LessOrEqual(t, utf8.RuneCountInString(line), Columns+1, line)
		require.Equal(t, strings.TrimRight(line, " \n"), strings.TrimRight(line, "\n"), "no spaces at the end")
	}
	goldenText(t, name+".txt", out.String())
}

func goldenText(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "run go test -update, then read what it wrote")
	require.Equal(t, string(want), got)
}

// fromLoop is what the loop's own tests explain.
func fromLoop(t *testing.T, name string) *loop.Explanation {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "loop", "testdata", name+".json"))
	require.NoError(t, err)
	e := &loop.Explanation{}
	require.NoError(t, json.Unmarshal(text, e))
	return e
}

func TestWhatTheLoopExplainsIsATable(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "loop", "testdata", "*.json"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 5)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) { golden(t, filepath.Join("loop", name), fromLoop(t, name)) })
	}
}

var noon = time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC)

func q(s string) *resource.Quantity {
	q := resource.MustParse(s)
	return &q
}

// till is a candidate whose words are as long as they get.
func till() *loop.Explanation {
	name := strings.Repeat("till-", 12) + "rc"
	return &loop.Explanation{
		At: noon, Live: true, Namespace: "store", VPA: name, Target: "StatefulSet store/" + name, UpdateMode: "Off", Pods: 3,
		History:     loop.HistoryExplanation{State: "failing", Error: "dial tcp 10.0.0.7:9090: connect: connection refused", Since: noon, CoveredFrom: noon},
		Inheritance: &loop.InheritanceExplanation{Primary: "till", Mode: "max", Containers: "till from till, proxy from proxy", Invalid: `sartor.dev/inherit="all": write primary or max; primary is assumed`},
		HPAs:        "HPA till on cpu and memory, HPA keda-hpa-till on cpu",
		Containers: []loop.ContainerExplanation{{
			Name: name, Source: "the last publication, until history is read or live metrics cover a day", Held: true, FirstSample: noon.Add(-3 * time.Hour), LastSample: noon.Add(-2 * time.Minute),
			Samples: 178, Confidence: 0.1236,
			Resources: []loop.ResourceExplanation{
				{Resource: "cpu", Percentile: 0.95, Margin: 0.2, Basis: "p95 + 20%", Usage: q("1"), Own: q("1200m"), Minimum: *q("12m"), Uncapped: q("900m"), MaxAllowed: q("500m"), Bound: "the cluster's maximum",
					LowerBound: q("500m"), Target: q("500m"), UpperBound: q("500m"), Published: q("900m")},
				{Resource: "memory", Percentile: 0.95, Margin: 0.2, Basis: "p95 of peaks + 20%", Minimum: *q("125Mi"), Missing: "what is inherited or held has no value for it", Published: q("1")},
			},
		}},
		Conditions: []vpav1.VerticalPodAutoscalerCondition{{Type: vpav1.RecommendationProvided, Status: "True", Reason: "RecommendationProvided", Message: "a\x1b[31mred\nline " + strings.Repeat("and another ", 20)}},
	}
}

func TestTablesStayReadableWhateverTheyTell(t *testing.T) {
	golden(t, "held", till())

	golden(t, "nothing", &loop.Explanation{At: noon, Namespace: "store", VPA: "shop", Target: "Deployment store/shop", UpdateMode: "Recreate",
		History: loop.HistoryExplanation{State: "none", Since: noon, CoveredFrom: noon}, Containers: []loop.ContainerExplanation{}})

	refused := till()
	refused.History = loop.HistoryExplanation{State: "reading", Since: noon, CoveredFrom: noon}
	refused.Inheritance = &loop.InheritanceExplanation{Primary: "till", Mode: "primary", Reason: "There is no VPA till to inherit from; its own usage counts."}
	refused.HPAs, refused.Conditions = "", nil
	golden(t, "alone", refused)
}

func TestAgesAreToldInTheLargestUnitThatFits(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "just now", 59 * time.Second: "just now", time.Minute: "1 minute ago", 119 * time.Minute: "119 minutes ago", 2 * time.Hour: "2 hours ago",
		47 * time.Hour: "47 hours ago", 48 * time.Hour: "2 days ago",
	} {
		require.Equal(t, want, ago(noon, noon.Add(-d)))
	}
}

func TestMemoryIsRoundedUpToMiBAndCPUIsAsItIs(t *testing.T) {
	memory, cpu := &loop.ResourceExplanation{Resource: "memory"}, &loop.ResourceExplanation{Resource: "cpu"}
	require.Equal(t, "826Mi", people(memory, q("865936536")))
	require.Equal(t, "4096Mi", people(memory, q("4Gi")))
	require.Equal(t, "1Mi", people(memory, q("1")))
	require.Equal(t, "0Mi", people(memory, q("0")))
	require.Equal(t, "8796093022208Mi", people(memory, q("9223372036854775807")))
	require.Equal(t, "1500m", people(cpu, q("1.5")))
	require.Empty(t, people(cpu, nil))
}
