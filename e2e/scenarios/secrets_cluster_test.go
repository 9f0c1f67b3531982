package scenarios

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/history"
	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/story"
)

// marked is in every secret that the test gives, and in nothing else. No escaping changes it.
const marked = "s3cret"

// loud is all that there is to be told.
var loud = []string{"--v=127", "--profiling"}

// TestNoSecretIsToldWhateverHappens runs both programs at the highest verbosity, starting, failing and succeeding, and looks
// into all that they write and serve.
func TestNoSecretIsToldWhateverHappens(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	t.Parallel()
	c := start(t, cluster.Options{Name: "secrets"})
	sartor, err := install.Run(t.Context(), c, install.Options{RecommenderArgs: slices.Concat(loud, fast), AdmissionArgs: loud, Progress: t.Output()})
	require.NoError(t, err)
	_, err = c.Kubectl(t.Context(), "", "create", "namespace", shelf)
	require.NoError(t, err)
	l := &library{c, record(t, c)}
	recording := history.Recording{Workloads: []history.Workload{of("nightly", "prod", 1)}}
	p := l.prometheus(t, "secrets", cluster.Prometheus{Blocks: write(t, &recording)})
	told := &told{secrets: map[string]string{}}
	told.learnKeys(t, c)
	certificate, key := pair(t)
	told.secrets["the client's key"] = strings.Split(key, "\n")[1][:40]

	for _, w := range waysIn(t, certificate, key) {
		t.Run(w.name, func(t *testing.T) { w.tried(t, l, p.url, told) })
	}
	t.Run("the environment of pods", func(t *testing.T) { l.runsSecretPods(t) })

	told.program(t, "the recommender", sartor.Recommender.LogPath(), sartor.RecommenderURL, "/explain?vpa=vault/app")
	told.program(t, "the webhook", sartor.Admission.LogPath(), sartor.AdmissionURL)
	told.objects(t, c)
	told.nothing(t)
}

// runsSecretPods has a pod with a secret in its environment reviewed, and given what is recommended.
func (l *library) runsSecretPods(t *testing.T) {
	deploy(t, l.Cluster, "vault", service{name: "app", cpu: "200m", memory: "500Mi", resources: "requests: {cpu: 10m, memory: 10Mi}"})
	eventually(t, "a recommendation", func(ctx context.Context) error {
		vpa, err := story.GetVPA(ctx, l.Cluster, "vault", "app")
		if err == nil && !story.Is(vpa, vpav1.RecommendationProvided) {
			err = fmt.Errorf("%v", vpa.Status.Conditions)
		}
		return err
	})
	_, err := l.Kubectl(t.Context(), "", "-n", "vault", "set", "env", "deployment/app", "PASSWORD="+marked+"-of-a-pod")
	require.NoError(t, err)
	eventually(t, "new pods that were patched", func(ctx context.Context) error {
		out, err := l.Kubectl(ctx, "", "-n", "vault", "get", "pods", "-o=jsonpath={range .items[*]}{.spec.containers[0].env[0].value} {.metadata.annotations.vpaUpdates}\n{end}")
		if err == nil && !strings.Contains(out, marked+"-of-a-pod Pod resources updated") {
			err = errors.New(out)
		}
		return err
	})
}

// tried is a way that fails first and succeeds then.
func (w way) tried(t *testing.T, l *library, prometheus string, told *told) {
	v := visitor{name: w.name, env: "prod", args: slices.Concat([]string{environmentFilter}, loud)}
	gate := &gate{t: t, fail: w.fail}
	w.give(t, &v, between(t, prometheus, gate.layer))
	failing := l.recommender(t, v)
	l.vpa(t, w.name, w.name, history.Deployment, "nightly")
	condition := l.trouble(t, w.name, w.says)
	told.add("the conditions of "+w.name, fmt.Sprint(condition.vpa.Status.Conditions))
	told.program(t, w.name+" that fails", failing.LogPath(), failing.URL, "/explain?vpa=shelf/"+w.name)
	require.NoError(t, failing.Kill())

	gate.open.Store(true)
	well := l.recommender(t, v)
	l.loaded(t, w.name)
	require.True(t, gate.convinced.Load(), "no secret came to the server")
	told.program(t, w.name+" that is well", well.LogPath(), well.URL, "/explain?vpa=shelf/"+w.name)
	stop(t, well)
	told.file(t, w.name+" that has ended", well.LogPath())
}

// told is all that was written and served, by what it is of.
type told struct {
	texts   []struct{ of, text string }
	secrets map[string]string // that the test did not make, by what they are
}

func (a *told) add(of, text string) { a.texts = append(a.texts, struct{ of, text string }{of, text}) }

func (a *told) file(t *testing.T, of, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NotEmpty(t, text, of)
	a.add("the log of "+of, string(text))
}

// program adds the log of a program that runs, and all that it serves.
func (a *told) program(t *testing.T, of, log, address string, more ...string) {
	t.Helper()
	for _, path := range append(more, "/metrics", "/healthz", "/readyz", "/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2", "/debug/pprof/heap?debug=1") {
		answer, err := http.Get(address + path)
		require.NoError(t, err)
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.NotEmpty(t, text, path)
		a.add(path+" of "+of, string(text))
	}
	a.file(t, of, log)
}

// objects adds what the programs write into the cluster.
func (a *told) objects(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	for _, kind := range []string{"vpa", "vpacheckpoint", "events", "leases", "configmaps", "mutatingwebhookconfigurations"} {
		text, err := c.Kubectl(t.Context(), "", "get", kind, "--all-namespaces", "-o=yaml")
		require.NoError(t, err)
		require.Contains(t, text, "kind: ", kind)
		a.add(kind, text)
	}
	text, err := c.Kubectl(t.Context(), "", "-n", "vault", "get", "pods", "-o=jsonpath={.items[*].metadata.annotations}")
	require.NoError(t, err)
	a.add("annotations of pods", text)
}

// learnKeys reads the secrets that are made by others: the webhook's keys, and the programs' tokens.
func (a *told) learnKeys(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	data, err := c.Kubectl(t.Context(), "", "-n", install.Namespace, "get", "secret", "sartor-admission-ca", "-o=jsonpath={.data}")
	require.NoError(t, err)
	for _, word := range regexp.MustCompile(`[A-Za-z0-9+/=]{100,}`).FindAllString(data, -1) {
		plain, err := base64.StdEncoding.DecodeString(word)
		require.NoError(t, err)
		if strings.Contains(string(plain), "PRIVATE KEY") {
			a.secrets["the authority's key, as the Secret has it"] = word[60:100]
			a.secrets["the authority's key"] = strings.Split(string(plain), "\n")[1][:40]
		}
	}
	require.Len(t, a.secrets, 2)
	kubeconfigs, err := filepath.Glob(filepath.Join(c.Dir(), install.Namespace+"-*.kubeconfig"))
	require.NoError(t, err)
	require.Len(t, kubeconfigs, 2)
	for _, path := range kubeconfigs {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		token := regexp.MustCompile(`token: (\S{100,})`).FindStringSubmatch(string(text))
		require.NotNil(t, token)
		a.secrets["the token of "+filepath.Base(path)] = token[1][len(token[1])-40:]
	}
}

var (
	// inBase64 is what may be something in base64, such as basic authentication.
	inBase64 = regexp.MustCompile(`[A-Za-z0-9+/]{8,}={0,2}`)
	// bodies are what client-go says before requests and answers. They are in hexadecimal where nothing is found in them.
	bodies = regexp.MustCompile(`"(Request|Response) Body"`)
)

// nothing fails if there is a secret in any of it.
func (a *told) nothing(t *testing.T) {
	t.Helper()
	require.Greater(t, len(a.texts), 100)
	for _, one := range a.texts {
		if at := strings.Index(one.text, marked); at >= 0 {
			t.Errorf("%s: %q", one.of, one.text[max(0, at-200):min(len(one.text), at+50)])
		}
		for _, word := range inBase64.FindAllString(one.text, -1) {
			decoded, _ := base64.StdEncoding.DecodeString(word)
			require.NotContains(t, string(decoded), marked, "%s: %s", one.of, word)
		}
		for what, secret := range a.secrets {
			require.NotContains(t, one.text, secret, "%s: %s", one.of, what)
		}
		require.NotRegexp(t, bodies, one.text, one.of)
	}
}
