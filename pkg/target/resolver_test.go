package target

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// reader is a client.Reader of metadata: "Kind/name" to the object's uid and its owners.
type reader struct {
	objects map[string]metav1.ObjectMeta
	err     error
	hold    chan struct{} // reads wait until it is closed
	reads   atomic.Int32
}

func (r *reader) Get(ctx context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	r.reads.Add(1)
	if r.hold != nil {
		select {
		case <-r.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if r.err != nil {
		return r.err
	}
	kind := object.GetObjectKind().GroupVersionKind().Kind
	found, ok := r.objects[kind+"/"+key.Name]
	if !ok {
		return apierrors.NewNotFound(schema.GroupResource{Resource: kind}, key.Name)
	}
	object.(*metav1.PartialObjectMetadata).ObjectMeta = found
	return nil
}

func (r *reader) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return errors.New("nothing here lists")
}

// kinds answers Scales from a set.
type kinds map[string]error

func (k kinds) Scalable(_ context.Context, gvk schema.GroupVersionKind) (bool, error) {
	err, ok := k[gvk.Kind]
	return ok && err == nil, err
}

func owned(apiVersion, kind, name string) []metav1.OwnerReference {
	yes := true
	return []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "no-controller"}, {APIVersion: apiVersion, Kind: kind, Name: name, Controller: &yes}}
}

var tree = map[string]metav1.ObjectMeta{
	"ReplicaSet/shop-5d":    {OwnerReferences: owned("apps/v1", "Deployment", "shop")},
	"ReplicaSet/rollout-5d": {OwnerReferences: owned("argoproj.io/v1alpha1", "Rollout", "shop")},
	"ReplicaSet/alone":      {},
	"Deployment/shop":       {},
	"Deployment/revision":   {OwnerReferences: owned("serving.knative.dev/v1", "Revision", "r1")},
	"StatefulSet/prom":      {OwnerReferences: owned("monitoring.coreos.com/v1", "Prometheus", "main")},
	"Job/nightly-1":         {OwnerReferences: owned("batch/v1", "CronJob", "nightly")},
	"CronJob/nightly":       {},
	"ReplicaSet/snake":      {OwnerReferences: owned("apps/v1", "ReplicaSet", "snake")},
}

func TestTopmostWalksUpToTheLastKnownOrScalableOwner(t *testing.T) {
	resolver := NewResolver(&reader{objects: tree}, &reader{}, kinds{"Rollout": nil, "Prometheus": nil})
	for name, tc := range map[string]struct {
		owners []metav1.OwnerReference
		want   string
	}{
		"deployment":               {owned("apps/v1", "ReplicaSet", "shop-5d"), "Deployment ns/shop"},
		"argo rollout":             {owned("apps/v1", "ReplicaSet", "rollout-5d"), "Rollout ns/shop"},
		"replica set of nobody":    {owned("apps/v1", "ReplicaSet", "alone"), "ReplicaSet ns/alone"},
		"cron job":                 {owned("batch/v1", "Job", "nightly-1"), "CronJob ns/nightly"},
		"operator that can scale":  {owned("apps/v1", "StatefulSet", "prom"), "Prometheus ns/main"},
		"operator that cannot":     {owned("apps/v1", "Deployment", "revision"), "Deployment ns/revision"},
		"bare pod":                 {nil, ""},
		"owner that does not rule": {owned("", "", "")[:1], ""},
		"mirror pod":               {owned("v1", "Node", "node-1"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, found, err := resolver.Topmost(t.Context(), "ns", tc.owners)
			require.NoError(t, err)
			require.Equal(t, tc.want != "", found)
			if found {
				require.Equal(t, tc.want, got.String())
			}
		})
	}
}

func TestACacheMissCostsOneLiveRead(t *testing.T) {
	cached, live := &reader{}, &reader{objects: tree}
	got, found, err := NewResolver(cached, live, kinds{}).Topmost(t.Context(), "ns", owned("batch/v1", "Job", "nightly-1"))
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, "CronJob ns/nightly", got.String())
	require.EqualValues(t, 2, live.reads.Load(), "one for the Job, one for the CronJob")
}

func TestAStaleCacheEntryOfTheSameNameIsNotBelieved(t *testing.T) {
	owners := owned("apps/v1", "ReplicaSet", "shop-5d")
	owners[1].UID = "new"
	old := map[string]metav1.ObjectMeta{"ReplicaSet/shop-5d": {UID: "old", OwnerReferences: owned("apps/v1", "Deployment", "wrong")}}
	fresh := map[string]metav1.ObjectMeta{"ReplicaSet/shop-5d": {UID: types.UID("new")}}

	got, _, err := NewResolver(&reader{objects: old}, &reader{objects: fresh}, kinds{}).Topmost(t.Context(), "ns", owners)
	require.NoError(t, err)
	require.Equal(t, "ReplicaSet ns/shop-5d", got.String())

	_, _, err = NewResolver(&reader{objects: old}, &reader{objects: old}, kinds{}).Topmost(t.Context(), "ns", owners)
	require.True(t, apierrors.IsNotFound(err), "the owner that was meant is gone: %v", err)
}

func TestAFailedLookupIsRetriedByTheNextCall(t *testing.T) {
	broken := errors.New("connection refused")
	live, scales := &reader{err: broken}, kinds{"Rollout": broken}
	resolver := NewResolver(&reader{}, live, scales)

	_, _, err := resolver.Topmost(t.Context(), "ns", owned("apps/v1", "ReplicaSet", "rollout-5d"))
	require.ErrorIs(t, err, broken)
	live.err, live.objects = nil, tree
	_, _, err = resolver.Topmost(t.Context(), "ns", owned("apps/v1", "ReplicaSet", "rollout-5d"))
	require.ErrorIs(t, err, broken)
	scales["Rollout"] = nil
	got, _, err := resolver.Topmost(t.Context(), "ns", owned("apps/v1", "ReplicaSet", "rollout-5d"))
	require.NoError(t, err)
	require.Equal(t, "Rollout ns/shop", got.String())
}

func TestBrokenOwnersAreErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		cached *reader
		owners []metav1.OwnerReference
		want   string
	}{
		"owner is gone":   {&reader{}, owned("apps/v1", "ReplicaSet", "gone"), "not found"},
		"cycle":           {&reader{objects: tree}, owned("apps/v1", "ReplicaSet", "snake"), "cycle"},
		"cache is broken": {&reader{err: errors.New("no informer")}, owned("apps/v1", "ReplicaSet", "x"), "no informer"},
		"bad version":     {&reader{}, owned("a/b/c", "ReplicaSet", "x"), "a/b/c"},
	} {
		t.Run(name, func(t *testing.T) {
			_, found, err := NewResolver(tc.cached, &reader{}, kinds{}).Topmost(t.Context(), "ns", tc.owners)
			require.ErrorContains(t, err, tc.want)
			require.False(t, found)
		})
	}
}

func TestTheCallersDeadlineEndsTheWait(t *testing.T) {
	live := &reader{hold: make(chan struct{})}
	defer close(live.hold)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := NewResolver(&reader{}, live, kinds{}).Topmost(ctx, "ns", owned("apps/v1", "ReplicaSet", "shop-5d"))
	require.ErrorIs(t, err, context.Canceled)
}

func TestABurstOfPodsSharesOneRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		live := &reader{objects: tree, hold: make(chan struct{})}
		resolver := NewResolver(&reader{}, live, kinds{})
		for range 50 {
			go func() {
				got, _, err := resolver.Topmost(t.Context(), "ns", owned("apps/v1", "ReplicaSet", "alone"))
				assert.NoError(t, err)
				assert.Equal(t, "ReplicaSet ns/alone", got.String())
			}()
		}
		synctest.Wait()
		close(live.hold)
		synctest.Wait()
		require.EqualValues(t, 1, live.reads.Load())
	})
}

func TestTransformKeepsIdentityAndController(t *testing.T) {
	object := metadataOf(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "ReplicaSet"})
	object.ObjectMeta = metav1.ObjectMeta{
		Namespace: "ns", Name: "shop-5d", UID: "u", ResourceVersion: "7",
		Labels: map[string]string{"a": "b"}, Annotations: map[string]string{"c": "d"}, Finalizers: []string{"f"},
		ManagedFields: []metav1.ManagedFieldsEntry{{}}, OwnerReferences: owned("apps/v1", "Deployment", "shop"),
	}
	got, err := Transform(object)
	require.NoError(t, err)
	want := metav1.ObjectMeta{Namespace: "ns", Name: "shop-5d", UID: "u", ResourceVersion: "7", OwnerReferences: owned("apps/v1", "Deployment", "shop")[1:]}
	require.Equal(t, want, got.(*metav1.PartialObjectMetadata).ObjectMeta)

	tombstone, err := Transform("not an object")
	require.NoError(t, err)
	require.Equal(t, "not an object", tombstone)
}

func TestEveryKindOfKubernetesIsWatchedInAStableOrder(t *testing.T) {
	var names []string
	for _, object := range Watched() {
		names = append(names, object.GetObjectKind().GroupVersionKind().Kind)
	}
	require.Equal(t, []string{"CronJob", "DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController", "StatefulSet"}, names)
}
