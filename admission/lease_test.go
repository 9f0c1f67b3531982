package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/utils/status"
	clientset "k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

var leaseName = types.NamespacedName{Namespace: "kube-system", Name: "vpa-admission-controller"}

func leases(t *testing.T, funcs interceptor.Funcs, objects ...client.Object) client.Client {
	scheme := runtime.NewScheme()
	require.NoError(t, coordinationv1.AddToScheme(scheme))
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(funcs).Build()
}

func held(t *testing.T, c client.Client) *coordinationv1.Lease {
	var found coordinationv1.Lease
	require.NoError(t, c.Get(t.Context(), leaseName, &found))
	return &found
}

func isReady(time.Time) error { return nil }

// TestUpstreamsUpdaterSeesTheLease asks upstream's own reader of it.
func TestUpstreamsUpdaterSeesTheLease(t *testing.T) {
	for name, objects := range map[string][]client.Object{
		"a manifest's":  {&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: leaseName.Namespace, Name: leaseName.Name, CreationTimestamp: metav1.Unix(1, 0)}}},
		"none is there": nil,
	} {
		t.Run(name, func(t *testing.T) {
			c := leases(t, interceptor.Funcs{}, objects...)
			l := &lease{client: c, name: leaseName, holder: "one", interval: 10 * time.Second, ready: isReady, log: logr.Discard()}
			require.NoError(t, l.renew(t.Context(), time.Now()))
			valid, err := status.NewValidator(clientset.NewClientset(held(t, c)), leaseName.Name, leaseName.Namespace).IsStatusValid(t.Context(), time.Minute)
			require.NoError(t, err)
			require.True(t, valid)

			require.NoError(t, l.renew(t.Context(), time.Now().Add(-2*time.Minute)))
			valid, err = status.NewValidator(clientset.NewClientset(held(t, c)), leaseName.Name, leaseName.Namespace).IsStatusValid(t.Context(), time.Minute)
			require.NoError(t, err)
			require.False(t, valid, "one of two minutes ago")
		})
	}
}

func TestOnlyTheReadyRenewTheLeaseAndNotTwice(t *testing.T) {
	now, writes := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), 0
	c := leases(t, interceptor.Funcs{Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
		writes++
		return c.Update(ctx, o, opts...)
	}}, &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: leaseName.Namespace, Name: leaseName.Name}})
	notReady := errors.New("caches are not synced")
	one := &lease{client: c, name: leaseName, holder: "one", interval: 10 * time.Second, ready: func(time.Time) error { return notReady }, log: logr.Discard()}
	two := &lease{client: c, name: leaseName, holder: "two", interval: 10 * time.Second, ready: isReady, log: logr.Discard()}

	require.NoError(t, one.renew(t.Context(), now))
	require.Nil(t, held(t, c).Spec.RenewTime)
	require.NoError(t, two.renew(t.Context(), now))
	require.Equal(t, "two", *held(t, c).Spec.HolderIdentity)
	notReady = nil
	require.NoError(t, one.renew(t.Context(), now.Add(2*time.Second)))
	require.Equal(t, 1, writes, "it was renewed just before")
	require.NoError(t, one.renew(t.Context(), now.Add(8*time.Second)))
	require.Equal(t, "one", *held(t, c).Spec.HolderIdentity)
	require.True(t, held(t, c).Spec.RenewTime.Equal(&metav1.MicroTime{Time: now.Add(8 * time.Second)}))
}

func TestALeaseThatCannotBeRenewedIsToldOnceWithTheRemedy(t *testing.T) {
	var told []string
	l := &lease{name: leaseName, log: funcr.New(func(_, line string) { told = append(told, line) }, funcr.Options{})}
	refused := errors.New("forbidden")
	for _, err := range []error{refused, refused, nil, nil} {
		l.tell(t.Context(), err)
	}
	require.Len(t, told, 2)
	require.Contains(t, told[0], "apply deploy/")
	require.Contains(t, told[1], "renewed again")
}

func TestReplicasThatRenewAtOnceDoNotComplain(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	two := &lease{name: leaseName, holder: "two", interval: 10 * time.Second, ready: isReady, log: logr.Discard()}
	raced := false
	c := leases(t, interceptor.Funcs{Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
		if !raced {
			raced = true
			require.NoError(t, two.renew(ctx, now))
		}
		return c.Update(ctx, o, opts...)
	}}, &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: leaseName.Namespace, Name: leaseName.Name}})
	two.client = c
	one := &lease{client: c, name: leaseName, holder: "one", interval: 10 * time.Second, ready: isReady, log: logr.Discard()}
	require.NoError(t, one.renew(t.Context(), now))
	require.True(t, raced)
	require.Equal(t, "two", *held(t, c).Spec.HolderIdentity)
}
