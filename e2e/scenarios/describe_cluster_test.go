package scenarios

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	vpaclient "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/client/clientset/versioned"
	"sigs.k8s.io/yaml"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/install"
)

var update = flag.Bool("update", false, "write golden files anew; read the diff before committing it")

// impossible are golden files of VPAs that the CRD does not let in.
var impossible = []string{"TestATargetRefThatMakesNoSenseIsToldAndTouchesNothingElse"}

// wanted is what the loop's test gave the VPA beside its targetRef, by golden file or by file and VPA.
var wanted = map[string]func(*vpav1.VerticalPodAutoscaler){
	"TestMaxAllowedIsToldWhereItBinds":               bounded(list("500m", "512Mi"), list("300m", "4Gi")),
	"TestWithoutHistoryLiveMetricsCountFromTheFirst": bounded(list("100m", "512Mi"), list("4", "4Gi")),
	"TestACandidateHasItsPrimarysValues":             bounded(list("100m", "512Mi"), list("400m", "4Gi")),
	"TestAnnotationsSayWhoInherits canary":           annotated("sartor.dev/inherit-from", "shop", "sartor.dev/inherit-containers", "web=shop"),
	"TestAnnotationsSayWhoInherits greedy":           annotated("sartor.dev/inherit-from", "shop", "sartor.dev/inherit-containers", "web=shop", "sartor.dev/inherit-mode", "max"),
	"TestAnnotationsSayWhoInherits wrong":            annotated("sartor.dev/inherit-from", "Not A Name"),
}

func bounded(lowest, highest corev1.ResourceList) func(*vpav1.VerticalPodAutoscaler) {
	return func(v *vpav1.VerticalPodAutoscaler) {
		v.Spec.ResourcePolicy = &vpav1.PodResourcePolicy{ContainerPolicies: []vpav1.ContainerResourcePolicy{{ContainerName: "*", MinAllowed: lowest, MaxAllowed: highest}}}
	}
}

func annotated(pairs ...string) func(*vpav1.VerticalPodAutoscaler) {
	return func(v *vpav1.VerticalPodAutoscaler) {
		v.Annotations = map[string]string{}
		for pair := range slices.Chunk(pairs, 2) {
			v.Annotations[pair[0]] = pair[1]
		}
	}
}

// TestWhatKubectlTellsOfEachDecisionReadsLikeADocument shows every status that the loop's own tests write, as users
// see it.
func TestWhatKubectlTellsOfEachDecisionReadsLikeADocument(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	root, err := install.Root()
	require.NoError(t, err)
	c := start(t, cluster.Options{Name: "describe"})
	for _, args := range [][]string{
		{"apply", "-f", filepath.Join(root, "deploy", "crds")},
		{"wait", "--for=condition=Established", "--timeout=30s", "crd/verticalpodautoscalers.autoscaling.k8s.io"},
		{"create", "namespace", "store"},
	} {
		_, err := c.Kubectl(t.Context(), "", args...)
		require.NoError(t, err)
	}
	files, err := filepath.Glob(filepath.Join(root, "recommender", "loop", "testdata", "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var table strings.Builder
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		if slices.Contains(impossible, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			create(t, c, file)
			described, err := c.Kubectl(t.Context(), "", "-n", "store", "describe", "vpa")
			require.NoError(t, err)
			goldenText(t, name, timeless(described))
			listed, err := c.Kubectl(t.Context(), "", "-n", "store", "get", "vpa")
			require.NoError(t, err)
			table.WriteString("# " + name + "\n" + age.ReplaceAllString(listed, " AGE") + "\n")
			_, err = c.Kubectl(t.Context(), "", "-n", "store", "delete", "vpa", "--all")
			require.NoError(t, err)
		})
	}
	goldenText(t, "get", table.String())
}

// create makes the VPAs of a golden file of the loop's, with the statuses that are in it.
func create(t *testing.T, c *cluster.Cluster, file string) {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var statuses map[string]vpav1.VerticalPodAutoscalerStatus
	require.NoError(t, yaml.UnmarshalStrict(text, &statuses))
	clients, err := vpaclient.NewForConfig(c.RESTConfig())
	require.NoError(t, err)
	vpas := clients.AutoscalingV1().VerticalPodAutoscalers("store")
	for name, status := range statuses {
		v := &vpav1.VerticalPodAutoscaler{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec:       vpav1.VerticalPodAutoscalerSpec{TargetRef: &autoscalingv1.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: name}},
		}
		golden := strings.TrimSuffix(filepath.Base(file), ".yaml")
		for _, key := range []string{golden, golden + " " + name} {
			if change := wanted[key]; change != nil {
				change(v)
			}
		}
		v, err = vpas.Create(t.Context(), v, metav1.CreateOptions{})
		require.NoError(t, err)
		v.Status = status
		_, err = vpas.UpdateStatus(t.Context(), v, metav1.UpdateOptions{})
		require.NoError(t, err)
	}
}

// changing is what differs from run to run.
var changing = []struct {
	text *regexp.Regexp
	is   string
}{
	{regexp.MustCompile(`(Creation Timestamp:  ).*`), "${1}CREATED"},
	{regexp.MustCompile(`(Resource Version:    ).*`), "${1}VERSION"},
	{regexp.MustCompile(`(UID:                 ).*`), "${1}UID"},
}

// age is the last column of a table.
var age = regexp.MustCompile(`(?m) (\d+[hms])+$`)

func timeless(text string) string {
	for _, c := range changing {
		text = c.text.ReplaceAllString(text, c.is)
	}
	return text
}

// goldenText compares what kubectl printed with a file.
func goldenText(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "describe", name+".txt")
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "run go test -update, then read what it wrote")
	require.Equal(t, string(want), got)
}
