package target

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata/fake"
	clienttesting "k8s.io/client-go/testing"
	"pgregory.net/rapid"
)

var replicaSets = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "ReplicaSet"}

func replicaSet(name, uid string, owners []metav1.OwnerReference) *metav1.PartialObjectMetadata {
	m := metadataOf(replicaSets)
	m.ObjectMeta = metav1.ObjectMeta{Namespace: "ns", Name: name, UID: types.UID(uid), OwnerReferences: owners}
	return m
}

func TestOwnersKnowWhatWasSeenLast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		owners, want := NewOwners(), map[string]*metav1.PartialObjectMetadata{}
		into := owners.into(replicaSets.GroupKind())
		any := func(label string) *metav1.PartialObjectMetadata {
			var of []metav1.OwnerReference
			if name := rapid.SampledFrom([]string{"", "shop", "store"}).Draw(t, label+" owner"); name != "" {
				of = owned("apps/v1", "Deployment", name)
			}
			return cut(replicaSet(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, label), rapid.SampledFrom([]string{"1", "2"}).Draw(t, label+" uid"), of))
		}
		for range rapid.IntRange(0, 30).Draw(t, "events") {
			switch rapid.IntRange(0, 5).Draw(t, "event") {
			case 0:
				want = map[string]*metav1.PartialObjectMetadata{}
				for range rapid.IntRange(0, 3).Draw(t, "listed") {
					m := any("listed")
					want[m.Name] = m
				}
				into.Replace(slices.Collect(maps.Values(want)))
			case 1:
				m := any("gone")
				into.Drop(m)
				delete(want, m.Name)
			default:
				m := any("set")
				into.Set(m)
				want[m.Name] = m
			}
		}
		refer := 0
		for _, name := range []string{"a", "b", "c"} {
			for _, uid := range []types.UID{"1", "2", ""} {
				got, known, err := owners.owners(t.Context(), replicaSets, types.NamespacedName{Namespace: "ns", Name: name}, uid)
				require.NoError(t, err)
				m, ok := want[name]
				require.Equal(t, ok && (uid == "" || uid == m.UID), known)
				if known {
					require.Equal(t, m.OwnerReferences, got)
				}
			}
			if want[name] != nil {
				refer += len(want[name].OwnerReferences)
			}
		}
		shared := 0
		for _, r := range owners.kinds[replicaSets.GroupKind()].owners {
			require.Positive(t, r.objects)
			shared += r.objects
		}
		require.Equal(t, refer, shared, "owners that nobody refers to are forgotten")
	})
}

func TestWatchesFillOwnersAndAResolverReadsFromThem(t *testing.T) {
	scheme := fake.NewTestScheme()
	require.NoError(t, metav1.AddMetaToScheme(scheme))
	client := fake.NewSimpleMetadataClient(scheme, replicaSet("shop-1", "u1", owned("apps/v1", "Deployment", "shop")))
	client.PrependWatchReactor("*", func(action clienttesting.Action) (bool, watch.Interface, error) {
		if action.(clienttesting.WatchActionImpl).ListOptions.SendInitialEvents != nil { // the fake cannot stream lists
			return true, nil, apierrors.NewInvalid(schema.GroupKind{}, "", nil)
		}
		return false, nil, nil
	})
	owners, live := NewOwners(), &reader{objects: tree}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var kinds []string
	for _, w := range owners.Watches(client) {
		go w.Run(ctx, logr.Discard())
		require.True(t, w.Settled(ctx))
		kinds = append(kinds, w.Kind())
	}
	require.Equal(t, "cronjobs daemonsets deployments jobs replicasets replicationcontrollers statefulsets", strings.Join(kinds, " "))

	resolver := NewResolverOf(owners, live, nil)
	refs := owned("apps/v1", "ReplicaSet", "shop-1")
	refs[1].UID = "u1"
	got, found, err := resolver.Topmost(t.Context(), "ns", refs)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, "Deployment ns/shop", got.String())
	require.EqualValues(t, 1, live.reads.Load(), "the Deployment itself is not in the cache")

	resource := client.Resource(replicaSets.GroupVersion().WithResource("replicasets")).Namespace("ns")
	require.NoError(t, resource.Delete(t.Context(), "shop-1", metav1.DeleteOptions{}))
	require.Eventually(t, func() bool {
		_, known, _ := owners.owners(t.Context(), replicaSets, types.NamespacedName{Namespace: "ns", Name: "shop-1"}, "")
		return !known
	}, 10*time.Second, time.Millisecond)
}

// heapOf is what 100 000 ReplicaSets of so many Deployments take, as they come from an API server: with nothing shared.
func heapOf(deployments int) float64 {
	const objects = 100_000
	live := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, owners := live(), NewOwners()
	into := owners.into(replicaSets.GroupKind())
	for i := range objects {
		service := fmt.Sprintf("some-service-%05d", i%deployments)
		into.Set(cut(replicaSet(fmt.Sprintf("%s-%010d", service, i), fmt.Sprintf("%08d-0000-4000-8000-000000000000", i), []metav1.OwnerReference{{
			APIVersion: strings.Clone("apps/v1"), Kind: strings.Clone("Deployment"), Name: service,
			UID: types.UID(fmt.Sprintf("%08d-1111-4000-8000-000000000000", i%deployments)), Controller: new(true),
		}})))
	}
	grown := live() - before
	runtime.KeepAlive(owners)
	return float64(grown)
}

func TestAHundredThousandReplicaSetsTakeLessThan60MB(t *testing.T) {
	few, many := heapOf(10_000), heapOf(100_000)
	t.Logf("of 10 000 Deployments %.1f MB, of 100 000 %.1f MB", few/1e6, many/1e6)
	require.Less(t, few, 60e6)
	require.Less(t, many, 60e6)
}
