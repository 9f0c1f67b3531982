package scenarios

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/cluster/poll"
	"github.com/sartor-vpa/sartor/e2e/history"
	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/story"
)

// library is one cluster for many tests of how history is read. Each test has a Prometheus and a recommender of its own,
// for VPAs that name this recommender. The workloads exist in the past only, so that there is one right answer, to the byte.
type library struct {
	*cluster.Cluster
	published *recorder
}

// openLibrary starts the cluster and builds the recommender.
func openLibrary(t *testing.T) *library {
	c := start(t, cluster.Options{Name: "library"})
	_, err := install.Prepare(t.Context(), c, install.Options{Race: true, Progress: t.Output()})
	require.NoError(t, err)
	_, err = c.Kubectl(t.Context(), fmt.Sprintf("{apiVersion: v1, kind: Namespace, metadata: {name: %s}}", shelf), "apply", "-f", "-")
	require.NoError(t, err)
	return &library{c, record(t, c)}
}

const shelf = "shelf" // namespace of the workloads of which only the past is known

// write records the workloads, which are in the namespace shelf from here on, until now unless it ends before, and returns
// where the blocks are.
func write(t *testing.T, r *history.Recording) string {
	t.Helper()
	if r.End.IsZero() {
		r.End = time.Now().Truncate(time.Minute)
	}
	for i := range r.Workloads {
		r.Workloads[i].Namespace = shelf
	}
	blocks := t.TempDir() + "/tsdb"
	_, err := r.Write(t.Context(), blocks)
	require.NoError(t, err)
	return blocks
}

// prometheus is one of the library's.
type prometheus struct {
	*cluster.Process
	library *library
	options cluster.Prometheus
	name    string
	url     string
}

// prometheus starts one, which ends with the test.
func (l *library) prometheus(t *testing.T, name string, o cluster.Prometheus) *prometheus {
	t.Helper()
	p := &prometheus{library: l, options: o, name: "prometheus-" + name}
	p.start(t)
	t.Cleanup(func() { require.NoError(t, p.Kill()) })
	return p
}

// start starts it, again if it was killed before.
func (p *prometheus) start(t *testing.T) {
	t.Helper()
	var err error
	p.Process, p.url, err = p.library.StartPrometheus(t.Context(), p.name, p.options)
	require.NoError(t, err)
}

// visitor is how to start one recommender of the library.
type visitor struct {
	name string // of the recommender, the VPAs' one
	// address is the Prometheus'; env is $K8S_ENVIRONMENT.
	address, env string
	args         []string
}

// environmentFilter is left out of a visitor's arguments where the label env is not to be filtered by.
const environmentFilter = "--prometheus-env-label=env"

// recommender starts one with the rights that the manifests give it, which ends with the test.
func (l *library) recommender(t *testing.T, r visitor) *install.Program {
	t.Helper()
	port, err := l.Port(r.name)
	require.NoError(t, err)
	kubeconfig, err := l.ServiceAccountKubeconfig(t.Context(), install.Namespace, "sartor-recommender", r.name)
	require.NoError(t, err)
	address := fmt.Sprintf("127.0.0.1:%d", port)
	p, err := l.StartProcess(t.Context(), cluster.Program{
		Name: r.name, Path: l.Dir() + "/bin/recommender",
		Args: append([]string{
			"--kubeconfig=" + kubeconfig, "--address=" + address, "--v=1", "--leader-elect=false",
			"--recommender-name=" + r.name, "--recommender-interval=1s",
			// A day more than was recorded: all of it is read, whenever that is.
			"--history-length=9d", "--prometheus-address=" + r.address,
		}, r.args...),
		Env:          []string{"K8S_ENVIRONMENT=" + r.env, "GORACE=halt_on_error=1"},
		ReadyTimeout: time.Minute,
		Ready:        func(ctx context.Context) error { return answers(ctx, "http://"+address+"/readyz") },
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Kill()) })
	return &install.Program{Process: p, URL: "http://" + address}
}

// vpa creates one for a workload that is not there any more, to be served by a recommender. Names of VPAs are unique in
// the library.
func (l *library) vpa(t *testing.T, recommender, name, kind, target string) {
	t.Helper()
	group := map[string]string{"Job": "batch/v1", "CronJob": "batch/v1"}[kind]
	_, err := l.Kubectl(t.Context(), fmt.Sprintf(`
apiVersion: autoscaling.k8s.io/v1
kind: VerticalPodAutoscaler
metadata: {name: %s, namespace: %s}
spec:
  recommenders: [{name: %s}]
  targetRef: {apiVersion: %s, kind: %s, name: %s}
`, name, shelf, recommender, cmp.Or(group, "apps/v1"), kind, target), "apply", "-f", "-")
	require.NoError(t, err)
}

// fetching is what the VPA's condition FetchingHistory says, its zero value if there is none.
func (r recommendation) fetching() vpav1.VerticalPodAutoscalerCondition {
	for _, c := range r.vpa.Status.Conditions {
		if c.Type == vpav1.FetchingHistory {
			return c
		}
	}
	return vpav1.VerticalPodAutoscalerCondition{}
}

func (r recommendation) render() string {
	if r.vpa.Status.Recommendation == nil {
		return ""
	}
	return render(r.vpa.Status.Recommendation.ContainerRecommendations)
}

// until waits until a VPA's status is as it should be.
func (l *library) until(t *testing.T, vpa string, is func(recommendation) error) recommendation {
	t.Helper()
	var r recommendation
	require.NoError(t, poll.Within(t.Context(), 2*time.Minute, 50*time.Millisecond, func(context.Context) error {
		var ok bool
		if r, ok = l.published.last()[vpa]; !ok {
			return errors.New("is not there yet")
		}
		return is(r)
	}), "VPA %s", vpa)
	return r
}

// loaded waits until all of a VPA's history was read.
func (l *library) loaded(t *testing.T, vpa string) recommendation {
	t.Helper()
	return l.until(t, vpa, func(r recommendation) error {
		if f := r.fetching(); f.Reason != "HistoryLoaded" || !story.Is(r.vpa, vpav1.RecommendationProvided) {
			return fmt.Errorf("its history is not loaded: %v", r.vpa.Status.Conditions)
		}
		return nil
	})
}

// trouble waits until a VPA's condition says that history cannot be read, and why: all of the words.
func (l *library) trouble(t *testing.T, vpa string, words ...string) recommendation {
	t.Helper()
	return l.until(t, vpa, func(r recommendation) error {
		f := r.fetching()
		if f.Reason != "Retrying" || f.Status != corev1.ConditionTrue {
			return fmt.Errorf("is not in trouble: %v", r.vpa.Status.Conditions)
		}
		for _, word := range words {
			if !strings.Contains(f.Message, word) {
				return fmt.Errorf("%q is not in %q", word, f.Message)
			}
		}
		return nil
	})
}

// heard is all that a VPA's condition FetchingHistory has said since it was created.
func (l *library) heard(vpa string) []string {
	l.published.mu.Lock()
	defer l.published.mu.Unlock()
	var messages []string
	for _, r := range l.published.all[vpa] {
		if m := r.fetching().Message; len(messages) == 0 || m != messages[len(messages)-1] {
			messages = append(messages, m)
		}
	}
	return messages
}

// said counts the lines of a program's log with a message.
func said(t *testing.T, p *install.Program, message string) int {
	t.Helper()
	text, err := os.ReadFile(p.LogPath())
	require.NoError(t, err)
	quoted, err := json.Marshal(message)
	require.NoError(t, err)
	return strings.Count(string(text), `"msg":`+string(quoted))
}
