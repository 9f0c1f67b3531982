package validation

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"sigs.k8s.io/yaml"

	"github.com/sartor-vpa/sartor/pkg/features"
)

var update = flag.Bool("update", false, "write golden files anew; read the diff before committing it")

const target = "targetRef: {apiVersion: apps/v1, kind: Deployment, name: shop}\n"

// one is a VPA called shop: metadata beside its name, spec beside its targetRef.
func one(t testing.TB, metadata, spec string) *vpav1.VerticalPodAutoscaler {
	t.Helper()
	if !strings.Contains(spec, "targetRef") {
		spec = target + spec
	}
	var vpa vpav1.VerticalPodAutoscaler
	require.NoError(t, yaml.UnmarshalStrict([]byte(metadata), &vpa.ObjectMeta))
	require.NoError(t, yaml.UnmarshalStrict([]byte(spec), &vpa.Spec))
	vpa.Namespace, vpa.Name = "store", "shop"
	return &vpa
}

// containerPolicy is a spec with one policy of the container app.
func containerPolicy(text string) string {
	return "resourcePolicy:\n  containerPolicies:\n  - containerName: app\n    " + strings.ReplaceAll(text, "\n", "\n    ") + "\n"
}

func gates(t testing.TB, text string) features.Gates {
	var g features.Gates
	require.NoError(t, g.Set(text))
	return g
}

// messages are the VPAs whose messages are kept in testdata/messages.txt.
var messages = []struct{ title, metadata, spec, gates string }{
	{"nothing is wrong", "annotations: {sartor.dev/cpu-limit: 'multiple=2,round=1,max=8'}",
		"updatePolicy: {updateMode: Initial, minReplicas: 1}\n" + containerPolicy("minAllowed: {cpu: 100m, memory: 512Mi}\nmaxAllowed: {cpu: 4, memory: 8Gi}"), ""},
	{"no target", "", "targetRef: null", ""},
	{"half a target", "", "targetRef: {apiVersion: a/b/c, kind: '', name: ''}", ""},
	{"an unknown mode", "", "updatePolicy: {updateMode: Sometimes}", ""},
	{"a deprecated mode", "", "updatePolicy: {updateMode: Auto}", ""},
	{"no mode", "", "updatePolicy: {minReplicas: 0}", ""},
	{"a mode behind a gate", "", "updatePolicy: {updateMode: InPlace}", ""},
	{"the same, with the gate open", "", "updatePolicy: {updateMode: InPlace}", "InPlace=true"},
	{"evictions of nothing", "", "updatePolicy: {updateMode: Recreate, evictionRequirements: [{resources: [], changeRequirement: TargetHigherThanRequests}]}", ""},
	{"two recommenders", "", "recommenders: [{name: default}, {name: other}]", ""},
	{"a recommender without a name", "", "recommenders: [{name: ''}]", ""},
	{"more least than most", "", containerPolicy("minAllowed: {cpu: 2, memory: 2Gi}\nmaxAllowed: {cpu: 1, memory: 1Gi}"), ""},
	{"amounts that nobody means", "", containerPolicy("minAllowed: {cpu: '-1', memory: 1e30}\nmaxAllowed: {cpu: 3e3, memory: '512'}"), ""},
	{"amounts beyond counting", "", containerPolicy("minAllowed: {cpu: 1e999}\nmaxAllowed: {memory: 1e-999}"), ""},
	{"nothing as the most", "", containerPolicy("maxAllowed: {cpu: 0, memory: 0}"), ""},
	{"amounts finer than their unit", "", containerPolicy("minAllowed: {cpu: 100500u}\nmaxAllowed: {memory: 1073741824500m}"), ""},
	{"other resources", "", containerPolicy("minAllowed: {ephemeral-storage: 1Gi, nvidia.com/gpu: '-1'}\ncontrolledResources: [cpu, ephemeral-storage]"), ""},
	{"policies without, of no, and of the same container", "", "resourcePolicy: {containerPolicies: [{mode: 'Off'}, {containerName: Shop App}, {containerName: app}, {containerName: '*'}, {containerName: app, mode: 'Off'}]}", ""},
	{"unknown values of a policy", "", containerPolicy("mode: Manual\ncontrolledValues: LimitsOnly"), ""},
	{"limits of what is off", "", containerPolicy("mode: 'Off'\ncontrolledValues: RequestsAndLimits"), ""},
	{"what is behind the gate PerVPAConfig", "", "updatePolicy: {updateMode: Recreate, evictAfterOOMSeconds: 60}\n" +
		containerPolicy("oomBumpUpRatio: 2\noomMinBumpUp: 1Mi\nmemoryAggregationIntervalSeconds: 60\nmemoryAggregationIntervalCount: 8"), ""},
	{"the same with the gate open, out of range", "", "updatePolicy: {updateMode: Recreate, evictAfterOOMSeconds: 0}\n" +
		containerPolicy("oomBumpUpRatio: 500m\noomMinBumpUp: '-1'\nmemoryAggregationIntervalSeconds: 0\nmemoryAggregationIntervalCount: 0"), "PerVPAConfig=true"},
	{"the same, far out of range", "", "updatePolicy: {updateMode: Recreate, evictAfterOOMSeconds: 2147483647}\n" +
		containerPolicy("oomBumpUpRatio: 1e12\noomMinBumpUp: 1E\nmemoryAggregationIntervalSeconds: 2147483647\nmemoryAggregationIntervalCount: 9223372036854775807"), "PerVPAConfig=true"},
	{"what is behind the gate CPUStartupBoost", "", "startupBoost: {cpu: {type: Factor, factor: 2}}\n" + containerPolicy("startupBoost: {cpu: {type: Quantity, quantity: 2}}"), ""},
	{"the same with the gate open, out of range", "", "startupBoost: {cpu: {type: Factor, factor: 0}}\n" + containerPolicy("startupBoost: {cpu: {type: Quantity, quantity: '-2', durationSeconds: -1}}"), "CPUStartupBoost=true"},
	{"the same, far out of range", "", "startupBoost: {cpu: {type: Factor, factor: 100000, durationSeconds: 1000000}}\n" + containerPolicy("startupBoost: {cpu: {type: Quantity, quantity: 500k}}"), "CPUStartupBoost=true"},
	{"the same, half said", "", "startupBoost: {cpu: {type: ''}}\nresourcePolicy: {containerPolicies: [{containerName: a, startupBoost: {cpu: {type: Factor}}}, " +
		"{containerName: b, startupBoost: {cpu: {type: Quantity}}}, {containerName: c, startupBoost: {cpu: {type: Twice}}}, {containerName: d, startupBoost: {}}]}", "CPUStartupBoost=true"},
	{"limits and floors that make no sense", "annotations: {sartor.dev/cpu-limit: 'multiple=0', sartor.dev/memory-limit: half, sartor.dev/floor: 'yes'}", "", ""},
	{"inheritance that makes no sense", "annotations: {sartor.dev/inherit-mode: both, sartor.dev/inherit: maybe, sartor.dev/inherit-containers: 'a=b,c'}", "", ""},
	{"an heir of itself", "annotations: {sartor.dev/inherit-from: shop}", "", ""},
	{"an annotation that there is not", "annotations: {sartor.dev/inherits-from: shop, example.com/cpu-limit: anything}", "", ""},
}

func TestMessagesNameFieldValueAndRemedy(t *testing.T) {
	var out strings.Builder
	for _, m := range messages {
		fmt.Fprintf(&out, "### %s\n", m.title)
		for _, part := range []struct{ key, text string }{{"gates", m.gates}, {"metadata", m.metadata}} {
			if part.text != "" {
				fmt.Fprintf(&out, "%s: %s\n", part.key, part.text)
			}
		}
		fmt.Fprintf(&out, "%s\n", strings.TrimRight(m.spec, "\n"))
		warnings, errs := Validate(one(t, m.metadata, m.spec), nil, gates(t, m.gates))
		for _, err := range errs {
			fmt.Fprintf(&out, "-> denied: %s\n", err)
		}
		for _, warning := range warnings {
			fmt.Fprintf(&out, "-> warning: %s\n", warning)
		}
		if len(errs)+len(warnings) == 0 {
			out.WriteString("-> allowed\n")
		}
		out.WriteString("\n")
	}
	file := filepath.Join("testdata", "messages.txt")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(out.String()), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "run go test -update, then read what it wrote")
	require.Equal(t, string(want), out.String())
}

func TestWhatWasWrongBeforeIsDeniedOnlyWhereItChanges(t *testing.T) {
	const crossed = "minAllowed: {cpu: 2}\nmaxAllowed: {cpu: 1}"
	for name, tc := range map[string]struct {
		oldMetadata, oldSpec, newMetadata, newSpec string
		denied                                     string // the field, empty if it is allowed
		warns                                      bool
	}{
		"a label on a broken VPA":       {"", containerPolicy(crossed), "labels: {a: b}", containerPolicy(crossed), "", true},
		"one of two things is repaired": {"", "updatePolicy: {updateMode: Sometimes}\n" + containerPolicy(crossed), "", "updatePolicy: {updateMode: 'Off'}\n" + containerPolicy(crossed), "", true},
		"all is repaired":               {"", containerPolicy(crossed), "", containerPolicy("maxAllowed: {cpu: 1}"), "", false},
		"another value, as wrong":       {"", containerPolicy(crossed), "", containerPolicy("minAllowed: {cpu: 3}\nmaxAllowed: {cpu: 1}"), "spec.resourcePolicy.containerPolicies[0].maxAllowed[cpu]", false},
		"something else gets wrong":     {"", containerPolicy(crossed), "", "updatePolicy: {updateMode: Sometimes}\n" + containerPolicy(crossed), "spec.updatePolicy.updateMode", true},
		"broken policies change places": {"", "resourcePolicy: {containerPolicies: [{containerName: a, minAllowed: {cpu: 2}, maxAllowed: {cpu: 1}}, {containerName: b}]}",
			"", "resourcePolicy: {containerPolicies: [{containerName: b}, {containerName: a, minAllowed: {cpu: 2}, maxAllowed: {cpu: 1}}]}", "", true},
		"another container gets the same policy": {"", "resourcePolicy: {containerPolicies: [{containerName: a, minAllowed: {cpu: 2}, maxAllowed: {cpu: 1}}]}",
			"", "resourcePolicy: {containerPolicies: [{containerName: b, minAllowed: {cpu: 2}, maxAllowed: {cpu: 1}}]}", "spec.resourcePolicy.containerPolicies[0].maxAllowed[cpu]", false},
		"a broken annotation stays":          {"annotations: {sartor.dev/floor: x}", "", "annotations: {sartor.dev/floor: x}", "updatePolicy: {updateMode: 'Off'}", "", true},
		"a broken annotation gets worse":     {"annotations: {sartor.dev/floor: x}", "", "annotations: {sartor.dev/floor: y}", "", "metadata.annotations", false},
		"what was gated stays":               {"", "updatePolicy: {updateMode: InPlace}", "labels: {a: b}", "updatePolicy: {updateMode: InPlace}", "", false},
		"what was gated comes":               {"", "updatePolicy: {updateMode: 'Off'}", "", "updatePolicy: {updateMode: InPlace}", "spec.updatePolicy.updateMode", false},
		"a target that was missing is still": {"", "targetRef: null", "labels: {a: b}", "targetRef: null", "", true},
		"the target is taken away":           {"", "", "", "targetRef: null", "spec.targetRef", false},
	} {
		t.Run(name, func(t *testing.T) {
			old, vpa := one(t, tc.oldMetadata, tc.oldSpec), one(t, tc.newMetadata, tc.newSpec)
			warnings, errs := Validate(vpa, old, features.Gates{})
			require.Equal(t, tc.warns, len(warnings) > 0, "%s", warnings)
			if tc.denied == "" {
				require.Empty(t, errs)
				return
			}
			require.Len(t, errs, 1)
			require.Equal(t, tc.denied, errs[0].Field)
		})
	}
}

func TestWhatIsDeletedIsNeverDenied(t *testing.T) {
	vpa := one(t, "", "updatePolicy: {updateMode: Sometimes}")
	vpa.DeletionTimestamp = &metav1.Time{Time: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)}
	for _, old := range []*vpav1.VerticalPodAutoscaler{nil, one(t, "", "")} {
		warnings, errs := Validate(vpa, old, features.Gates{})
		require.Empty(t, errs)
		require.Empty(t, warnings)
	}
}
