package webhook

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/sartor-vpa/sartor/pkg/policy"
)

func limitRange(namespace, name, most string) *corev1.LimitRange {
	return &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: corev1.LimitRangeSpec{
		Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, Max: recommend("", most, most+"Gi").Target}},
	}}
}

func TestRangesAreThoseOfTheNamespaceAsTheyAreNow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ranges, all := NewRanges(), map[string]*corev1.LimitRange{}
		any := func() *corev1.LimitRange {
			return limitRange(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "namespace"), rapid.SampledFrom([]string{"x", "y"}).Draw(t, "name"), fmt.Sprint(rapid.IntRange(1, 4).Draw(t, "most")))
		}
		for range rapid.IntRange(0, 20).Draw(t, "events") {
			r := any()
			key := r.Namespace + "/" + r.Name
			switch rapid.IntRange(0, 3).Draw(t, "event") {
			case 0:
				ranges.drop(r)
				delete(all, key)
			case 1:
				ranges.replace([]*corev1.LimitRange{r})
				all = map[string]*corev1.LimitRange{key: r}
			default:
				ranges.set(r)
				all[key] = r
			}
			for _, namespace := range []string{"a", "b"} {
				var here []*corev1.LimitRange
				for _, name := range []string{"x", "y"} {
					if r, ok := all[namespace+"/"+name]; ok {
						here = append(here, r)
					}
				}
				require.Equal(t, policy.RangesOf(here), ranges.Of(namespace))
			}
		}
	})
}

func TestALimitRangeBoundsThePodsOfItsNamespace(t *testing.T) {
	c := config(t, vpa("shop", recommend("shop", "1200m", "700Mi")))
	ranges := NewRanges()
	c.LimitRanges = ranges
	h := start(t, c)
	ranges.set(limitRange("elsewhere", "r", "1"))
	free := ask(t, h, fixture(t, "create-shop.json"))
	require.Empty(t, free.Warnings)
	ranges.set(limitRange("store", "r", "2"))
	bounded := ask(t, h, fixture(t, "create-shop.json"))
	require.NotEqual(t, string(free.Patch), string(bounded.Patch))
	require.NotContains(t, string(bounded.Patch), `limits/cpu","value":"3"`)
}
