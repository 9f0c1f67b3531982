package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/story"
)

// What greedy holds in the end, in bytes, is 460 MiB and a little.
const leastOfGreedy, mostOfGreedy = 458 << 20, 475 << 20

// again: a recommender that starts with nothing but Prometheus, no checkpoint, nothing published and no live metrics, knows what
// cAdvisor measured: each minute of each container once, and of this environment alone.
func (s *scene) again(t *testing.T) {
	shops := s.in(story.Namespace)
	eventually(t, "all that greedy has is in Prometheus", func(ctx context.Context) error {
		until := time.Now().Truncate(time.Minute)
		minutes, err := s.minutes(ctx, "greedy", until)
		most, failed := s.most(ctx, "greedy", until)
		if err = errors.Join(err, failed); err == nil && (minutes == 0 || most < leastOfGreedy) {
			err = fmt.Errorf("%d minutes, %.0f bytes", minutes, most)
		}
		return err
	})
	s.forget(t)
	api := s.kubectl(t, "", "get", "apiservice", "v1beta1.metrics.k8s.io", "-o", "yaml")
	s.kubectl(t, "", "delete", "apiservice", "v1beta1.metrics.k8s.io")
	s.kubectl(t, "", "--namespace="+install.Namespace, "scale", "deployment", "sartor-recommender", "--replicas=1")
	require.NoError(t, install.Available(t.Context(), s.cluster))

	steady := s.target(t, "steady", busy(100))
	require.Less(t, steady.Cpu().MilliValue(), int64(300), "of two pods with 100m each")
	greedy := s.target(t, "greedy", func(corev1.ResourceList) error { return nil })
	// A kill is no usage. A percentile is up to 5 % above what was measured.
	require.GreaterOrEqual(t, greedy.Memory().Value(), int64(leastOfGreedy*115/100))
	require.LessOrEqual(t, greedy.Memory().Value(), int64(mostOfGreedy*105/100*115/100))
	for _, app := range []string{"steady", "greedy"} {
		s.requireFromPrometheusAlone(t, app, 0)
	}
	shops.target(t, story.Stable, func(corev1.ResourceList) error { return nil })
	shops.requireShop(t)
	shops.requireFromPrometheusAlone(t, story.Stable, recordedMinutes(s.recording))
	shops.described(t)

	s.kubectl(t, api, "create", "-f", "-")
}

// forget ends the recommender, and takes from it what it left: checkpoints, and what it published.
func (s *scene) forget(t *testing.T) {
	s.kubectl(t, "", "--namespace="+install.Namespace, "scale", "deployment", "sartor-recommender", "--replicas=0")
	eventually(t, "no recommender runs", func(ctx context.Context) error {
		if left, err := s.recommenders(ctx); err != nil || len(left) > 0 {
			return errors.Join(err, fmt.Errorf("%d pods", len(left)))
		}
		return nil
	})
	s.kubectl(t, "", "delete", "verticalpodautoscalercheckpoints", "--all", "--all-namespaces")
	for _, vpa := range [][2]string{{s.namespace, "steady"}, {s.namespace, "greedy"}, {story.Namespace, story.Stable}, {story.Namespace, story.Candidate}} {
		s.kubectl(t, "", "--namespace="+vpa[0], "patch", "vpa", vpa[1], "--subresource=status", "--type=merge", "-p", `{"status":{"conditions":null,"recommendation":null}}`)
	}
}

// requireFromPrometheusAlone: what is recommended for an app stands on as many minutes as Prometheus has of it, of which so many
// were recorded, and on nothing else.
func (s *scene) requireFromPrometheusAlone(t *testing.T, app string, recorded int) {
	t.Helper()
	s.loaded(t, app)
	e := s.explained(t, app)
	require.False(t, e.History.Checkpoints)
	scraped, err := s.minutes(t.Context(), app, e.History.Since)
	require.NoError(t, err)
	counted := 0
	for _, c := range e.Containers {
		counted += c.Samples
		require.True(t, c.LastSample.Before(e.History.Since), "of %s nothing is live: %s", c.Name, c.LastSample)
	}
	t.Logf("%s: %d minutes counted, %d recorded and %d scraped", app, counted, recorded, scraped)
	require.Equal(t, e.History.Samples, counted)
	require.Positive(t, scraped)
	// At the ends of what was scraped a minute may be one in part.
	require.InDelta(t, recorded+scraped, counted, 2)
}

// explanation is what is looked at of GET /explain.
type explanation struct {
	History struct {
		State       string
		Error       string
		Samples     int
		Checkpoints bool
		Since       time.Time
	}
	Containers []struct {
		Name       string
		Samples    int
		LastSample time.Time
	}
}

// explained is what the running recommender knows of a VPA.
func (s *scene) explained(t *testing.T, vpa string) explanation {
	t.Helper()
	var e explanation
	eventually(t, "the recommender explains "+vpa, func(ctx context.Context) error {
		pods, err := s.recommenders(ctx)
		if err != nil {
			return err
		}
		if len(pods) != 1 || pods[0].Status.PodIP == "" {
			return fmt.Errorf("there are %d recommenders", len(pods))
		}
		url := fmt.Sprintf("http://%s:8942/explain?vpa=%s/%s", pods[0].Status.PodIP, s.namespace, vpa)
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			text, _ := io.ReadAll(response.Body)
			return fmt.Errorf("%s: %s", response.Status, text)
		}
		return json.NewDecoder(response.Body).Decode(&e)
	})
	return e
}

func (s *scene) recommenders(ctx context.Context) ([]corev1.Pod, error) {
	list, err := s.kube.CoreV1().Pods(install.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=sartor-recommender"})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}
