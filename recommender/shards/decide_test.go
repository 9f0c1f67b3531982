package shards

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// a settlement of shards at random: free ones, members', and strangers'.
func settlement(t *rapid.T) (shards []standing, members []string) {
	members = rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{1,8}`), 1, 8, rapid.ID).Draw(t, "members")
	holders := append([]string{"", "A STRANGER"}, members...)
	for _, h := range rapid.SliceOfN(rapid.SampledFrom(holders), 1, 40).Draw(t, "holders") {
		shards = append(shards, standing{holder: h})
	}
	return shards, members
}

func parts(wanted []string) map[string]int {
	counts := map[string]int{}
	for _, m := range wanted {
		counts[m]++
	}
	return counts
}

func TestPartsDifferByOneAtMostAndNothingMovesWithoutNeed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shards, members := settlement(t)
		wanted := assign(shards, members)
		counts := parts(wanted)
		pool := 0
		had := map[string]int{}
		for i, s := range shards {
			if s.holder == "A STRANGER" {
				require.Empty(t, wanted[i])
				continue
			}
			require.Contains(t, members, wanted[i])
			pool++
			had[s.holder]++
		}
		low, high := pool/len(members), (pool+len(members)-1)/len(members)
		for _, m := range members {
			require.True(t, counts[m] >= low && counts[m] <= high, "%s: %v", m, counts)
		}
		for i, s := range shards {
			if slices.Contains(members, s.holder) && wanted[i] != s.holder {
				require.Greater(t, had[s.holder], low, "who has no more than its part gives nothing away")
				require.GreaterOrEqual(t, counts[s.holder], low)
			}
		}
		// Once all is as wanted it stays.
		for i := range shards {
			if wanted[i] != "" {
				shards[i].holder = wanted[i]
			}
		}
		require.Equal(t, wanted, assign(shards, members))
		// It does not depend on the order in which the members are known.
		slices.Reverse(members)
		require.Equal(t, wanted, assign(shards, members))
	})
}

func TestPlansOfReplicasThatSeeTheSameFitTogether(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		shards, members := settlement(t)
		replicas := make([]replica, len(members))
		for i, m := range members {
			replicas[i] = replica{identity: m, count: len(shards), since: now.Add(-time.Duration(rapid.IntRange(0, 30).Draw(t, "age")) * time.Second)}
		}
		takers := map[int]string{}
		for _, me := range members {
			v := view{me: me, count: len(shards), now: now, settle: 15 * time.Second, replicas: replicas, yielding: -1}
			for _, s := range shards {
				v.shards = append(v.shards, standing{holder: s.holder, owned: s.holder == me && rapid.Bool().Draw(t, "owned")})
			}
			p := decide(v)
			for _, shard := range p.take {
				require.Contains(t, []string{"", me}, shards[shard].holder)
				require.NotContains(t, takers, shard)
				takers[shard] = me
			}
			for _, shard := range p.release {
				require.Equal(t, standing{holder: me}, v.shards[shard])
			}
			if p.yield >= 0 {
				require.Equal(t, standing{holder: me, owned: true}, v.shards[p.yield])
			}
		}
		for i, s := range shards {
			require.Equal(t, s.holder == "", takers[i] != "" && s.holder == "", "a free shard falls to one: %d", i)
		}
	})
}

func TestAReplicaThatIsNewIsGivenNothingBeforeItHasSettled(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	v := view{me: "a", count: 2, now: now, settle: 15 * time.Second, yielding: -1,
		shards:   []standing{{"a", true}, {"a", true}},
		replicas: []replica{{"a", 2, now.Add(-time.Hour)}, {"b", 2, now.Add(-14 * time.Second)}}}
	require.Equal(t, plan{yield: -1}, decide(v))
	v.now = now.Add(time.Second)
	given := decide(v).yield
	require.GreaterOrEqual(t, given, 0)
	v.yielding = given
	require.Equal(t, plan{yield: -1}, decide(v), "one at a time")
	v.shards[given].owned = false
	require.Equal(t, plan{yield: -1}, decide(v), "not while it is being saved")
	v.yielding = -1
	require.Equal(t, plan{release: []int{given}, yield: -1}, decide(v))
}

func TestWhoIsNotSeenByOthersTakesNothing(t *testing.T) {
	v := view{me: "a", count: 2, yielding: -1, shards: []standing{{"", false}, {"a", true}}}
	require.Equal(t, plan{yield: -1}, decide(v))
	v.replicas = []replica{{identity: "b", count: 2}}
	require.Equal(t, plan{yield: -1}, decide(v))
	v.led = true
	require.Equal(t, plan{yield: 1}, decide(v), "a leader is at work")
	v.led, v.replicas = false, []replica{{identity: "a", count: 2}}
	require.Equal(t, plan{take: []int{0}, yield: -1}, decide(v))
	v.contested = true
	require.Equal(t, plan{yield: -1}, decide(v), "another split may be at work")
}
