package lineage

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestWhoInheritsFromWhom(t *testing.T) {
	for name, tc := range map[string]struct {
		vpa, suffix string
		want        Link
	}{
		"a candidate":                {"shop-rc", "-rc", Link{Primary: "shop"}},
		"a stable release":           {"shop", "-rc", Link{}},
		"the suffix inside":          {"shop-rc-api", "-rc", Link{}},
		"nothing but the suffix":     {"-rc", "-rc", Link{}},
		"another suffix":             {"shop-canary", "-canary", Link{Primary: "shop"}},
		"inheritance switched off":   {"shop-rc", "", Link{}},
		"a candidate of a candidate": {"shop-rc-rc", "-rc", Link{Refused: "shop-rc-rc would inherit from shop-rc, which is itself a candidate; inheritance is one hop"}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, Of(tc.vpa, tc.suffix)) })
	}
}

func TestNobodyInheritsFromACandidate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		link := Of(rapid.StringMatching(`[a-c]{0,2}(-rc){0,3}`).Draw(t, "name"), DefaultSuffix)
		require.False(t, link.Primary != "" && Of(link.Primary, DefaultSuffix) != (Link{}))
	})
}

func TestContainersMap(t *testing.T) {
	shop := Workload{Name: "shop", Containers: []string{"shop", "istio-proxy"}}
	for name, tc := range map[string]struct {
		candidate Workload
		want      map[string]string
	}{
		"by equal name":              {Workload{"shop-rc", []string{"shop", "istio-proxy"}}, map[string]string{"shop": "shop", "istio-proxy": "istio-proxy"}},
		"named like its workload":    {Workload{"shop-rc", []string{"shop-rc", "istio-proxy"}}, map[string]string{"shop-rc": "shop", "istio-proxy": "istio-proxy"}},
		"a new container on its own": {Workload{"shop-rc", []string{"shop-rc", "cache"}}, map[string]string{"shop-rc": "shop"}},
		"nothing in common":          {Workload{"other", []string{"web"}}, map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, MapContainers(tc.candidate, shop)) })
	}
}
