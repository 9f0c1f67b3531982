package target

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var rollout = schema.GroupVersionKind{Group: "argoproj.io", Version: "v1alpha1", Kind: "Rollout"}

// lister is a ResourceLister whose answer can be changed.
type lister struct {
	resources []metav1.APIResource
	err       error
	calls     int
}

func (l *lister) ServerResourcesForGroupVersionWithContext(context.Context, string) (*metav1.APIResourceList, error) {
	l.calls++
	return &metav1.APIResourceList{APIResources: l.resources}, l.err
}

var argo = []metav1.APIResource{
	{Name: "rollouts/scale", Kind: "Scale", Namespaced: true},
	{Name: "rollouts", Kind: "Rollout", Namespaced: true},
	{Name: "analysisruns", Kind: "AnalysisRun", Namespaced: true},
	{Name: "clusterthings", Kind: "ClusterThing"},
	{Name: "clusterthings/scale", Kind: "Scale"},
}

func TestAKindIsScalableIfDiscoveryListsItsScale(t *testing.T) {
	d := NewDiscovery(&lister{resources: argo})
	for kind, want := range map[string]bool{"Rollout": true, "AnalysisRun": false, "ClusterThing": false, "Scale": false, "Unknown": false} {
		got, err := d.Scalable(t.Context(), rollout.GroupVersion().WithKind(kind))
		require.NoError(t, err)
		require.Equal(t, want, got, kind)
	}
}

func TestAnswersAreKeptForAWhileAndFailuresNever(t *testing.T) {
	l := &lister{err: errors.New("500")}
	d := NewDiscovery(l)
	now := time.Unix(0, 0)
	d.now = func() time.Time { return now }

	_, err := d.Scalable(t.Context(), rollout)
	require.ErrorIs(t, err, l.err)
	l.err, l.resources = nil, argo
	for range 3 {
		got, err := d.Scalable(t.Context(), rollout)
		require.NoError(t, err)
		require.True(t, got)
	}
	require.Equal(t, 2, l.calls)

	now, l.resources = now.Add(answerAge), nil
	got, err := d.Scalable(t.Context(), rollout)
	require.NoError(t, err)
	require.False(t, got, "the definition lost its scale")
}

func TestAKindThatIsNotServedYetIsAskedForAgainSoon(t *testing.T) {
	l := &lister{err: apierrors.NewNotFound(schema.GroupResource{}, "argoproj.io/v1alpha1")}
	d := NewDiscovery(l)
	now := time.Unix(0, 0)
	d.now = func() time.Time { return now }

	got, err := d.Scalable(t.Context(), rollout)
	require.NoError(t, err)
	require.False(t, got)
	now, l.err, l.resources = now.Add(absentAge), nil, argo
	got, err = d.Scalable(t.Context(), rollout)
	require.NoError(t, err)
	require.True(t, got)
	require.Len(t, d.answers, 1, "expired answers are dropped")
}
