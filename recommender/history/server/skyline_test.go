package server

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func of(span int32, peaks ...peak) []peak {
	k := skyline{span: span}
	for _, p := range peaks {
		k.add(p)
	}
	return k.peaks
}

func TestASkylineKeepsWhatCanBeAPeak(t *testing.T) {
	for name, tc := range map[string]struct{ all, want []peak }{
		"one":            {[]peak{{7, 5}}, []peak{{7, 5}}},
		"rising":         {[]peak{{0, 1}, {1, 2}, {2, 3}}, []peak{{0, 1}, {1, 2}, {2, 3}}},
		"falling":        {[]peak{{0, 3}, {1, 2}, {2, 1}}, []peak{{0, 3}, {1, 2}, {2, 1}}},
		"never changing": {[]peak{{0, 3}, {1, 3}, {2, 3}, {3, 3}}, []peak{{0, 3}, {3, 3}}},
		"a hill":         {[]peak{{0, 3}, {1, 1}, {2, 5}, {3, 5}, {4, 9}, {5, 9}, {6, 2}, {7, 4}}, []peak{{0, 3}, {2, 5}, {4, 9}, {5, 9}, {7, 4}}},
		"a valley":       {[]peak{{0, 9}, {1, 1}, {2, 5}}, []peak{{0, 9}, {2, 5}}},
		"two spans":      {[]peak{{8, 9}, {9, 1}, {10, 2}, {11, 1}, {12, 1}}, []peak{{8, 9}, {9, 1}, {10, 2}, {12, 1}}},
		"a span between": {[]peak{{1, 9}, {35, 1}, {36, 2}}, []peak{{1, 9}, {35, 1}, {36, 2}}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, of(10, tc.all...)) })
	}
}

// largest is the maximum of the minutes in [from, to), and whether there is one.
func largest(peaks []peak, from, to int32) (bytes int64, any bool) {
	for _, p := range peaks {
		if p.minute >= from && p.minute < to {
			bytes, any = max(bytes, p.bytes), true
		}
	}
	return bytes, any
}

var someMinutes = rapid.Custom(func(t *rapid.T) []peak {
	var all []peak
	for m := int32(0); m < 90; m++ {
		if rapid.IntRange(0, 3).Draw(t, "known") > 0 {
			all = append(all, peak{m, rapid.Int64Range(0, 9).Draw(t, "bytes")})
		}
	}
	return all
})

func TestBetweenAnyTwoMinutesThatAreASpanApartTheLargestIsKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		span := rapid.Int32Range(1, 40).Draw(t, "span")
		all := someMinutes.Draw(t, "all")
		if rapid.Bool().Draw(t, "of two series") {
			k, other := skyline{span: span}, someMinutes.Draw(t, "other")
			k.merge(of(span, all...), of(span, other...))
			all = append(all, other...)
			compare(t, all, k.peaks, span)
			return
		}
		kept := of(span, all...)
		compare(t, all, kept, span)
		if len(all) > 0 {
			require.Equal(t, all[0], kept[0])
			require.Equal(t, all[len(all)-1], kept[len(kept)-1])
		}
	})
}

func compare(t *rapid.T, all, kept []peak, span int32) {
	for i := range kept {
		if i > 0 && kept[i].minute <= kept[i-1].minute {
			t.Fatalf("minute %d comes after %d", kept[i].minute, kept[i-1].minute)
		}
	}
	for from := int32(0); from < 90; from++ {
		for to := from + span; to <= 90+span; to++ {
			want, any := largest(all, from, to)
			got, some := largest(kept, from, to)
			if want != got || any != some {
				t.Fatalf("from %d to %d the largest is %d (%t), kept is %d (%t) of %v", from, to, want, any, got, some, kept)
			}
		}
	}
}
