package lineage

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestContainersMap(t *testing.T) {
	shop := Workload{Name: "shop", Containers: []string{"shop", "istio-proxy"}}
	for name, tc := range map[string]struct {
		candidate Workload
		overrides map[string]string
		want      map[string]string
		unknown   []string
	}{
		"by equal name":              {Workload{"shop-rc", []string{"shop", "istio-proxy"}}, nil, map[string]string{"shop": "shop", "istio-proxy": "istio-proxy"}, nil},
		"named like its workload":    {Workload{"shop-rc", []string{"shop-rc", "istio-proxy"}}, nil, map[string]string{"shop-rc": "shop", "istio-proxy": "istio-proxy"}, nil},
		"a new container on its own": {Workload{"shop-rc", []string{"shop-rc", "cache"}}, nil, map[string]string{"shop-rc": "shop"}, nil},
		"nothing in common":          {Workload{"other", []string{"web"}}, nil, map[string]string{}, nil},
		"as it says":                 {Workload{"other", []string{"web", "proxy"}}, map[string]string{"web": "shop", "proxy": "istio-proxy"}, map[string]string{"web": "shop", "proxy": "istio-proxy"}, nil},
		"what it says before names":  {Workload{"shop-rc", []string{"shop-rc", "shop"}}, map[string]string{"shop": "istio-proxy"}, map[string]string{"shop-rc": "shop", "shop": "istio-proxy"}, nil},
		"nothing of that name":       {Workload{"shop-rc", []string{"shop"}}, map[string]string{"shop": "stop"}, map[string]string{}, []string{"shop=stop: shop has no container stop"}},
		"none of its own of that name": {Workload{"shop-rc", []string{"shop"}}, map[string]string{"z": "shop", "a": "none"}, map[string]string{"shop": "shop"},
			[]string{"a=none: shop-rc has no container a", "z=shop: shop-rc has no container z"}},
		"before it has pods": {Workload{"shop-rc", nil}, map[string]string{"web": "shop"}, map[string]string{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			mapped, unknown := Map(tc.candidate, shop, tc.overrides)
			require.Equal(t, tc.want, mapped)
			require.Equal(t, tc.unknown, unknown)
		})
	}
	mapped, unknown := Map(Workload{"shop-rc", []string{"shop"}}, Workload{Name: "shop"}, map[string]string{"shop": "shop"})
	require.Empty(t, mapped)
	require.Empty(t, unknown, "the primary has no pods yet")
}

func TestContainersMapOnlyToThePrimarys(t *testing.T) {
	names := rapid.SliceOf(rapid.SampledFrom([]string{"a", "b", "a-rc", "c"}))
	rapid.Check(t, func(t *rapid.T) {
		candidate, primary := Workload{"a-rc", names.Draw(t, "candidate")}, Workload{"a", names.Draw(t, "primary")}
		overrides := rapid.MapOf(rapid.SampledFrom([]string{"a", "b", "x"}), rapid.SampledFrom([]string{"a", "c", "y"})).Draw(t, "overrides")
		mapped, _ := Map(candidate, primary, overrides)
		for own, from := range mapped {
			require.Contains(t, candidate.Containers, own)
			require.Contains(t, primary.Containers, from)
			if wanted, ok := overrides[own]; ok {
				require.Equal(t, wanted, from)
			}
		}
	})
}
