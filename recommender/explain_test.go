package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/sartor-vpa/sartor/docs/flagtable"
	"github.com/sartor-vpa/sartor/pkg/flags"
	"github.com/sartor-vpa/sartor/pkg/logging"
	"github.com/sartor-vpa/sartor/recommender/explain"
	"github.com/sartor-vpa/sartor/recommender/loop"
)

// explained runs recommender explain with args, away from any kubeconfig of this machine.
func explained(t *testing.T, args ...string) (out, errOut string, err error) {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	if _, set := os.LookupEnv("KUBECONFIG"); set {
		t.Setenv("KUBECONFIG", "")
	}
	cmd := newCommand()
	var stdout, stderr bytes.Buffer
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	cmd.SetArgs(append([]string{"explain"}, args...))
	err = cmd.ExecuteContext(t.Context())
	return stdout.String(), stderr.String(), err
}

// live is a running recommender that explains one VPA.
type live struct{ asked types.NamespacedName }

func (l *live) Explain(_ context.Context, name types.NamespacedName) (*loop.Explanation, error) {
	if l.asked = name; name.Name != "shop" {
		return nil, &loop.UnknownVPAError{VPA: name}
	}
	return &loop.Explanation{Live: true, Namespace: name.Namespace, VPA: name.Name, Target: "Deployment store/shop"}, nil
}

func TestTheRunningRecommenderIsAskedForATableOrForJSON(t *testing.T) {
	o := defaultOptions()
	server := httptest.NewServer(o.handlers(&probe{}, &probe{}, &explain.Server{Loop: &live{}})[explain.Path])
	defer server.Close()
	out, errOut, err := explained(t, "store/shop", "--live="+server.URL)
	require.NoError(t, err)
	require.Contains(t, out, "VPA                     store/shop\n")
	require.Empty(t, errOut)
	out, errOut, err = explained(t, "store/shop", "--live="+server.URL, "-o", "json")
	require.NoError(t, err)
	require.Contains(t, out, `"vpa": "shop"`)
	require.Empty(t, errOut)
	out, _, err = explained(t, "store/till", "--live="+server.URL)
	require.ErrorContains(t, err, "there is no VPA store/till")
	require.Empty(t, out)
}

func TestWhatCannotBeExplainedIsToldWithTheRemedy(t *testing.T) {
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer hanging.Close()
	for name, tc := range map[string]struct {
		args []string
		says string
	}{
		"no argument":            {nil, "needs one argument, NAMESPACE/VPA, such as store/shop, and not 0"},
		"two arguments":          {[]string{"store", "shop"}, "and not 2"},
		"no namespace":           {[]string{"shop"}, `must be NAMESPACE/NAME of a VPA and not "shop"; kubectl get vpa -A lists them`},
		"another output":         {[]string{"store/shop", "-o=yaml"}, `--output="yaml": must be table or json`},
		"no time":                {[]string{"store/shop", "--timeout=0s"}, "--timeout=0s: must be longer than 0"},
		"a wrong percentile":     {[]string{"store/shop", "--target-cpu-percentile=2"}, "--target-cpu-percentile=2: must be above 0"},
		"another's namespace":    {[]string{"store/shop", "--vpa-object-namespace=till"}, `--vpa-object-namespace="till": must be the VPA's namespace`},
		"an ignored namespace":   {[]string{"store/shop", "--ignored-vpa-object-namespaces=a,store"}, `--ignored-vpa-object-namespaces="store": must not be the VPA's namespace`},
		"no kubeconfig":          {[]string{"store/shop"}, "no kubeconfig: give --kubeconfig=FILE, or set KUBECONFIG"},
		"a kubeconfig not there": {[]string{"store/shop", "--kubeconfig=/does/not/exist"}, `--kubeconfig="/does/not/exist"`},
		"no answer in time":      {[]string{"store/shop", "--timeout=50ms", "--live=" + hanging.URL}, "--timeout=50ms is over"},
	} {
		t.Run(name, func(t *testing.T) {
			out, errOut, err := explained(t, tc.args...)
			require.ErrorContains(t, err, tc.says)
			require.Empty(t, out+errOut)
		})
	}
}

// kubeconfig is one of a server without authentication.
func kubeconfig(t *testing.T, server string) string {
	file := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(file, []byte(`{"apiVersion":"v1","kind":"Config","current-context":"c",
		"clusters":[{"name":"c","cluster":{"server":"`+server+`"}}],"contexts":[{"name":"c","context":{"cluster":"c"}}]}`), 0o600))
	return file
}

func TestAClusterWithoutTheCRDsIsTold(t *testing.T) {
	bare := httptest.NewServer(http.NotFoundHandler())
	defer bare.Close()
	_, errOut, err := explained(t, "store/shop", "--kubeconfig="+kubeconfig(t, bare.URL))
	require.ErrorContains(t, err, bare.URL+" knows no VPAs: install their custom resource definitions")
	require.Empty(t, errOut)
}

func TestTheKubeconfigIsWhatKubectlWouldUse(t *testing.T) {
	file := kubeconfig(t, "http://127.0.0.1:1")
	t.Setenv("KUBECONFIG", file)
	o := &explainOptions{options: defaultOptions()}
	config, err := o.config()
	require.NoError(t, err)
	require.Equal(t, "http://127.0.0.1:1", config.Host)
	require.InDelta(t, o.apiserver.QPS, config.QPS, 0)

	_, errOut, err := explained(t, "store/shop", "--kubeconfig="+file)
	require.ErrorContains(t, err, "http://127.0.0.1:1 cannot be read; --kubeconfig, KUBECONFIG and the current context say which API server it is")
	require.Empty(t, errOut)
}

func TestExplainTakesWhatTheRecommenderTakesAndListsWhatDecides(t *testing.T) {
	recommender, cmd := newCommand().Flags(), newExplainCommand()
	recommender.VisitAll(func(f *pflag.Flag) { require.NotNil(t, cmd.Flags().Lookup(f.Name), f.Name) })
	for _, row := range flagtable.Upstream(t, "recommender") {
		require.NotNil(t, cmd.Flags().Lookup(strings.ReplaceAll(row.Name, "_", "-")), row.Name)
	}
	out, _, err := explained(t, "--help")
	require.NoError(t, err)
	for line := range strings.Lines(out) {
		require.LessOrEqual(t, len(line), flags.Columns+1, line)
	}
	for _, decides := range []string{"--target-cpu-percentile", "--storage", "--recommendation-margin-fraction", "--release-candidate-suffix", "--recommender-name"} {
		require.Contains(t, out, decides)
	}
	for _, other := range []string{"--leader-elect", "--prometheus-address", "--address", "--update-worker-count"} {
		require.NotContains(t, out, "\n  "+other+" ")
	}
	// What the manifests of a deployment give may not fit this place.
	o := &explainOptions{options: defaultOptions(), output: outputTable, timeout: time.Second}
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.addFlags(fs)
	require.NoError(t, fs.Parse([]string{"--prometheus-address=http://p", "--prometheus-env-label=env", "--leader-elect", "--shards=4", "--address=:8942"}))
	require.NoError(t, o.validate(types.NamespacedName{Namespace: "store", Name: "shop"}))
}

func TestOnlyErrorsAreLogged(t *testing.T) {
	var out bytes.Buffer
	log := logging.New(&out, logging.Options{Verbosity: errorsOnly, Format: logging.FormatConsole})
	log.Info("VPA is tracked")
	log.V(1).Info("closer")
	require.Empty(t, out.String())
	log.Error(errors.New("refused"), "Checkpoints cannot be read")
	require.Contains(t, out.String(), "Checkpoints cannot be read")
}

func TestExplainWritesNothing(t *testing.T) {
	var c loop.Cluster = &readOnly{}
	_, err := c.WriteStatus(t.Context(), &vpav1.VerticalPodAutoscaler{}, vpav1.VerticalPodAutoscalerStatus{})
	require.ErrorIs(t, err, errReadOnly)
	require.ErrorIs(t, c.WriteCheckpoint(t.Context(), &vpav1.VerticalPodAutoscalerCheckpoint{}), errReadOnly)
	require.ErrorIs(t, c.DeleteCheckpoint(t.Context(), types.NamespacedName{}), errReadOnly)
	c.Event(&vpav1.VerticalPodAutoscaler{}, "Normal", "Reason", "message") // would panic if it reached the nil Cluster
}

// unreadable is a cluster whose checkpoints cannot be read.
type unreadable struct{ loop.Cluster }

func (unreadable) Checkpoints(context.Context, func(*vpav1.VerticalPodAutoscalerCheckpoint)) error {
	return errors.New("refused")
}

func TestAnExplanationWithoutCheckpointsThatCannotBeReadIsNone(t *testing.T) {
	view := &readOnly{Cluster: unreadable{}}
	require.ErrorContains(t, view.Checkpoints(t.Context(), nil), "refused")
	require.ErrorContains(t, view.failed, "refused")
}

func TestWhatWouldBeWaitedForInVainIsToldAtOnce(t *testing.T) {
	scheme := runtime.NewScheme()
	require.NoError(t, clientgoscheme.AddToScheme(scheme))
	require.NoError(t, vpav1.AddToScheme(scheme))
	shop := types.NamespacedName{Namespace: "store", Name: "shop"}
	pods := schema.GroupResource{Resource: "pods"}
	for name, tc := range map[string]struct {
		get, list error
		says      string
	}{
		"nothing is wrong": {},
		"no VPA":           {get: apierrors.NewNotFound(pods, "shop"), says: "there is no VPA store/shop: kubectl get vpa -n store lists those that there are"},
		"no CRDs":          {get: &meta.NoKindMatchError{}, says: "the-server knows no VPAs: install their custom resource definitions"},
		"no rights":        {list: apierrors.NewForbidden(pods, "", nil), says: "explain needs the right to get, list and watch verticalpodautoscalers, verticalpodautoscalercheckpoints, pods and what may own them, in namespace store"},
		"no server":        {get: errors.New("connection refused"), says: "the-server cannot be read; --kubeconfig, KUBECONFIG and the current context say which API server it is: connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			vpa := &vpav1.VerticalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: "store", Name: "shop"}}
			c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(vpa).WithInterceptorFuncs(interceptor.Funcs{
				Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
					return errors.Join(tc.get, c.Get(ctx, key, o, opts...))
				},
				List: func(ctx context.Context, c client.WithWatch, l client.ObjectList, opts ...client.ListOption) error {
					if tc.list != nil {
						return tc.list
					}
					return c.List(ctx, l, opts...)
				},
			}).Build()
			got, err := readable(t.Context(), c, "the-server", shop)
			if tc.says == "" {
				require.NoError(t, err)
				require.Equal(t, "default", recommenderOf(got))
				got.Spec.Recommenders = []*vpav1.VerticalPodAutoscalerRecommenderSelector{{Name: "mine"}}
				require.Equal(t, "mine", recommenderOf(got))
				return
			}
			require.ErrorContains(t, err, tc.says)
		})
	}
}
