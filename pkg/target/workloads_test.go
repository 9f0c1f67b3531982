package target

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// served are what an API server answers, by path; anything else is not found.
type served map[string]string

func (s served) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	text, ok := s[r.URL.Path]
	switch {
	case !ok:
		w.WriteHeader(http.StatusNotFound)
		text = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"not found"}`
	case text == "500":
		w.WriteHeader(http.StatusInternalServerError)
		text = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"InternalError","code":500,"message":"etcdserver: leader changed"}`
	}
	fmt.Fprint(w, text)
}

// workloads reads from an API server that has Kubernetes' own kinds, and Rollouts in two versions.
func workloads(t *testing.T, s served) Workloads {
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	rollouts := schema.GroupVersion{Group: "argoproj.io", Version: "v1alpha1"}
	next := schema.GroupVersion{Group: "argoproj.io", Version: "v1"}
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{next, rollouts})
	for gk, version := range wellKnown {
		mapper.Add(gk.WithVersion(version), meta.RESTScopeNamespace)
	}
	mapper.Add(rollouts.WithKind("Rollout"), meta.RESTScopeNamespace)
	mapper.Add(next.WithKind("Rollout"), meta.RESTScopeNamespace)
	c, err := client.New(&rest.Config{Host: server.URL, QPS: -1}, client.Options{HTTPClient: server.Client(), Scheme: runtime.NewScheme(), Mapper: mapper})
	require.NoError(t, err)
	return Workloads{c}
}

func scaleOf(selector string) string {
	return fmt.Sprintf(`{"kind":"Scale","apiVersion":"autoscaling/v1","metadata":{"name":"shop","namespace":"ns"},"status":{"replicas":1,"selector":%q}}`, selector)
}

func TestASelectorIsReadWhereUpstreamReadsIt(t *testing.T) {
	const (
		core, apps, batch = "/api/v1/namespaces/ns/", "/apis/apps/v1/namespaces/ns/", "/apis/batch/v1/namespaces/ns/"
		argo, argoNext    = "/apis/argoproj.io/v1alpha1/namespaces/ns/", "/apis/argoproj.io/v1/namespaces/ns/"
	)
	in := func(group, kind string) Controller { return Controller{group, kind, "ns", "shop"} }
	for name, tc := range map[string]struct {
		of      Controller
		answers served
		want    string
	}{
		"deployment":               {in("apps", "Deployment"), served{apps + "deployments/shop/scale": scaleOf("app=shop,tier in (api,web)")}, "app=shop,tier in (api,web)"},
		"replica set":              {in("apps", "ReplicaSet"), served{apps + "replicasets/shop/scale": scaleOf("app=shop")}, "app=shop"},
		"stateful set":             {in("apps", "StatefulSet"), served{apps + "statefulsets/shop/scale": scaleOf("app=shop")}, "app=shop"},
		"replication controller":   {in("", "ReplicationController"), served{core + "replicationcontrollers/shop/scale": scaleOf("app=shop")}, "app=shop"},
		"rollout":                  {in("argoproj.io", "Rollout"), served{argoNext + "rollouts/shop/scale": scaleOf("app=shop")}, "app=shop"},
		"rollout, another version": {in("argoproj.io", "Rollout"), served{argo + "rollouts/shop/scale": scaleOf("app=shop")}, "app=shop"},
		"daemon set": {in("apps", "DaemonSet"), served{apps + "daemonsets/shop": `{"kind":"DaemonSet","apiVersion":"apps/v1","spec":{"selector":{
			"matchLabels":{"app":"shop"},"matchExpressions":[{"key":"canary","operator":"DoesNotExist"}]}}}`}, "app=shop,!canary"},
		"job": {in("batch", "Job"), served{batch + "jobs/shop": `{"kind":"Job","apiVersion":"batch/v1","spec":{"selector":{
			"matchLabels":{"batch.kubernetes.io/controller-uid":"7"}}}}`}, "batch.kubernetes.io/controller-uid=7"},
		"cron job": {in("batch", "CronJob"), served{batch + "cronjobs/shop": `{"kind":"CronJob","apiVersion":"batch/v1","spec":{
			"jobTemplate":{"spec":{"template":{"metadata":{"labels":{"app":"shop"}}}}}}}`}, "app=shop"},
		"cron job without labels": {in("batch", "CronJob"), served{batch + "cronjobs/shop": `{"kind":"CronJob","apiVersion":"batch/v1","spec":{
			"jobTemplate":{"spec":{"template":{"metadata":{}}}}}}`}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := workloads(t, tc.answers).Selector(t.Context(), tc.of)
			require.NoError(t, err)
			want, err := labels.Parse(tc.want)
			require.NoError(t, err)
			require.Equal(t, want.String(), got.String())
			require.Equal(t, want.Matches(labels.Set{}), got.Matches(labels.Set{}), "all, or nothing")
		})
	}
}

func TestASelectorThatCannotBeReadIsAnErrorWithItsReason(t *testing.T) {
	const path = "/apis/argoproj.io/v1/namespaces/ns/rollouts/shop/scale"
	older := "/apis/argoproj.io/v1alpha1/namespaces/ns/rollouts/shop/scale"
	for name, tc := range map[string]struct {
		kind    string
		answers served
		want    string
		awaited bool
	}{
		"not there":            {"Rollout", served{}, "not found", true},
		"a kind not served":    {"Saga", served{}, "no matches for", true},
		"no selector":          {"Rollout", served{path: scaleOf(""), older: scaleOf("")}, "labelSelectorPath", true},
		"no status":            {"Rollout", served{path: `{"kind":"Scale","apiVersion":"autoscaling/v1"}`, older: scaleOf("")}, "labelSelectorPath", true},
		"a selector of no use": {"Rollout", served{path: scaleOf("a in ("), older: scaleOf("app in")}, "unable to parse", false},
		"a selector of a type": {"Rollout", served{path: `{"kind":"Scale","apiVersion":"autoscaling/v1","status":{"selector":{"a":"b"}}}`, older: "500"}, "leader changed", false},
		"the API server fails": {"Rollout", served{path: "500", older: "500"}, "leader changed", false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := workloads(t, tc.answers).Selector(t.Context(), Controller{"argoproj.io", tc.kind, "ns", "shop"})
			require.ErrorContains(t, err, tc.want)
			require.ErrorContains(t, err, tc.kind+" ns/shop")
			require.Equal(t, tc.awaited, awaited(err), "%v", err)
		})
	}
}

func TestADaemonSetThatCannotBeUnderstoodIsAnError(t *testing.T) {
	const path = "/apis/apps/v1/namespaces/ns/daemonsets/shop"
	for name, spec := range map[string]string{"no selector": `{}`, "a string": `{"selector":"app=shop"}`, "an odd operator": `{"selector":{"matchExpressions":[{"key":"a","operator":"Is"}]}}`} {
		t.Run(name, func(t *testing.T) {
			w := workloads(t, served{path: `{"kind":"DaemonSet","apiVersion":"apps/v1","spec":` + spec + `}`})
			_, err := w.Selector(t.Context(), Controller{"apps", "DaemonSet", "ns", "shop"})
			require.ErrorContains(t, err, "DaemonSet ns/shop")
		})
	}
}
