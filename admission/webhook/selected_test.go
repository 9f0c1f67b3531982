package webhook

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/labels"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/target"
)

// selectorFunc is a target.SelectorReader.
type selectorFunc func() (labels.Selector, error)

func (f selectorFunc) Selector(context.Context, target.Controller) (labels.Selector, error) {
	return f()
}

// selecting lets the targets of a Config's VPAs, which are these, select by f.
func selecting(c *Config, f selectorFunc, vpas ...*vpav1.VerticalPodAutoscaler) *Index {
	index := NewIndex(policy.Cluster{Limits: policy.DefaultLimitPolicy()}, c.Log)
	index.Selectors = target.NewSelectors(f, logr.Discard())
	index.Into().Replace(vpas)
	c.VPAs = index
	return index
}

func TestAPodThatItsControllerDoesNotSelectIsLeftAloneAndCounted(t *testing.T) {
	shops := vpa("shop", recommend("shop", "1200m", "700Mi"))
	c := config(t)
	selecting(&c, func() (labels.Selector, error) { return labels.Parse("app=shop") }, shops)
	h := start(t, c)
	review := fixture(t, "create-shop.json")
	require.NotNil(t, ask(t, h, review).Patch)

	for name, others := range map[string]string{
		"another value": strings.Replace(review, `"app": "shop"`, `"app": "shop-rc"`, 1),
		"another key":   strings.Replace(review, `"app": "shop"`, `"application": "shop"`, 1),
		"none":          strings.Replace(review, `"labels"`, `"finalizers"`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			before := h.counted(NotSelected)
			got := ask(t, h, others)
			require.Nil(t, got.Patch)
			require.Empty(t, got.Warnings)
			require.Equal(t, map[string]string{"decision": "not_selected", "vpa": "shop"}, got.AuditAnnotations)
			require.Equal(t, before+1, h.counted(NotSelected))
		})
	}
}

func TestASelectorThatCannotBeReadTakesNoPatchFromAPod(t *testing.T) {
	c := config(t)
	index := selecting(&c, func() (labels.Selector, error) { return nil, errors.New("etcdserver: leader changed") }, vpa("shop", recommend("shop", "1200m", "700Mi")))
	h := start(t, c)
	require.NotNil(t, ask(t, h, strings.Replace(fixture(t, "create-shop.json"), `"app": "shop"`, `"app": "other"`, 1)).Patch)
	require.EqualValues(t, 1, index.Selectors.Figures().Pods)
}

func TestSelectorsAreKnownOfTargetsThatAreControlled(t *testing.T) {
	c, reads := config(t), 0
	index := selecting(&c, func() (labels.Selector, error) { reads++; return labels.Parse("app=shop") }, vpa("a"), vpa("b"))
	known := func() int { f := index.Selectors.Figures(); return f.Known + f.Unknown }
	require.Equal(t, 1, known())
	require.True(t, index.Controlling(shop).Selects(t.Context(), labels.Set{"app": "shop"}))

	index.Into().Set(vpa("a", recommend("shop", "1", "1Gi")))
	index.Into().Replace([]*vpav1.VerticalPodAutoscaler{vpa("b"), vpa("c")})
	require.True(t, index.Controlling(shop).Selects(t.Context(), labels.Set{"app": "shop"}))
	require.Equal(t, 1, reads, "neither a new recommendation nor a new list is a new target")

	index.Into().Drop(vpa("b"))
	require.Equal(t, 1, known())
	index.Into().Drop(vpa("c"))
	require.Zero(t, known())

	elsewhere := vpa("b")
	elsewhere.Spec.TargetRef.Name = "elsewhere"
	index.Into().Replace([]*vpav1.VerticalPodAutoscaler{vpa("a"), elsewhere})
	require.Equal(t, 2, known())
	index.Into().Set(born(vpa("a"), 1, vpav1.UpdateModeOff))
	require.Equal(t, 1, known(), "who does not patch asks for nothing")
	index.Into().Replace(nil)
	require.Zero(t, known())
}
