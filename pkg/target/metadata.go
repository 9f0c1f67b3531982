package target

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Watched returns what a Resolver's cache has to hold, as metadata only: every kind that Kubernetes
// itself has, since operators own Deployments and StatefulSets just as Deployments own ReplicaSets.
// Ask the cache for an informer of each at start: the first pod should not wait for a list.
func Watched() []client.Object {
	var objects []client.Object
	for _, gvk := range watched() {
		objects = append(objects, metadataOf(gvk))
	}
	return objects
}

// watched are the kinds of Watched, by name.
func watched() []schema.GroupVersionKind {
	var kinds []schema.GroupVersionKind
	for gk, version := range wellKnown {
		kinds = append(kinds, gk.WithVersion(version))
	}
	slices.SortFunc(kinds, func(a, b schema.GroupVersionKind) int { return cmp.Compare(a.Kind, b.Kind) })
	return kinds
}

// Transform cuts an object's metadata down to its identity and its controlling owner, before it
// enters a cache: 100 000 ReplicaSets are otherwise mostly labels, annotations and managed fields.
// What is not a Kubernetes object (a tombstone) passes unchanged.
func Transform(object any) (any, error) {
	m, err := meta.Accessor(object)
	if err != nil {
		return object, nil
	}
	strip(m)
	return object, nil
}

// strip leaves of m its identity and its controlling owner.
func strip(m metav1.Object) {
	m.SetManagedFields(nil)
	m.SetAnnotations(nil)
	m.SetLabels(nil)
	m.SetFinalizers(nil)
	var owners []metav1.OwnerReference
	if owner := controllerRef(m.GetOwnerReferences()); owner != nil {
		owners = []metav1.OwnerReference{*owner}
	}
	m.SetOwnerReferences(owners)
}

func metadataOf(gvk schema.GroupVersionKind) *metav1.PartialObjectMetadata {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(gvk)
	return object
}
