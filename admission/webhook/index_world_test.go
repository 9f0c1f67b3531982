package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

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
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// selectorsOfKind are what workloads select: the i-th workload of a kind the i-th.
var selectorsOfKind = []metav1.LabelSelector{
	{MatchLabels: map[string]string{"a": "1"}},
	{MatchLabels: map[string]string{"a": "1", "b": "2"}},
	{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: metav1.LabelSelectorOpIn, Values: []string{"1", "2"}}, {Key: "b", Operator: metav1.LabelSelectorOpDoesNotExist}}},
	{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"1"}}, {Key: "b", Operator: metav1.LabelSelectorOpExists}}},
}

// kindsOfWorkloads is how many kinds newWorld has, one after the other.
const kindsOfWorkloads = 8

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
