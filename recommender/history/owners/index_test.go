package owners

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestTheIndexFindsWhatOwnsSays(t *testing.T) {
	names := []string{"shop", "shop-rc", "shop-0", "shop-29041230", shopRS, shopPod, "s"}
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
		var all []Workload
		for range rapid.IntRange(1, 30).Draw(t, "workloads") {
			all = append(all, Workload{draw("namespace", "store", "other"), draw("kind", kinds...), draw("name", names...)})
		}
		var l *Links
		if rapid.Bool().Draw(t, "linked") {
			l = &Links{}
			for range rapid.IntRange(1, 12).Draw(t, "links") {
				l.Add(draw("kind", "Pod", "Pod", "ReplicaSet", "Job"), "store", draw("of", names...),
					draw("owner's kind", append(kinds, "")...), draw("owner", names...))
			}
		}
		pod := podOf(t, all[0])
		if rapid.Bool().Draw(t, "oddly named") {
			pod = draw("pod", names...)
		}
		x := NewIndex(all)
		for _, namespace := range []string{"store", "other", "nowhere"} {
			want := []int{-1}
			for i, w := range all {
				if w.Namespace == namespace && l.Owns(w, pod) {
					want = append(want, i)
				}
			}
			require.Equal(t, want, x.Owners([]int{-1}, l, namespace, pod), "%s/%s of %+v", namespace, pod, all)
		}
	})
}

func TestAskingTheIndexAllocatesNothing(t *testing.T) {
	l, all := busy(2, 4)
	x, found := NewIndex(all), make([]int, 0, 4)
	for _, links := range []*Links{l, nil} {
		require.Zero(t, testing.AllocsPerRun(100, func() {
			found = x.Owners(found[:0], links, "store", "service-1-5444444444-54444")
		}))
	}
	require.Equal(t, []int{1}, x.Owners(nil, l, "store", "service-1-5444444444-54445"))
}

func BenchmarkIndex(b *testing.B) {
	l, all := busy(250, 40)
	x, found := NewIndex(all), make([]int, 0, 4)
	for name, links := range map[string]*Links{"links": l, "names": nil} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				found = x.Owners(found[:0], links, "store", "service-77-5444444444-54444")
			}
		})
	}
}
