package scenarios

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/measure"
)

const hooked = "hooked" // namespace of the workloads whose pods the webhook patches

// missing is what the log says where there is no definition of VPAs.
var missing = regexp.MustCompile(`Cannot watch.*"verticalpodautoscalers".*could not find the requested resource.*install the VPA's custom resource definitions`)

// hooks are replicas of the webhook on one cluster, behind the manifests' configuration and with the manifests' rights.
type hooks struct {
	cluster *cluster.Cluster
	args    []string // of its Deployment
	one     *hook    // is called, alone at first
	called  *endpoints
	way     *relay       // from the API server to them
	client  *http.Client // asks replicas themselves

	// cutOff is a replica that nobody calls, and that has heard nothing of the API server since the time since.
	cutOff *hook
	line   *relay
	since  time.Time
}

func TestNoPodIsHurtWhateverHappensToTheWebhook(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	t.Parallel()
	h := &hooks{cluster: start(t, cluster.Options{Name: "webhook", Nodes: 1})}
	_, err := install.Prepare(t.Context(), h.cluster, install.Options{Race: true, Progress: t.Output()})
	require.NoError(t, err)
	args := h.kubectl(t, "", "-n", install.Namespace, "get", "deployment", "sartor-admission", "-o=jsonpath={.spec.template.spec.containers[0].args}")
	require.NoError(t, json.Unmarshal([]byte(args), &h.args))

	t.Run("without the VPA's definition it lives and says so, and is ready when it comes", h.definitionMissing)
	require.False(t, t.Failed())
	h.client, h.called = h.trust(t), watchEndpoints(t, h.one)
	h.way = startRelay(t, h.at(t, "admission"), h.called.pick) // the manifests' overlay leads there
	h.deploy(t, hookedWorkloads...)
	h.loseTheAPIServer(t)
	t.Run("kubectl shows what was capped or skipped, and nothing else", h.kubectlWarns)
	t.Run("the first pods of new ReplicaSets are patched", h.firstPods)
	t.Run("a leaf that is not valid is not trusted, and pods are created without", h.invalidLeaf)
	t.Run("a rolling restart under load leaves no pod unpatched", h.rollingRestart)
	t.Run("the API server crashes", h.apiServerCrash)
	t.Run("the API server is silent for most of a minute", h.watchesBroken)
}

// at is where the program of that name listens.
func (h *hooks) at(t *testing.T, name string) string {
	t.Helper()
	port, err := h.cluster.Port(name)
	require.NoError(t, err)
	return fmt.Sprintf("127.0.0.1:%d", port)
}

func (h *hooks) kubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, err := h.cluster.Kubectl(t.Context(), stdin, args...)
	require.NoError(t, err)
	return out
}

// definitionMissing: as where the webhook is installed first. That a definition is not served is what a client sees of one
// that is not there. To delete one that has just come takes API servers some minutes at times.
func (h *hooks) definitionMissing(t *testing.T) {
	root, err := install.Root()
	require.NoError(t, err)
	h.kubectl(t, "", "patch", "crd", "verticalpodautoscalers.autoscaling.k8s.io", "--type=json",
		`-p=[{"op":"replace","path":"/spec/versions/0/served","value":false},{"op":"replace","path":"/spec/versions/1/served","value":false}]`)
	eventually(t, "VPAs are not served", func(ctx context.Context) error {
		_, err := vpaClient(t, h.cluster).AutoscalingV1().VerticalPodAutoscalers("").List(ctx, metav1.ListOptions{})
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("they are: %w", err)
		}
		return nil
	})
	h.one = h.startHook(t, "webhook-1", h.kubeconfig(t, "webhook-1"), "/healthz")
	eventually(t, "it says what is missing, and what to do", func(context.Context) error {
		text, err := os.ReadFile(h.one.LogPath())
		if err == nil && !missing.Match(text) {
			err = fmt.Errorf("it says: %s", text)
		}
		return err
	})
	require.ErrorContains(t, answers(t.Context(), h.one.URL+"/readyz"), "500")
	require.NoError(t, answers(t.Context(), h.one.URL+"/healthz"))

	h.kubectl(t, "", "apply", "-f", filepath.Join(root, "deploy", "crds"))
	began := time.Now()
	eventually(t, "it is ready", func(ctx context.Context) error { return answers(ctx, h.one.URL+"/readyz") })
	t.Logf("ready %s after the definition came", time.Since(began).Round(time.Millisecond))
	require.NoError(t, h.one.Err(), "it is the same process")
}

// loseTheAPIServer starts a replica that knows all there is, and then hears nothing more.
func (h *hooks) loseTheAPIServer(t *testing.T) {
	server, err := url.Parse(h.cluster.RESTConfig().Host)
	require.NoError(t, err)
	h.line = startRelay(t, h.at(t, "silent-api-server"), func() (string, error) { return server.Host, nil })
	kubeconfig := h.kubeconfig(t, "webhook-cut-off")
	config, err := clientcmd.LoadFromFile(kubeconfig)
	require.NoError(t, err)
	for _, c := range config.Clusters {
		c.Server = "https://" + h.at(t, "silent-api-server")
	}
	require.NoError(t, clientcmd.WriteToFile(*config, kubeconfig))
	h.cutOff = h.startHook(t, "webhook-cut-off", kubeconfig, "/readyz")
	h.line.hold()
	h.since = time.Now()
}

// rollingRestart replaces the replicas one after the other.
func (h *hooks) rollingRestart(t *testing.T) {
	two := h.started(t, "webhook-2")
	h.called.set(two)
	pods := h.load(t, h.pod(t, "shop"))
	before, live := h.calls(t), 0
	for _, old := range []*hook{h.one, two} {
		pods.more(t, 20)
		live += 3 // beside those that we create, some of a Deployment's
		h.kubectl(t, "", "-n", hooked, "scale", "deployment", "live", fmt.Sprintf("--replicas=%d", live))
		old.terminate(t)
		young := h.started(t, old.Name())
		h.called.set(young)
		pods.more(t, 20)
		h.one = young
	}
	made, after := pods.end(t), h.calls(t)
	t.Logf("%d pods, all of them patched", made)
	require.Equal(t, before.failedOpen, after.failedOpen, "calls that failed")
	require.Equal(t, before.rejected, after.rejected)
	require.GreaterOrEqual(t, after.made-before.made, float64(made))
	for _, pod := range running(t, h.cluster, hooked, "app=live", live) {
		require.NoError(t, patched(&pod))
	}
}

// apiServerCrash: what is known is answered while it is gone, and when it is back the first pod is patched.
func (h *hooks) apiServerCrash(t *testing.T) {
	pod := h.pod(t, "shop")
	want := h.asks(t, h.one, pod, time.Second).Patch
	require.NotEmpty(t, want)
	require.NoError(t, h.cluster.CrashAPIServer())
	crashed, stale := time.Now(), h.one.age(t, "verticalpodautoscalers")
	eventually(t, "it tells that it has heard nothing for a while", func(context.Context) error {
		if age := h.one.age(t, "verticalpodautoscalers"); age < stale+3 {
			return fmt.Errorf("%.1f s, and %.1f s at the crash", age, stale)
		}
		return nil
	})
	require.NoError(t, answers(t.Context(), h.one.URL+"/healthz"))
	require.Equal(t, string(want), string(h.asks(t, h.one, pod, time.Second).Patch))

	require.NoError(t, h.cluster.StartAPIServer(t.Context()))
	first, err := createDry(t.Context(), kubeClient(t, h.cluster), pod)
	require.NoError(t, err)
	require.NoError(t, patched(first))
	require.Zero(t, h.calls(t).failedOpen)
	h.deploy(t, hookedWorkload{name: "recovered", cpu: "700m", memory: "600Mi"})
	eventually(t, "it has heard of the API server again", func(context.Context) error {
		if age := h.one.age(t, "verticalpodautoscalers"); age > time.Since(crashed).Seconds() {
			return fmt.Errorf("nothing for %.1f s", age)
		}
		return nil
	})
	require.NoError(t, h.one.Err(), "it is the same process")
}

// silence is how long the API server is silent: so long that the client has given up its connection by itself, which it
// does after 45 s, and has found no other.
const silence = 50 * time.Second

// watchesBroken: a replica whose connection carries nothing, and says nothing of it, knows what it knew.
func (h *hooks) watchesBroken(t *testing.T) {
	eventually(t, "silence", func(context.Context) error {
		if passed := time.Since(h.since); passed < silence {
			return fmt.Errorf("for %s", passed)
		}
		return nil
	})
	for _, kind := range []string{"replicasets", "verticalpodautoscalers", "limitranges"} {
		require.GreaterOrEqual(t, h.cutOff.age(t, kind), (silence - time.Second).Seconds(), kind)
	}
	require.Less(t, h.one.age(t, "verticalpodautoscalers"), time.Since(h.since).Seconds(), "the API server was there")
	require.NoError(t, answers(t.Context(), h.cutOff.URL+"/healthz"))
	require.NoError(t, answers(t.Context(), h.cutOff.URL+"/readyz"), "it may be all that there is")

	known, unknown := h.pod(t, "shop"), h.pod(t, "recovered")
	want := h.asks(t, h.one, known, time.Second).Patch
	require.NotEmpty(t, want)
	require.Equal(t, string(want), string(h.asks(t, h.cutOff, known, time.Second).Patch))
	require.Empty(t, h.asks(t, h.cutOff, unknown, 300*time.Millisecond).Patch, "nobody tells whose it is, and it is allowed in time")
	require.EqualValues(t, 1, h.cutOff.metric(t, "sartor_admission_decisions_total", measure.Labels{"decision": "deadline_exceeded"}))

	h.line.release()
	began := time.Now()
	eventually(t, "it has learnt what is new", func(context.Context) error {
		return patches(h.asks(t, h.cutOff, unknown, time.Second))
	})
	t.Logf("%s after the API server spoke again", time.Since(began).Round(time.Millisecond))
	require.Less(t, h.cutOff.age(t, "verticalpodautoscalers"), silence.Seconds())
	require.NoError(t, h.cutOff.Err(), "it is the same process")
}
