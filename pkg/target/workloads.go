package target

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Workloads reads workloads by Client, as they are now.
type Workloads struct{ Client client.Client }

var _ SelectorReader = Workloads{}

// errNoSelector says that a workload tells no selector. A new one, whose controller did not get to it, may not yet.
var errNoSelector = errors.New("it has no selector in its status, or its kind has none there: set labelSelectorPath in the definition's scale subresource")

// awaited reports whether nothing is wrong: a VPA may be there before its target, and before its target's kind.
func awaited(err error) bool {
	return apierrors.IsNotFound(err) || meta.IsNoMatchError(err) || errors.Is(err, errNoSelector)
}

// unscaled are Kubernetes' own kinds without a /scale, and where their selector is.
var unscaled = map[schema.GroupKind]func(*unstructured.Unstructured) (labels.Selector, error){
	{Group: "apps", Kind: "DaemonSet"}: specSelector,
	{Group: "batch", Kind: "Job"}:      specSelector,
	{Group: "batch", Kind: "CronJob"}:  templateLabels,
}

// Selector implements SelectorReader. As upstream, it is the one in the status of /scale, for what has one; for a CronJob,
// which has no selector, the labels of its pods.
func (w Workloads) Selector(ctx context.Context, c Controller) (labels.Selector, error) {
	gk := schema.GroupKind{Group: c.Group, Kind: c.Kind}
	mappings, err := w.mappings(gk)
	if err != nil {
		return nil, fmt.Errorf("finding the kind of %s: %w", c, err)
	}
	for _, mapping := range mappings {
		var selector labels.Selector
		if selector, err = w.selector(ctx, mapping.GroupVersionKind, types.NamespacedName{Namespace: c.Namespace, Name: c.Name}); err == nil {
			return selector, nil
		}
	}
	return nil, fmt.Errorf("reading the selector of %s: %w", c, err)
}

// mappings are where a kind is served, never none: one version may have a /scale that another has not.
func (w Workloads) mappings(gk schema.GroupKind) ([]*meta.RESTMapping, error) {
	if version, ok := wellKnown[gk]; ok {
		return w.Client.RESTMapper().RESTMappings(gk, version)
	}
	return w.Client.RESTMapper().RESTMappings(gk)
}

func (w Workloads) selector(ctx context.Context, gvk schema.GroupVersionKind, key types.NamespacedName) (labels.Selector, error) {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(gvk)
	if selectorOf, ok := unscaled[gvk.GroupKind()]; ok {
		if err := w.Client.Get(ctx, key, object); err != nil {
			return nil, err
		}
		return selectorOf(object)
	}
	object.SetNamespace(key.Namespace)
	object.SetName(key.Name)
	scale := &unstructured.Unstructured{}
	if err := w.Client.SubResource("scale").Get(ctx, object, scale); err != nil {
		return nil, err
	}
	text, _, err := unstructured.NestedString(scale.Object, "status", "selector")
	if err != nil || text == "" {
		return nil, errors.Join(err, errNoSelector)
	}
	return labels.Parse(text)
}

func specSelector(object *unstructured.Unstructured) (labels.Selector, error) {
	content, found, err := unstructured.NestedMap(object.Object, "spec", "selector")
	if err != nil || !found {
		return nil, errors.Join(err, errNoSelector)
	}
	var selector metav1.LabelSelector
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, &selector); err != nil {
		return nil, err
	}
	return metav1.LabelSelectorAsSelector(&selector)
}

// templateLabels selects by the labels of a CronJob's pods. Without any, as kubectl makes them, it selects all.
func templateLabels(object *unstructured.Unstructured) (labels.Selector, error) {
	set, _, err := unstructured.NestedStringMap(object.Object, "spec", "jobTemplate", "spec", "template", "metadata", "labels")
	if err != nil {
		return nil, err
	}
	return labels.ValidatedSelectorFromSet(set)
}
