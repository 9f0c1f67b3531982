package scenarios

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/model"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/cluster/poll"
	"github.com/sartor-vpa/sartor/e2e/history"
	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/story"
)

// recommendations are what a run of the story ended with, by VPA.
type recommendations map[string][]vpav1.RecommendedContainerResources

func TestTheStoryIsTrueAndUpstreamAgrees(t *testing.T) {
	if testing.Short() {
		t.Skip("starts two clusters")
	}
	// The recommender reads whole minutes.
	recording := history.Recording{End: time.Now().Truncate(time.Minute), Workloads: append(history.Store(), traces(t)...)}
	blocks := t.TempDir() + "/tsdb"
	stats, err := recording.Write(t.Context(), blocks)
	require.NoError(t, err)
	t.Logf("recorded %d series, %d samples", stats.Series, stats.Samples)

	// Of these only the past is known, so that there is one right answer, to the byte.
	var past []history.Workload
	for _, w := range recording.Workloads {
		if w.Env == story.Environment && w.Name != story.Stable && w.Name != story.Candidate {
			past = append(past, w)
		}
	}

	first := run(t, recording, blocks, past)
	second := run(t, recording, blocks, past, crash, replays)
	t.Run("a second identical cluster gives the same answer", func(t *testing.T) {
		for _, w := range past {
			require.Equal(t, render(first[w.Name]), render(second[w.Name]), w.Name)
		}
		for _, name := range []string{story.Stable, story.Candidate} {
			require.Equal(t, renderTargets(first[name]), renderTargets(second[name]), name)
		}
	})
}

// run tells the story on a cluster of its own and looks at it closely.
func run(t *testing.T, recording history.Recording, blocks string, past []history.Workload, also ...func(*testing.T, *cluster.Cluster, *install.Sartor, []history.Workload)) recommendations {
	// Prometheus scrapes nothing: what it holds is known to the last sample.
	c := start(t, cluster.Options{Name: "story", Prometheus: &cluster.Prometheus{Blocks: blocks}})
	sartor, err := install.Run(t.Context(), c, install.Options{
		Environment: story.Environment, Progress: t.Output(), Race: true,
		// A day more than was recorded: all of it is read, whenever that is, so that two runs read the same.
		RecommenderArgs: []string{"--recommender-interval=10s", "--history-length=9d"},
	})
	require.NoError(t, err)

	s := &story.Story{Cluster: c}
	require.NoError(t, s.Deploy(t.Context()))
	require.NoError(t, s.Recommend(t.Context()))
	require.NoError(t, s.Renew(t.Context()))
	t.Run("every part of the story is true", func(t *testing.T) { require.NoError(t, s.Check()) })

	got := recommendations{}
	for _, name := range []string{story.Stable, story.Candidate} {
		vpa := s.VPAs[name]
		got[name] = vpa.Status.Recommendation.ContainerRecommendations
	}
	maps.Copy(got, recommendPast(t, c, past))
	loaded := samplesLoaded(t, sartor.Recommender.LogPath())

	t.Run("recommendations are upstream's, of this environment's samples alone", func(t *testing.T) {
		for _, w := range past {
			want := upstream(recording, w)
			require.Equal(t, renderOracle(want), render(got[w.Name]), w.Name)
			require.Equal(t, want.samples, loaded[w.Name], "%s: every sample was read and none but these", w.Name)
		}
	})
	t.Run("what live metrics add to a week moves shop by no more than a bucket", func(t *testing.T) {
		w := workload(recording, story.Environment, story.Stable)
		want := upstream(recording, w)
		require.Equal(t, want.samples, loaded[story.Stable], "its pods' history, and none of shop-rc's, shop-api's or dev's")
		for _, c := range got[story.Stable] {
			target := want.recommendation[c.ContainerName].Target
			require.InEpsilon(t, float64(target[model.ResourceCPU]), float64(c.Target.Cpu().MilliValue()), 0.06, c.ContainerName)
			require.InEpsilon(t, float64(target[model.ResourceMemory]), float64(c.Target.Memory().Value()), 0.06, c.ContainerName)
		}
	})
	t.Run("the oracle would notice a mixed environment", func(t *testing.T) {
		for _, name := range []string{"shop-api", "shop-db", "nightly"} {
			mixed := upstream(recording, workload(recording, "prod", name), workload(recording, "dev", name))
			require.NotEqual(t, renderOracle(mixed), render(got[name]), name)
		}
	})
	for _, f := range also {
		f(t, c, sartor, past)
	}
	t.Run("both programs ran to the end, with the rights that their manifests give them", func(t *testing.T) {
		for _, p := range []*cluster.Process{sartor.Recommender, sartor.Admission} {
			select {
			case <-p.Done():
				t.Errorf("%s ended: %v, see %s", p.Name(), p.Err(), p.LogPath())
			default:
			}
			log, err := os.ReadFile(p.LogPath())
			require.NoError(t, err)
			require.NotContains(t, string(log), "forbidden", p.Name())
		}
	})
	t.Run("pods of the manifests' Deployments would be admitted under restricted pod security", func(t *testing.T) {
		for _, name := range []string{"sartor-recommender", "sartor-admission"} {
			require.NoError(t, tryPodOf(t, c, name))
		}
	})
	return got
}

// crash kills the recommender and starts it again, and sees that nobody is the worse for it.
func crash(t *testing.T, c *cluster.Cluster, sartor *install.Sartor, past []history.Workload) {
	t.Run("killed and started again, the recommender says the same", func(t *testing.T) {
		before := statuses(t, c)
		loadedBefore := historiesLoaded(t, sartor)
		require.NoError(t, sartor.CrashRecommender(t.Context()))
		all := len(past) + 2
		err := poll.Within(t.Context(), 2*time.Minute, 500*time.Millisecond, func(context.Context) error {
			// Every look has to find the same, also while history is being read.
			require.Equal(t, before, statuses(t, c))
			if n := historiesLoaded(t, sartor) - loadedBefore; n < all {
				return fmt.Errorf("%d of %d histories are loaded", n, all)
			}
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, before, statuses(t, c))
	})
}

// statuses are the targets of all VPAs.
func statuses(t *testing.T, c *cluster.Cluster) map[string]string {
	var list vpav1.VerticalPodAutoscalerList
	require.NoError(t, story.Get(t.Context(), c, &list, "get", "vpa", "--all-namespaces"))
	targets := map[string]string{}
	for _, v := range list.Items {
		require.NotNil(t, v.Status.Recommendation, v.Name)
		targets[v.Name] = renderTargets(v.Status.Recommendation.ContainerRecommendations)
	}
	return targets
}

func historiesLoaded(t *testing.T, sartor *install.Sartor) int {
	log, err := os.ReadFile(sartor.Recommender.LogPath())
	require.NoError(t, err)
	return strings.Count(string(log), `"msg":"History loaded"`)
}

// tryPodOf asks the API server, without creating it, for a pod as the Deployment would make it.
func tryPodOf(t *testing.T, c *cluster.Cluster, deployment string) error {
	var d appsv1.Deployment
	require.NoError(t, story.Get(t.Context(), c, &d, "-n", install.Namespace, "get", "deployment", deployment))
	pod := corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: deployment, Namespace: install.Namespace},
		Spec:       d.Spec.Template.Spec,
	}
	manifest, err := json.Marshal(pod)
	require.NoError(t, err)
	_, err = c.Kubectl(t.Context(), string(manifest), "create", "--dry-run=server", "-f", "-")
	return err
}

// recommendPast creates a VPA for each workload, which is not there any more, and waits for what its past gives.
func recommendPast(t *testing.T, c *cluster.Cluster, past []history.Workload) recommendations {
	var manifests strings.Builder
	namespaces := map[string]bool{}
	for _, w := range past {
		if !namespaces[w.Namespace] {
			namespaces[w.Namespace] = true
			fmt.Fprintf(&manifests, "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n", w.Namespace)
		}
		fmt.Fprintf(&manifests, `---
apiVersion: autoscaling.k8s.io/v1
kind: VerticalPodAutoscaler
metadata: {name: %s, namespace: %s}
spec: {targetRef: {apiVersion: apps/v1, kind: %s, name: %s}}
`, w.Name, w.Namespace, w.Kind, w.Name)
	}
	_, err := c.Kubectl(t.Context(), manifests.String(), "apply", "-f", "-")
	require.NoError(t, err)

	got := recommendations{}
	err = poll.Within(t.Context(), 3*time.Minute, time.Second, func(ctx context.Context) error {
		for _, w := range past {
			vpa, err := story.GetVPA(ctx, c, w.Namespace, w.Name)
			if err != nil {
				return err
			}
			if !story.Is(vpa, vpav1.RecommendationProvided) {
				return fmt.Errorf("VPA %s has no recommendation yet: %v", w.Name, vpa.Status.Conditions)
			}
			got[w.Name] = vpa.Status.Recommendation.ContainerRecommendations
		}
		return nil
	})
	require.NoError(t, err)
	return got
}

// traces are the workloads of $SARTOR_TRACES, one pod each; none if it is not set.
func traces(t *testing.T) []history.Workload {
	list, ok, err := history.TracesFromEnv()
	require.NoError(t, err)
	if !ok {
		t.Logf("$%s is not set: no real traces in this run", history.TracesVar)
	}
	var workloads []history.Workload
	for _, trace := range list {
		memory := trace.Memory
		if memory == nil {
			memory = history.Steady(512<<20, 0.1)
		}
		workloads = append(workloads, history.Workload{
			Env: story.Environment, Namespace: "traces", Kind: history.Deployment, Replicas: 1, Rollout: 48 * time.Hour,
			Name:       strings.NewReplacer("/", "-", "_", "-").Replace(trace.Name),
			Containers: []history.Container{{Name: "app", CPU: trace.CPU, Memory: memory}},
		})
	}
	return workloads
}

func workload(r history.Recording, env, name string) history.Workload {
	i := slices.IndexFunc(r.Workloads, func(w history.Workload) bool { return w.Env == env && w.Name == name })
	return r.Workloads[i]
}

// samplesLoaded reads from the recommender's log how many samples each VPA's history had.
func samplesLoaded(t *testing.T, log string) map[string]int {
	file, err := os.Open(log)
	require.NoError(t, err)
	defer file.Close()
	loaded := map[string]int{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var entry struct {
			Msg     string
			VPA     struct{ Name string }
			Samples int
		}
		if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Msg == "History loaded" {
			loaded[entry.VPA.Name] = entry.Samples
		}
	}
	return loaded
}

// render writes recommendations line by line, values in millicores and bytes.
func render(list []vpav1.RecommendedContainerResources) string {
	var lines []string
	for _, r := range list {
		for _, v := range []struct {
			name string
			list corev1.ResourceList
		}{{"lower", r.LowerBound}, {"target", r.Target}, {"uncapped", r.UncappedTarget}, {"upper", r.UpperBound}} {
			lines = append(lines, fmt.Sprintf("%s %s %d %d", r.ContainerName, v.name, v.list.Cpu().MilliValue(), v.list.Memory().Value()))
		}
	}
	return strings.Join(lines, "\n")
}

func renderTargets(list []vpav1.RecommendedContainerResources) string {
	var lines []string
	for _, line := range strings.Split(render(list), "\n") {
		if strings.Contains(line, " target ") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// renderOracle is render of what upstream says.
func renderOracle(o oracle) string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(o.recommendation)) {
		r := o.recommendation[name]
		for _, v := range []struct {
			name   string
			values model.Resources
		}{{"lower", r.LowerBound}, {"target", r.Target}, {"uncapped", r.Target}, {"upper", r.UpperBound}} {
			lines = append(lines, fmt.Sprintf("%s %s %d %d", name, v.name, v.values[model.ResourceCPU], v.values[model.ResourceMemory]))
		}
	}
	return strings.Join(lines, "\n")
}
