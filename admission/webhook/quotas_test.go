package webhook

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/sartor-vpa/sartor/pkg/policy"
)

func quota(namespace, name string, bounded corev1.ResourceName, most string) *corev1.ResourceQuota {
	return &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: corev1.ResourceQuotaSpec{
		Hard: corev1.ResourceList{bounded: resource.MustParse(most)},
	}}
}

func TestQuotasAreThoseOfTheNamespaceAsTheyAreNow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		quotas, all := NewQuotas(), map[string]*corev1.ResourceQuota{}
		one := func(what string, of ...string) string { return rapid.SampledFrom(of).Draw(t, what) }
		for range rapid.IntRange(0, 20).Draw(t, "events") {
			q := quota(one("namespace", "a", "b"), one("name", "x", "y"), corev1.ResourceName(one("bounded", "cpu", "pods")), one("most", "1", "2"))
			key := q.Namespace + "/" + q.Name
			switch one("event", "drop", "replace", "set") {
			case "drop":
				quotas.drop(q)
				delete(all, key)
			case "replace":
				quotas.replace([]*corev1.ResourceQuota{q})
				all = map[string]*corev1.ResourceQuota{key: q}
			default:
				quotas.set(q)
				all[key] = q
			}
			for _, namespace := range []string{"a", "b"} {
				var here []*corev1.ResourceQuota
				for _, name := range []string{"x", "y"} {
					if q, ok := all[namespace+"/"+name]; ok {
						here = append(here, q)
					}
				}
				require.Equal(t, policy.QuotasOf(here), quotas.Of(namespace))
			}
		}
	})
}

func TestAPodThatAQuotaIsTooSmallForIsPatchedWithAWarning(t *testing.T) {
	c := config(t, vpa("shop", recommend("shop", "1200m", "700Mi")))
	quotas := NewQuotas()
	c.Quotas = quotas
	h := start(t, c)
	free := ask(t, h, fixture(t, "create-shop.json"))
	require.Empty(t, free.Warnings)
	quotas.set(quota("elsewhere", "tiny", "cpu", "1"))
	require.Empty(t, ask(t, h, fixture(t, "create-shop.json")).Warnings)
	quotas.set(quota("store", "small", "requests.cpu", "1"))
	bounded := ask(t, h, fixture(t, "create-shop.json"))
	require.Equal(t, string(free.Patch), string(bounded.Patch), "what it asks for is for people to decide")
	require.Len(t, bounded.Warnings, 1)
	require.Regexp(t, `^VPA shop: ResourceQuota small leaves 1 of requests.cpu, and the pod asks for [1-9]\S*: Kubernetes rejects it`, bounded.Warnings[0])
}
