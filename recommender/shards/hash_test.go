package shards

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestTheShardOfAVPAIsTheSameInEveryRelease(t *testing.T) {
	for key, want := range map[string][4]int{
		"":            {0, 0, 2, 52},
		"shop/shop":   {0, 1, 3, 73},
		"shop/cart":   {0, 0, 0, 10},
		"prod/ledger": {0, 1, 0, 5},
	} {
		require.Equal(t, want, [4]int{Of(key, 1), Of(key, 2), Of(key, 5), Of(key, 100)}, key)
	}
}

func TestAShardIsInRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.IntRange(-2, 200).Draw(t, "count")
		shard := Of(rapid.String().Draw(t, "key"), count)
		require.GreaterOrEqual(t, shard, 0)
		require.Less(t, shard, max(count, 1))
	})
}

func TestVPAsAreSpreadWhateverTheyAreCalled(t *testing.T) {
	for name, key := range map[string]string{
		"one namespace":             "shop/api-%d",
		"a namespace for each":      "team-%d/api",
		"both names alike":          "app-%[1]d/app-%[1]d",
		"the number at the front":   "shop/%d-api",
		"a name with a hash in it":  "shop/api-%08x",
		"one name in two languages": "läden/äpi-%d",
	} {
		for _, count := range []int{2, 3, 5, 8, 16} {
			const vpas = 4000
			got := make([]int, count)
			for i := range vpas {
				got[Of(fmt.Sprintf(key, i), count)]++
			}
			for _, n := range got {
				require.InEpsilon(t, vpas/count, n, 0.25, "%s, %v", name, got)
			}
		}
	}
}
