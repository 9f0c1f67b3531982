package target

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// maxDepth ends the walk up the owners. Pod, ReplicaSet, Deployment and an operator's resource make
// four; more than this is a cycle.
const maxDepth = 10

// Scales knows which kinds can be scaled.
type Scales interface {
	// Scalable reports whether objects of this kind are namespaced and have a /scale subresource.
	Scalable(ctx context.Context, gvk schema.GroupVersionKind) (bool, error)
}

// cache knows the owners of objects.
type cache interface {
	// owners returns the owners of the object with this name and uid, of which the controlling one is all that counts; false
	// if it is not there. An empty uid stands for whatever has the name now.
	owners(ctx context.Context, gvk schema.GroupVersionKind, key types.NamespacedName, uid types.UID) ([]metav1.OwnerReference, bool, error)
}

// Resolver finds the topmost controller of pods. It is safe for concurrent use.
type Resolver struct {
	cached cache
	live   client.Reader
	scales Scales
	reads  flights
}

// NewResolver returns a Resolver that reads metadata from cached (see Watched), and from live what
// the cache does not have: the first pod of a new ReplicaSet is often faster than the watch.
func NewResolver(cached, live client.Reader, scales Scales) *Resolver {
	return &Resolver{cached: cachedMetadata{cached}, live: live, scales: scales}
}

// NewResolverOf returns a Resolver that knows what owners know, and reads from live what they do not have.
func NewResolverOf(owners *Owners, live client.Reader, scales Scales) *Resolver {
	return &Resolver{cached: owners, live: live, scales: scales}
}

// Topmost returns the topmost controller above an object that lives in namespace and has these
// owners: the last one, walking up, that Kubernetes itself knows or that can be scaled, as upstream.
// False means that there is none: a bare pod, or one whose owners no VPA can name.
//
// An error means that an owner could not be read, or is not there (apierrors.IsNotFound). Nothing
// of that is remembered: the next call tries again.
func (r *Resolver) Topmost(ctx context.Context, namespace string, owners []metav1.OwnerReference) (Controller, bool, error) {
	var topmost Controller
	found := false
	for range maxDepth {
		owner := controllerRef(owners)
		if owner == nil {
			return topmost, found, nil
		}
		gv, err := schema.ParseGroupVersion(owner.APIVersion)
		if err != nil {
			return Controller{}, false, fmt.Errorf("owner %s %s/%s: %w", owner.Kind, namespace, owner.Name, err)
		}
		gk := canonical(gv.Group, owner.Kind)
		here := Controller{Group: gk.Group, Kind: gk.Kind, Namespace: namespace, Name: owner.Name}
		version, known := wellKnown[gk]
		if !known {
			return r.end(ctx, here, gv.WithKind(owner.Kind), topmost, found)
		}
		topmost, found = here, true
		if owners, err = r.owners(ctx, gk.WithVersion(version), here, owner.UID); err != nil {
			return Controller{}, false, fmt.Errorf("reading the owners of %s: %w", here, err)
		}
	}
	return Controller{}, false, fmt.Errorf("%s: over %d owners in a row, is it a cycle?", topmost, maxDepth)
}

// end ends the walk at an owner that Kubernetes itself does not know: it is the topmost if it can be
// scaled, else what came below is. Nothing lies beyond, for upstream as for us, since a Scale does
// not tell the owners of what it scales.
func (r *Resolver) end(ctx context.Context, owner Controller, gvk schema.GroupVersionKind, below Controller, found bool) (Controller, bool, error) {
	scalable, err := r.scales.Scalable(ctx, gvk)
	if err != nil {
		return Controller{}, false, fmt.Errorf("whether %s can be scaled: %w", owner, err)
	}
	if scalable {
		return owner, true, nil
	}
	return below, found, nil
}

// owners returns the owners of the controller with this uid: from the cache, else by one live read.
// An empty uid stands for whatever has the name now.
func (r *Resolver) owners(ctx context.Context, gvk schema.GroupVersionKind, c Controller, uid types.UID) ([]metav1.OwnerReference, error) {
	key := types.NamespacedName{Namespace: c.Namespace, Name: c.Name}
	if owners, known, err := r.cached.owners(ctx, gvk, key, uid); known || err != nil {
		return owners, err
	}
	read, err := r.reads.do(ctx, c.Group+"/"+c.String(), func(ctx context.Context) (any, error) {
		object := metadataOf(gvk)
		return object, r.live.Get(ctx, key, object)
	})
	if err != nil {
		return nil, err
	}
	object := read.(*metav1.PartialObjectMetadata)
	if !same(object, uid) {
		// The name was taken by another object since: the owner that was meant is gone.
		return nil, apierrors.NewNotFound(schema.GroupResource{Group: gvk.Group, Resource: gvk.Kind}, c.Name)
	}
	return object.OwnerReferences, nil
}

func same(object *metav1.PartialObjectMetadata, uid types.UID) bool {
	return uid == "" || object.UID == uid
}

// cachedMetadata is a cache of controller-runtime.
type cachedMetadata struct{ client.Reader }

func (c cachedMetadata) owners(ctx context.Context, gvk schema.GroupVersionKind, key types.NamespacedName, uid types.UID) ([]metav1.OwnerReference, bool, error) {
	object := metadataOf(gvk)
	if err := c.Get(ctx, key, object); err != nil {
		return nil, false, client.IgnoreNotFound(err)
	}
	return object.OwnerReferences, same(object, uid), nil
}
