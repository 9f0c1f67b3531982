package target

import (
	"context"
	"strings"
	"sync"
	"unique"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/sartor-vpa/sartor/pkg/mirror"
)

// Owners knows who controls the objects of the kinds that Kubernetes itself has, by Watches. An object takes some 200
// bytes, where a cache of metadata takes six times that: its name, its uid, and its owner, which is one for all that
// have it. It is safe for concurrent use.
type Owners struct {
	kinds map[schema.GroupKind]*relatives
}

// relatives are the objects of one kind.
type relatives struct {
	mu      sync.RWMutex
	objects map[types.NamespacedName]object
	owners  map[owner]*reference
}

// object is one that may have an owner.
type object struct {
	uid   types.UID
	owner *reference // nil for none
}

// owner names the owner of objects.
type owner struct {
	apiVersion, kind, name string
	uid                    types.UID
}

// reference is an owner as objects refer to it, and how many do.
type reference struct {
	list    [1]metav1.OwnerReference
	objects int
}

// yes is what all references point to.
var yes = true

// NewOwners returns Owners that know nothing yet.
func NewOwners() *Owners {
	o := &Owners{kinds: make(map[schema.GroupKind]*relatives, len(wellKnown))}
	for gk := range wellKnown {
		o.kinds[gk] = &relatives{objects: map[types.NamespacedName]object{}, owners: map[owner]*reference{}}
	}
	return o
}

// Watches returns the watches that fill o, one for each kind, by client.
func (o *Owners) Watches(client metadata.Interface) []*mirror.Watch {
	var watches []*mirror.Watch
	for _, gvk := range watched() {
		resource := strings.ToLower(gvk.Kind) + "s"
		lister := listWatch(client.Resource(gvk.GroupVersion().WithResource(resource)))
		feed := mirror.NewFeed(cut, o.into(gvk.GroupKind()))
		watches = append(watches, mirror.NewWatch(resource, mirror.InPages(lister, cut), metadataOf(gvk), feed).
			Needed("allow to list and watch "+resource+": they tell which workload a pod belongs to"))
	}
	return watches
}

func cut(m *metav1.PartialObjectMetadata) *metav1.PartialObjectMetadata {
	strip(m)
	return m
}

func (o *Owners) into(gk schema.GroupKind) mirror.Into[*metav1.PartialObjectMetadata] {
	kind := o.kinds[gk]
	return mirror.Into[*metav1.PartialObjectMetadata]{Set: kind.set, Drop: kind.drop, Replace: kind.replace}
}

var _ cache = (*Owners)(nil)

// owners implements cache. What it returns is shared: read only.
func (o *Owners) owners(_ context.Context, gvk schema.GroupVersionKind, key types.NamespacedName, uid types.UID) ([]metav1.OwnerReference, bool, error) {
	kind := o.kinds[gvk.GroupKind()]
	kind.mu.RLock()
	defer kind.mu.RUnlock()
	found, ok := kind.objects[key]
	switch {
	case !ok || uid != "" && uid != found.uid:
		return nil, false, nil
	case found.owner == nil:
		return nil, true, nil
	}
	return found.owner.list[:], true, nil
}

func (k *relatives) set(m *metav1.PartialObjectMetadata) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.put(m)
}

func (k *relatives) drop(m *metav1.PartialObjectMetadata) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key := types.NamespacedName{Namespace: m.Namespace, Name: m.Name}
	k.release(k.objects[key].owner)
	delete(k.objects, key)
}

func (k *relatives) replace(all []*metav1.PartialObjectMetadata) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.objects, k.owners = make(map[types.NamespacedName]object, len(all)), map[owner]*reference{}
	for _, m := range all {
		k.put(m)
	}
}

// put takes in an object. The caller holds the lock.
func (k *relatives) put(m *metav1.PartialObjectMetadata) {
	key := types.NamespacedName{Namespace: unique.Make(m.Namespace).Value(), Name: m.Name}
	before := k.objects[key]
	k.objects[key] = object{uid: m.UID, owner: k.reference(controllerRef(m.OwnerReferences))}
	k.release(before.owner)
}

// reference is the one that all objects share which have this owner; nil for none.
func (k *relatives) reference(to *metav1.OwnerReference) *reference {
	if to == nil {
		return nil
	}
	key := owner{apiVersion: to.APIVersion, kind: to.Kind, name: to.Name, uid: to.UID}
	r, ok := k.owners[key]
	if !ok {
		key.apiVersion, key.kind = unique.Make(to.APIVersion).Value(), unique.Make(to.Kind).Value()
		r = &reference{list: [1]metav1.OwnerReference{{APIVersion: key.apiVersion, Kind: key.kind, Name: key.name, UID: key.uid, Controller: &yes}}}
		k.owners[key] = r
	}
	r.objects++
	return r
}

// release forgets an owner that nothing refers to any more.
func (k *relatives) release(r *reference) {
	if r == nil {
		return
	}
	if r.objects--; r.objects == 0 {
		to := &r.list[0]
		delete(k.owners, owner{apiVersion: to.APIVersion, kind: to.Kind, name: to.Name, uid: to.UID})
	}
}

func listWatch(resource metadata.ResourceInterface) *toolscache.ListWatch {
	return &toolscache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return resource.List(ctx, o)
		},
		WatchFuncWithContext: resource.Watch,
	}
}
