package cluster

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/sartor-vpa/sartor/pkg/mirror"
)

func TestAListOfPodsIsReadByPages(t *testing.T) {
	pages := map[string]*corev1.PodList{"": podList(started("a", "shop-1"), started("b", "shop-1")), "2": podList(started("c", "shop-1"))}
	pages[""].Continue = "2"
	var asked []metav1.ListOptions
	var e eyes
	lister := mirror.InPages(&toolscache.ListWatch{ListWithContextFunc: func(_ context.Context, o metav1.ListOptions) (runtime.Object, error) {
		asked = append(asked, o)
		if o.Continue == "lost" {
			return nil, errors.New("no route to host")
		}
		return pages[o.Continue], nil
	}}, e.see)
	list, err := lister.ListWithContext(t.Context(), metav1.ListOptions{ResourceVersion: "0"})
	require.NoError(t, err)
	require.Equal(t, []metav1.ListOptions{{Limit: mirror.PageSize}, {Limit: mirror.PageSize, Continue: "2"}}, asked)

	p := newPods()
	f := mirror.NewFeed(p.eyes.see, into(p))
	items, err := meta.ExtractListWithAlloc(list) // as a reflector does
	require.NoError(t, err)
	var objects []any
	for _, item := range items {
		objects = append(objects, item)
	}
	require.NoError(t, f.Replace(objects, "1"))
	require.Len(t, p.known, 3)

	pages["2"].Continue = "lost"
	_, err = lister.ListWithContext(t.Context(), metav1.ListOptions{})
	require.ErrorContains(t, err, "no route")
}

func TestWhatIsNoObjectOfItsKindIsRefused(t *testing.T) {
	p := newPods()
	f := mirror.NewFeed(p.eyes.see, into(p))
	require.ErrorContains(t, f.Add(&corev1.Event{}), "*v1.Event")
	require.ErrorContains(t, f.Delete("a"), "string")
	require.ErrorContains(t, f.Replace([]any{nil}, ""), "nil")
	require.Empty(t, p.known)
	select {
	case <-f.Filled():
		t.Fatal("filled by nothing")
	default:
	}
	transformed, err := f.Transformer()(started("a", "shop-1"))
	require.NoError(t, err)
	require.IsType(t, &sighting{}, transformed)
	require.NoError(t, f.Add(transformed), "cut already")
	require.Len(t, p.known, 1)
}
