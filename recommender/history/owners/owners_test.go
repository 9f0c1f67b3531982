package owners

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// link is one call of Add in the namespace store.
type link struct{ kind, name, ownerKind, ownerName string }

func linked(links ...link) *Links {
	l := &Links{}
	for _, k := range links {
		l.Add(k.kind, "store", k.name, k.ownerKind, k.ownerName)
	}
	return l
}

func inStore(kind, name string) Workload { return Workload{Namespace: "store", Kind: kind, Name: name} }

const (
	shopPod = "shop-7d9f8b6c5-x2x4z"
	shopRS  = "shop-7d9f8b6c5"
)

func TestLinksLeadToTheTop(t *testing.T) {
	for name, tc := range map[string]struct {
		links []link
		pod   string
		owner Workload
	}{
		"Deployment":            {[]link{{"Pod", shopPod, "ReplicaSet", shopRS}, {"ReplicaSet", shopRS, "Deployment", "shop"}}, shopPod, inStore("Deployment", "shop")},
		"Rollout":               {[]link{{"Pod", shopPod, "ReplicaSet", shopRS}, {"ReplicaSet", shopRS, "Rollout", "shop"}}, shopPod, inStore("Rollout", "shop")},
		"any, through its own":  {[]link{{"Pod", "a", "ReplicaSet", "b"}, {"ReplicaSet", "b", "Squad", "c"}}, "a", inStore("Squad", "c")},
		"any, itself":           {[]link{{"Pod", "shop-0", "Squad", "shop"}}, "shop-0", inStore("Squad", "shop")},
		"Job":                   {[]link{{"Pod", "shop-x2x4z", "Job", "shop"}, {"Job", "shop", "", ""}}, "shop-x2x4z", inStore("Job", "shop")},
		"CronJob":               {[]link{{"Pod", "shop-29041230-x2x4z", "Job", "shop-29041230"}, {"Job", "shop-29041230", "CronJob", "shop"}}, "shop-29041230-x2x4z", inStore("CronJob", "shop")},
		"a CronJob's odd Job":   {[]link{{"Pod", "by-hand-x2x4z", "Job", "by-hand"}, {"Job", "by-hand", "CronJob", "shop"}}, "by-hand-x2x4z", inStore("CronJob", "shop")},
		"StatefulSet":           {[]link{{"Pod", "shop-0", "StatefulSet", "shop"}}, "shop-0", inStore("StatefulSet", "shop")},
		"DaemonSet":             {[]link{{"Pod", "shop-x2x4z", "DaemonSet", "shop"}}, "shop-x2x4z", inStore("DaemonSet", "shop")},
		"ReplicationController": {[]link{{"Pod", "shop-x2x4z", "ReplicationController", "shop"}}, "shop-x2x4z", inStore("ReplicationController", "shop")},
		"ReplicaSet":            {[]link{{"Pod", "shop-x2x4z", "ReplicaSet", "shop"}, {"ReplicaSet", "shop", "<none>", "<none>"}}, "shop-x2x4z", inStore("ReplicaSet", "shop")},
		"a bare ReplicaSet":     {[]link{{"Pod", shopPod, "ReplicaSet", shopRS}, {"ReplicaSet", shopRS, "", ""}}, shopPod, inStore("ReplicaSet", shopRS)},
	} {
		t.Run(name, func(t *testing.T) {
			l := linked(tc.links...)
			require.True(t, l.Owns(tc.owner, tc.pod))
			for _, kind := range append(kinds, "Squad") {
				for _, name := range []string{"shop", "shop-rc", shopRS, "shop-29041230", "a", "b", "c", ""} {
					w := inStore(kind, name)
					require.Equal(t, w == tc.owner, l.Owns(w, tc.pod), "%+v", w)
				}
			}
		})
	}
}

func TestAReplicaSetOrJobOfWhichNothingIsSaidIsKnownByItsName(t *testing.T) {
	long := strings.Repeat("n", 60) // its pods have nothing of the hash in their names
	l := linked(
		link{"Pod", shopPod, "ReplicaSet", shopRS},
		link{"Pod", "shop-29041230-x2x4z", "Job", "shop-29041230"},
		link{"Pod", long[:58] + "x2x4z", "ReplicaSet", long + "-7d9f8b6c5"},
		link{"Pod", "shop-rc-x2x4z", "ReplicaSet", "shop-rc"},
	)
	for _, tc := range []struct {
		kind, name, pod string
		want            bool
	}{
		{"Deployment", "shop", shopPod, true},
		{"Rollout", "shop", shopPod, true},
		{custom, "shop", shopPod, true},
		{"ReplicaSet", shopRS, shopPod, true}, // it may be on its own
		{"ReplicaSet", "shop", shopPod, false},
		{"Job", "shop", shopPod, false},
		{"Deployment", "shop-7d9f8b6c5", shopPod, false},
		{"Deployment", "sho", shopPod, false},
		{"CronJob", "shop", "shop-29041230-x2x4z", true},
		{"Job", "shop-29041230", "shop-29041230-x2x4z", true},
		{"Job", "shop", "shop-29041230-x2x4z", false},
		{"Deployment", "shop", "shop-29041230-x2x4z", false},
		{"Deployment", long, long[:58] + "x2x4z", true},
		{"Deployment", long[:59], long[:58] + "x2x4z", false},
		{"DaemonSet", long, long[:58] + "x2x4z", false},
		{"ReplicaSet", "shop-rc", "shop-rc-x2x4z", true},
		{"Deployment", "shop", "shop-rc-x2x4z", false},
	} {
		require.Equal(t, tc.want, l.Owns(inStore(tc.kind, tc.name), tc.pod), "%+v", tc)
	}
}

func TestALinkedPodIsNobodyElsesWhateverItsName(t *testing.T) {
	shop := inStore("Deployment", "shop")
	require.True(t, linked().Owns(shop, shopPod), "nothing is said of it")
	require.True(t, (*Links)(nil).Owns(shop, shopPod))
	for name, l := range map[string]*Links{
		"another's":               linked(link{"Pod", shopPod, "StatefulSet", "shop"}),
		"another Deployment's":    linked(link{"Pod", shopPod, "ReplicaSet", shopRS}, link{"ReplicaSet", shopRS, "Deployment", "shop-rc"}),
		"a ReplicaSet's":          linked(link{"Pod", shopPod, "ReplicaSet", shopRS}, link{"ReplicaSet", shopRS, "", ""}),
		"an oddly named one's":    linked(link{"Pod", shopPod, "ReplicaSet", "blue"}),
		"nobody's":                linked(link{"Pod", shopPod, "", ""}),
		"an owner's without name": linked(link{"Pod", shopPod, "ReplicaSet", ""}),
		"one that runs in circles": linked(link{"Pod", shopPod, "ReplicaSet", shopRS},
			link{"ReplicaSet", shopRS, "ReplicaSet", "shop-55555555"}, link{"ReplicaSet", "shop-55555555", "ReplicaSet", shopRS}),
	} {
		require.False(t, l.Owns(shop, shopPod), name)
		require.Empty(t, l.Odd(shop), name)
	}
}

func TestLinksHoldInTheirNamespaceOnly(t *testing.T) {
	l := linked(link{"Pod", shopPod, "ReplicaSet", "blue"}, link{"ReplicaSet", "blue", "Deployment", "market"})
	require.True(t, l.Owns(inStore("Deployment", "market"), shopPod))
	require.False(t, l.Owns(Workload{"elsewhere", "Deployment", "market"}, shopPod))
	require.True(t, l.Owns(Workload{"elsewhere", "Deployment", "shop"}, shopPod))
}

func TestTheOrderOfLinksDoesNotMatter(t *testing.T) {
	links := []link{
		{"Pod", "shop-0", "StatefulSet", "shop"},
		{"Pod", "shop-0", "", ""}, // while it was orphaned
		{"Pod", "shop-0", "StatefulSet", "shop"},
		{"Pod", "shop-0", "Squad", "shop"}, // the name was used again
		{"Pod", "shop-0", "ReplicaSet", "r"},
		{"ReplicaSet", "r", "", ""}, // before it was adopted
		{"ReplicaSet", "r", "Deployment", "shop"},
		{"ReplicaSet", "r", "Rollout", "shop"},
	}
	for range 50 {
		rand.Shuffle(len(links), func(i, j int) { links[i], links[j] = links[j], links[i] })
		l := linked(links...)
		for _, owner := range []string{"StatefulSet", "Squad", "Deployment", "Rollout"} {
			require.True(t, l.Owns(inStore(owner, "shop"), "shop-0"), "%s: %v", owner, links)
		}
		require.False(t, l.Owns(inStore("ReplicaSet", "r"), "shop-0"), links)
		require.False(t, l.Owns(inStore("DaemonSet", "shop"), "shop-0"), links)
		require.LessOrEqual(t, len(l.more["store"][object{"Pod", "shop-0"}]), 2, "what is said twice is kept once")
	}
}

func TestOddPodsAreThoseWhoseNamesDoNotTell(t *testing.T) {
	long := strings.Repeat("n", 60)
	l := linked(
		link{"Pod", "zebra", "StatefulSet", "shop"},
		link{"Pod", "shop-0", "StatefulSet", "shop"},
		link{"Pod", "shop-12345", "StatefulSet", "shop"},
		link{"Pod", "shop-db-0", "StatefulSet", "shop-db"},
		link{"Pod", shopPod, "ReplicaSet", shopRS},
		link{"Pod", long[:58] + "x2x4z", "ReplicaSet", long + "-7d9f8b6c5"},
		link{"Pod", "a", "ReplicaSet", "b"},
		link{"ReplicaSet", "b", "Deployment", "shop"},
	)
	require.Equal(t, []string{"shop-12345", "zebra"}, l.Odd(inStore("StatefulSet", "shop")))
	require.Equal(t, []string{long[:58] + "x2x4z"}, l.Odd(inStore("Deployment", long)))
	require.Equal(t, []string{"a"}, l.Odd(inStore("Deployment", "shop")))
	require.Empty(t, l.Odd(Workload{"elsewhere", "StatefulSet", "shop"}))
	require.Empty(t, (*Links)(nil).Odd(inStore("StatefulSet", "shop")))
}

func TestOddPodsAreOwnedAndComplete(t *testing.T) {
	names := []string{"shop", "shop-0", "shop-29041230", shopRS, shopPod, "a"}
	rapid.Check(t, func(t *rapid.T) {
		var links []link
		for range rapid.IntRange(1, 12).Draw(t, "links") {
			draw := func(from ...string) string { return rapid.SampledFrom(from).Draw(t, "link") }
			links = append(links, link{
				draw("Pod", "ReplicaSet", "Job"), draw(names...),
				draw("ReplicaSet", "Job", "Deployment", "StatefulSet", "CronJob", custom, ""), draw(names...),
			})
		}
		l := linked(links...)
		for _, kind := range kinds {
			for _, name := range names {
				w := inStore(kind, name)
				var want []string
				for of := range l.first["store"] {
					if of.kind == "Pod" && l.Owns(w, of.name) && !named(w, of.name) {
						want = append(want, of.name)
					}
				}
				require.ElementsMatch(t, want, l.Odd(w), "%+v: %+v", w, links)
			}
		}
	})
}

// busy is the links of a namespace with many pods, all of Deployments.
func busy(deployments, pods int) (*Links, []Workload) {
	l := &Links{}
	var all []Workload
	for d := range deployments {
		name := "service-" + strconv.Itoa(d)
		all = append(all, inStore("Deployment", name))
		for p := range pods {
			rs := name + "-" + encoded(uint32(1e9+p/4))
			l.Add("Pod", "store", rs+"-"+encoded(uint32(10000+p)), "ReplicaSet", rs)
			l.Add("ReplicaSet", "store", rs, "Deployment", name)
		}
	}
	return l, all
}

func TestAskingAllocatesNothing(t *testing.T) {
	l, all := busy(2, 4)
	for _, links := range []*Links{l, nil} {
		require.Zero(t, testing.AllocsPerRun(100, func() {
			for _, w := range all {
				_ = links.Owns(w, "service-1-5444444444-54444")
				_ = links.Owns(w, "elsewhere-5444444444-54444")
			}
		}))
	}
}

func BenchmarkOwns(b *testing.B) {
	l, all := busy(250, 40)
	for name, links := range map[string]*Links{"links": l, "names": nil} {
		b.Run(name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				_ = links.Owns(all[i%len(all)], "service-1-5444444444-54444")
			}
		})
	}
}

func BenchmarkOdd(b *testing.B) {
	l, all := busy(250, 40)
	for i := 0; b.Loop(); i++ {
		_ = l.Odd(all[i%len(all)])
	}
}
