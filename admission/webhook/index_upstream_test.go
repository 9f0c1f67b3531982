package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	upstreamvpa "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/admission-controller/resource/vpa"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	upstreamtarget "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/target"
	controllerfetcher "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/target/controller_fetcher"
	vpautil "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/utils/vpa"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	kubernetesfake "k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/target"
)

// selectorsOfKind are what workloads select: the i-th workload of a kind the i-th.
var selectorsOfKind = []metav1.LabelSelector{
	{MatchLabels: map[string]string{"a": "1"}},
	{MatchLabels: map[string]string{"a": "1", "b": "2"}},
	{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: metav1.LabelSelectorOpIn, Values: []string{"1", "2"}}, {Key: "b", Operator: metav1.LabelSelectorOpDoesNotExist}}},
	{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"1"}}, {Key: "b", Operator: metav1.LabelSelectorOpExists}}},
}

// workload is one that VPAs name, and who owns its pods.
type workload struct {
	ref   autoscalingv1.CrossVersionObjectReference
	owner metav1.OwnerReference
}

// world is a cluster as both see it: upstream by informers, and by HTTP what it does not know; we by HTTP.
type world struct {
	objects   []runtime.Object
	answers   map[string]any // by path
	workloads []workload
}

const rollouts = "argoproj.io/v1alpha1"

// newWorld has workloads of every kind for each selector. None of them is valid: their pods' labels are whatever they are.
func newWorld(t *testing.T) *world {
	w := &world{answers: map[string]any{
		"/api":    metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}},
		"/api/v1": metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: "v1"},
		"/apis": metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}, Groups: []metav1.APIGroup{{
			Name: "argoproj.io", Versions: []metav1.GroupVersionForDiscovery{{GroupVersion: rollouts, Version: "v1alpha1"}},
			PreferredVersion: metav1.GroupVersionForDiscovery{GroupVersion: rollouts, Version: "v1alpha1"},
		}}},
		"/apis/" + rollouts: metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: rollouts, APIResources: []metav1.APIResource{
			{Name: "rollouts", Namespaced: true, Kind: "Rollout"}, {Name: "rollouts/scale", Namespaced: true, Kind: "Scale", Group: "autoscaling", Version: "v1"},
		}},
	}}
	for i := range selectorsOfKind {
		selector, name := &selectorsOfKind[i], fmt.Sprintf("w%d", i)
		text, err := metav1.LabelSelectorAsSelector(selector)
		require.NoError(t, err)
		set := map[string]string{"a": "1"}
		if i > 1 {
			set["b"] = fmt.Sprint(i)
		}
		at := metav1.ObjectMeta{Namespace: "store", Name: name}
		const apps, batch, core = "/apis/apps/v1", "/apis/batch/v1", "/api/v1"
		w.scaled(apps, "Deployment", "apps/v1", &appsv1.Deployment{ObjectMeta: at, Spec: appsv1.DeploymentSpec{Selector: selector}}, name, text)
		w.scaled(apps, "StatefulSet", "apps/v1", &appsv1.StatefulSet{ObjectMeta: at, Spec: appsv1.StatefulSetSpec{Selector: selector}}, name, text)
		w.scaled(apps, "ReplicaSet", "apps/v1", &appsv1.ReplicaSet{ObjectMeta: at, Spec: appsv1.ReplicaSetSpec{Selector: selector}}, name, text)
		w.scaled(core, "ReplicationController", "v1", &corev1.ReplicationController{ObjectMeta: at, Spec: corev1.ReplicationControllerSpec{Selector: set}}, name, labels.SelectorFromSet(set))
		w.scaled("/apis/"+rollouts, "Rollout", rollouts, nil, name, text)
		w.whole(apps, "DaemonSet", "apps/v1", &appsv1.DaemonSet{TypeMeta: metav1.TypeMeta{Kind: "DaemonSet", APIVersion: "apps/v1"}, ObjectMeta: at, Spec: appsv1.DaemonSetSpec{Selector: selector}}, name)
		w.whole(batch, "Job", "batch/v1", &batchv1.Job{TypeMeta: metav1.TypeMeta{Kind: "Job", APIVersion: "batch/v1"}, ObjectMeta: at, Spec: batchv1.JobSpec{Selector: selector}}, name)
		cronJob := &batchv1.CronJob{TypeMeta: metav1.TypeMeta{Kind: "CronJob", APIVersion: "batch/v1"}, ObjectMeta: at}
		cronJob.Spec.JobTemplate.Spec.Template.Labels = set
		w.whole(batch, "CronJob", "batch/v1", cronJob, name)
	}
	return w
}

// scaled adds a workload that tells its selector by /scale.
func (w *world) scaled(path, kind, apiVersion string, object runtime.Object, name string, selector labels.Selector) {
	w.answers[fmt.Sprintf("%s/namespaces/store/%ss/%s/scale", path, strings.ToLower(kind), name)] = autoscalingv1.Scale{
		TypeMeta:   metav1.TypeMeta{Kind: "Scale", APIVersion: "autoscaling/v1"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "store", Name: name}, Status: autoscalingv1.ScaleStatus{Selector: selector.String()},
	}
	w.add(kind, apiVersion, object, name)
}

// whole adds a workload that tells its selector itself.
func (w *world) whole(path, kind, apiVersion string, object runtime.Object, name string) {
	w.answers[fmt.Sprintf("%s/namespaces/store/%ss/%s", path, strings.ToLower(kind), name)] = object
	w.add(kind, apiVersion, object, name)
}

func controlledBy(apiVersion, kind, name string) []metav1.OwnerReference {
	return []metav1.OwnerReference{{APIVersion: apiVersion, Kind: kind, Name: name, Controller: &yes}}
}

func (w *world) add(kind, apiVersion string, object runtime.Object, name string) {
	if object != nil {
		w.objects = append(w.objects, object)
	}
	owner := controlledBy(apiVersion, kind, name)[0]
	made := metav1.ObjectMeta{Namespace: "store", Name: strings.ToLower(kind) + "-" + name, OwnerReferences: []metav1.OwnerReference{owner}}
	switch kind {
	case "Deployment", "Rollout":
		w.objects = append(w.objects, &appsv1.ReplicaSet{ObjectMeta: made})
		owner = controlledBy("apps/v1", "ReplicaSet", made.Name)[0]
	case "CronJob":
		w.objects = append(w.objects, &batchv1.Job{ObjectMeta: made})
		owner = controlledBy("batch/v1", "Job", made.Name)[0]
	}
	w.workloads = append(w.workloads, workload{autoscalingv1.CrossVersionObjectReference{APIVersion: apiVersion, Kind: kind, Name: name}, owner})
}

func (w *world) ServeHTTP(to http.ResponseWriter, r *http.Request) {
	answer, ok := w.answers[r.URL.Path]
	if !ok {
		http.NotFound(to, r)
		return
	}
	to.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(to).Encode(answer)
}

// Get implements client.Reader, of metadata.
func (w *world) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	for _, o := range w.objects {
		m, err := meta.Accessor(o)
		if err == nil && m.GetName() == key.Name && strings.HasSuffix(fmt.Sprintf("%T", o), "."+object.GetObjectKind().GroupVersionKind().Kind) {
			object.SetOwnerReferences(m.GetOwnerReferences())
			return nil
		}
	}
	return fmt.Errorf("there is no %v", key)
}

// List implements client.Reader.
func (w *world) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return errors.New("nothing is listed")
}

// Scalable implements target.Scales.
func (w *world) Scalable(_ context.Context, gvk schema.GroupVersionKind) (bool, error) {
	return gvk.Kind == "Rollout", nil
}

// upstreams is upstream's matcher in this world, of the VPAs in the indexer.
func (w *world) upstreams(t *testing.T, config *rest.Config) (toolscache.Indexer, upstreamvpa.Matcher) {
	never := make(chan struct{})
	t.Cleanup(func() { close(never) })
	factory := informers.NewSharedInformerFactory(kubernetesfake.NewSimpleClientset(w.objects...), time.Hour)
	live := kubernetes.NewForConfigOrDie(config)
	selectors := upstreamtarget.NewVpaTargetSelectorFetcher(config, live, factory, never)
	controllers := controllerfetcher.NewControllerFetcher(config, live, factory, time.Hour, time.Hour, 1, never)
	factory.Start(never)
	factory.WaitForCacheSync(never)
	indexer := toolscache.NewIndexer(toolscache.MetaNamespaceKeyFunc, toolscache.Indexers{vpautil.TargetRefIndex: vpautil.TargetRefIndexFunc})
	return indexer, upstreamvpa.NewMatcher(indexer, selectors, controllers)
}

// ours finds the VPA of a pod as the handler does.
func (w *world) ours(t *testing.T, config *rest.Config) func(ctx context.Context, vpas []*vpav1.VerticalPodAutoscaler, pod *corev1.Pod) string {
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{{Group: "argoproj.io", Version: "v1alpha1"}})
	for _, one := range w.workloads {
		mapper.Add(schema.FromAPIVersionAndKind(one.ref.APIVersion, one.ref.Kind), meta.RESTScopeNamespace)
	}
	live, err := client.New(config, client.Options{Scheme: runtime.NewScheme(), Mapper: mapper})
	require.NoError(t, err)
	owners, selectors := target.NewResolver(w, w, w), target.NewSelectors(target.Workloads{Client: live}, logr.Discard())
	return func(ctx context.Context, vpas []*vpav1.VerticalPodAutoscaler, pod *corev1.Pod) string {
		index := NewIndex(policy.Cluster{}, logr.Discard())
		index.Selectors = selectors
		index.Into().Replace(vpas)
		topmost, found, err := owners.Topmost(ctx, pod.Namespace, pod.OwnerReferences)
		if err != nil {
			panic(err)
		}
		control := index.Controlling(topmost)
		if !found || control == nil || !control.Selects(ctx, labels.Set(pod.Labels)) {
			return ""
		}
		return control.Name
	}
}

// TestAPodHasTheVPAThatUpstreamsMatcherFinds matches by upstream's own code, with its fetchers of controllers and selectors.
func TestAPodHasTheVPAThatUpstreamsMatcherFinds(t *testing.T) {
	w := newWorld(t)
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	config := &rest.Config{Host: server.URL, QPS: -1}
	indexer, matcher := w.upstreams(t, config)
	ours := w.ours(t, config)
	matched, left := map[string]int{}, map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		workload := func(label string) workload { return rapid.SampledFrom(w.workloads).Draw(t, label) }
		favourite := workload("favourite")
		var vpas []*vpav1.VerticalPodAutoscaler
		var items []any
		for i := range rapid.IntRange(1, 4).Draw(t, "VPAs") {
			v := born(vpa(fmt.Sprintf("v%d", i)), rapid.Int64Range(1, 2).Draw(t, "age"), rapid.SampledFrom([]vpav1.UpdateMode{"Off", "Initial", "Recreate"}).Draw(t, "mode"))
			ref := favourite.ref
			if rapid.IntRange(0, 2).Draw(t, "elsewhere") == 0 {
				ref = workload("target").ref
			}
			v.Spec.TargetRef = &ref
			vpas, items = append(vpas, v), append(items, v)
		}
		require.NoError(t, indexer.Replace(items, "1"))
		for range 4 {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "store", Name: "p", OwnerReferences: []metav1.OwnerReference{favourite.owner}}}
			pod.Labels = rapid.MapOf(rapid.SampledFrom([]string{"a", "b"}), rapid.SampledFrom([]string{"1", "2", ""})).Draw(t, "labels")
			want := ""
			if v := matcher.GetMatchingVPA(t.Context(), pod); v != nil {
				want = v.Name
			}
			require.Equal(t, want, ours(t.Context(), vpas, pod), "a pod of %v with labels %v", favourite.ref, pod.Labels)
			if want != "" {
				matched[favourite.ref.Kind]++
			} else {
				left[favourite.ref.Kind]++
			}
		}
	})
	require.Len(t, matched, 8, "pods of every kind are matched: %v", matched)
	require.Len(t, left, 8, "and others of every kind are not: %v", left)
}
