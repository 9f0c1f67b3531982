package monitoring

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/cluster/poll"
	"github.com/sartor-vpa/sartor/e2e/history"
	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/story"
)

// patience covers the scrapes that a rate needs, on a machine that is busy.
const patience = 3 * time.Minute

func TestARealPrometheusAnswersEveryQuestionWhileTheStoryIsTold(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	c, sartor := begin(t)
	w := watch(t, c, sartor)
	tell(t, c)

	t.Run("every query of every dashboard has an answer", func(t *testing.T) { w.answersAll(t, ofDashboards(t)) })
	t.Run("sums are those of the pods that have a VPA", func(t *testing.T) { w.sumsAreRight(t, c) })
	t.Run("no alert is about to fire", func(t *testing.T) { w.waitForAlerts(t) })
	t.Run("alerts tell of VPAs that somebody has to look at", func(t *testing.T) {
		trouble(t, c)
		w.waitForAlerts(t, "SartorHPAConflict", "SartorOOMLoop")
	})
	t.Run("rules and dashboards ask for series that are there", func(t *testing.T) { w.hasSeriesOf(t, append(ofRules(t), ofDashboards(t)...)) })
	t.Run("the table of metrics has all of both programs", func(t *testing.T) {
		tabled(t, "vpa_recommender_", sartor.RecommenderURL)
		tabled(t, "sartor_", sartor.RecommenderURL)
		tabled(t, "sartor_", sartor.AdmissionURL)
	})
	t.Run("alerts tell that the programs are gone", func(t *testing.T) {
		require.NoError(t, sartor.Admission.Kill())
		require.NoError(t, sartor.Recommender.Kill())
		w.waitForAlerts(t, "SartorRecommenderDown", "SartorWebhookDown")
	})
}

// begin starts a cluster with two environments' history. The story's pods are there before the webhook is, so that API servers
// have given up on it before.
func begin(t *testing.T) (*cluster.Cluster, *install.Sartor) {
	recording := history.Recording{End: time.Now().Truncate(time.Minute), Workloads: history.Store()}
	blocks := t.TempDir() + "/tsdb"
	_, err := recording.Write(t.Context(), blocks)
	require.NoError(t, err)
	c, err := cluster.Start(t.Context(), cluster.Options{
		Name: "monitoring", Progress: t.Output(), Prometheus: &cluster.Prometheus{Blocks: blocks, Env: story.Environment},
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			c.KeepLogs()
			t.Logf("logs are in %s", c.LogDir())
		}
		require.NoError(t, c.Stop())
	})
	sartor, err := install.Prepare(t.Context(), c, install.Options{
		Environment: story.Environment, Progress: t.Output(), RecommenderArgs: []string{"--recommender-interval=5s"},
	})
	require.NoError(t, err)
	require.NoError(t, (&story.Story{Cluster: c}).Deploy(t.Context()))
	require.NoError(t, sartor.StartRecommender(t.Context()))
	require.NoError(t, sartor.StartAdmission(t.Context()))
	// Pods for Prometheus to find. The processes beside the cluster answer for them.
	_, err = c.Kubectl(t.Context(), "", "-n", install.Namespace, "scale", "deployment", "--all", "--replicas=1")
	require.NoError(t, err)
	for _, name := range []string{"sartor-recommender", "sartor-admission"} {
		_, err = c.Kubectl(t.Context(), "", "-n", install.Namespace, "rollout", "status", "deployment/"+name, "--timeout=1m")
		require.NoError(t, err)
	}
	return c, sartor
}

// beside are a VPA that nobody has pods for, a job of a CronJob, and a VPA for which somebody else recommends nonsense.
const beside = `
apiVersion: autoscaling.k8s.io/v1
kind: VerticalPodAutoscaler
metadata: {name: ghost, namespace: store}
spec: {targetRef: {apiVersion: apps/v1, kind: Deployment, name: ghost}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly, namespace: default}
spec:
  schedule: "0 3 * * *"
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: "main:1"}]}}}}
---
apiVersion: autoscaling.k8s.io/v1
kind: VerticalPodAutoscaler
metadata: {name: odd, namespace: default}
spec: {targetRef: {apiVersion: apps/v1, kind: Deployment, name: odd}, recommenders: [{name: somebody-else}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: odd, namespace: default}
spec:
  replicas: 0
  selector: {matchLabels: {app: odd}}
  template: {metadata: {labels: {app: odd}}, spec: {containers: [{name: odd, image: "odd:1"}]}}
`

// nonsense is what somebody else recommends.
const nonsense = `{"status": {"recommendation": {"containerRecommendations": [{"containerName": "odd", "target": {"cpu": "-1", "memory": "1Gi"}}]}}}`

// tell tells the story, with some things beside it.
func tell(t *testing.T, c *cluster.Cluster) {
	_, err := c.Kubectl(t.Context(), beside, "apply", "-f", "-")
	require.NoError(t, err)
	for _, args := range [][]string{
		{"-n", "default", "create", "job", "by-hand", "--from=cronjob/nightly"},
		{"-n", "default", "patch", "vpa", "odd", "--subresource=status", "--type=merge", "--patch=" + nonsense},
		{"-n", "default", "scale", "deployment", "odd", "--replicas=1"},
	} {
		_, err = c.Kubectl(t.Context(), "", args...)
		require.NoError(t, err)
	}
	s := &story.Story{Cluster: c}
	s.Before, err = s.Pods(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.Recommend(t.Context()))
	require.NoError(t, s.Renew(t.Context()))
	require.NoError(t, s.Check())
}

// answersAll waits until each question is answered by one series at least, which have the labels that name them.
func (w *watcher) answersAll(t *testing.T, questions []question) {
	for _, q := range questions {
		err := poll.Within(t.Context(), patience, time.Second, func(ctx context.Context) error {
			found, err := w.query(ctx, q.expr)
			if err != nil {
				return err
			}
			return q.check(found)
		})
		require.NoError(t, err, "%s: %s", q.from, q.expr)
	}
	t.Logf("%d queries", len(questions))
}

var label = regexp.MustCompile(`{{(\w+)}}`)

func (q question) check(found []series) error {
	if len(found) == 0 {
		return errors.New("no series")
	}
	for _, s := range found {
		if s.Value[1] == "NaN" {
			continue // of nothing: no review in the last minute has no duration
		}
		if len(s.Metric) == 0 && strings.Contains(q.expr, "or vector(0)") {
			return nil // nothing of the kind has happened, and the panel says 0
		}
		for _, m := range label.FindAllStringSubmatch(q.legend, -1) {
			if s.Metric[m[1]] == "" {
				return fmt.Errorf("no label %s: %v", m[1], s.Metric)
			}
		}
		return nil
	}
	return errors.New("nothing but NaN")
}

// sumsAreRight compares recorded sums with the pods. Those of the environment dev have no VPAs.
func (w *watcher) sumsAreRight(t *testing.T, c *cluster.Cluster) {
	err := poll.Within(t.Context(), patience, time.Second, func(ctx context.Context) error {
		pods, err := (&story.Story{Cluster: c}).Pods(ctx)
		if err != nil {
			return err
		}
		want := 0.0
		for _, pod := range pods {
			for _, container := range pod.Spec.Containers {
				want += container.Resources.Requests.Cpu().AsApproximateFloat64()
			}
		}
		for _, name := range []string{"requested", "recommended"} {
			found, err := w.query(ctx, `sartor:`+name+`:sum{resource="cpu"}`)
			if err != nil {
				return err
			}
			if len(found) != 1 || found[0].Metric["env"] != "prod" || found[0].Metric["namespace"] != "store" {
				return fmt.Errorf("%s: %v", name, found)
			}
			if got := found[0].number(); got < want*0.999 || got > want*1.001 {
				return fmt.Errorf("%s: %v instead of %v", name, got, want)
			}
		}
		return nil
	})
	require.NoError(t, err)
}

func (s series) number() (v float64) {
	_, _ = fmt.Sscan(s.Value[1].(string), &v)
	return v
}

// waitForAlerts waits until the alerts that fire or are about to are these.
func (w *watcher) waitForAlerts(t *testing.T, want ...string) {
	slices.Sort(want)
	err := poll.Within(t.Context(), patience, time.Second, func(ctx context.Context) error {
		found, err := w.query(ctx, `ALERTS`)
		if err != nil {
			return err
		}
		var got []string
		for _, s := range found {
			got = append(got, s.Metric["alertname"])
		}
		slices.Sort(got)
		if !slices.Equal(want, got) {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	require.NoError(t, err)
}
