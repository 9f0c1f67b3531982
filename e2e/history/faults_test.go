package history

import (
	"math"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/value"
	"github.com/stretchr/testify/require"
)

// faulty is a workload of one pod that runs all the time, as it is and with the faults.
func faulty(f Faults) (good, bad Workload) {
	good = simple()
	good.Rollout, good.Replicas = 0, 1
	bad = good
	bad.Scrape.Faults = f
	return good, bad
}

func TestFaultsChangeOnlyWhatTheySay(t *testing.T) {
	const samples = 40 * 60 * 2
	before := func(s Sample) time.Duration { return end.Sub(s.Time) }
	jump := func(s Sample) bool { return before(s) <= 30*time.Hour && before(s) > 29*time.Hour }
	for name, tc := range map[string]struct {
		faults Faults
		// is reports whether bad is what this fault makes of good.
		is func(good, bad Sample) bool
		// count is of how many samples.
		count int
	}{
		"NaN": {NaNs, func(_, bad Sample) bool {
			return math.IsNaN(bad.CPU) && math.IsNaN(bad.Memory) && math.Float64bits(bad.CPU) != value.StaleNaN
		}, samples / 100},
		"stale": {NaNs, func(_, bad Sample) bool {
			return value.IsStaleNaN(bad.CPU) && value.IsStaleNaN(bad.Memory)
		}, samples / 100},
		"infinite": {Infinities, func(_, bad Sample) bool { return math.IsInf(bad.CPU, 1) && math.IsInf(bad.Memory, 1) }, samples / 100},
		"negative": {Negatives, func(_, bad Sample) bool { return bad.CPU == -1 && bad.Memory == -1 }, samples / 100},
		"unit jump": {UnitJump, func(good, bad Sample) bool {
			return bad.CPU == 1024*good.CPU && bad.Memory == 1024*good.Memory && jump(good)
		}, 120},
		"counter reset": {CounterReset, func(good, bad Sample) bool {
			return bad.Memory == good.Memory && bad.CPU < good.CPU && bad.CPU >= 0 && bad.CPU <= 0.5*(10*time.Hour-before(good)+33*time.Second).Seconds()
		}, 10 * 60 * 2},
		"missing labels":    {MissingLabels, nil, 0},
		"other environment": {OtherEnvironment, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			good, bad := faulty(tc.faults)
			r := Recording{End: end, Span: 40 * time.Hour}
			should, have := collect(r, good), collect(r, bad)
			require.Len(t, should, samples)
			require.Len(t, have, samples)
			changed := 0
			for i := range should {
				if tc.is != nil && tc.is(should[i], have[i]) {
					changed++
				} else if tc.faults != NaNs {
					require.Equal(t, should[i], have[i])
				}
			}
			require.Equal(t, tc.count, changed)
		})
	}
}

func TestAGapIsThreeHoursWithoutScrapes(t *testing.T) {
	good, bad := faulty(Gap)
	r := Recording{End: end, Span: 40 * time.Hour}
	var should []Sample
	for _, s := range collect(r, good) {
		if ago := end.Sub(s.Time); ago > 20*time.Hour || ago <= 17*time.Hour {
			should = append(should, s)
		}
	}
	require.Len(t, should, (40-3)*120)
	require.Equal(t, should, collect(r, bad))
}

func TestNoPodBeginsWithinAUnitJump(t *testing.T) {
	good, bad := faulty(UnitJump)
	for _, age := range []time.Duration{30*time.Hour + time.Minute, 29*time.Hour + time.Minute} {
		good.Age, bad.Age = age, age
		r := Recording{End: end, Span: 40 * time.Hour}
		require.Equal(t, collect(r, good), collect(r, bad))
	}
}

func TestACounterThatBeginsAfterTheResetIsNotReset(t *testing.T) {
	good, bad := faulty(CounterReset)
	good.Age, bad.Age = 9*time.Hour, 9*time.Hour
	r := Recording{End: end, Span: 40 * time.Hour}
	require.Equal(t, collect(r, good), collect(r, bad))
}

func TestStraysLookLikeAWorkloadsSeriesButForALabel(t *testing.T) {
	_, bad := faulty(AllFaults)
	bad.Replicas, bad.Scrape.DropIDs = 2, true
	dir := t.TempDir()
	_, err := Recording{End: end, Span: 40 * time.Hour, Workloads: []Workload{bad}}.Write(t.Context(), dir)
	require.NoError(t, err)
	series, _ := readBlocks(t, dir)
	var withoutPod, withoutContainer, elsewhere int
	for name, points := range series {
		l := parseLabels(t, name)
		switch pod, container := l["pod"], l["container"]; {
		case pod == "" && container == "shop" && l["env"] == "prod":
			withoutPod++
		case pod != "" && container == "" && l["image"] != "":
			withoutContainer++
		case pod != "" && container == "shop" && l["env"] == strayEnv:
			elsewhere++
		default:
			require.Empty(t, l["id"], name)
			continue
		}
		require.NotEmpty(t, l["id"])
		first, last := points[0], points[len(points)-1]
		if l["__name__"] == memoryMetric {
			require.EqualValues(t, 256<<30, last.v)
		} else {
			require.InEpsilon(t, 64, (last.v-first.v)/float64(last.ms-first.ms)*1000, 1e-6)
		}
	}
	require.Equal(t, []int{4, 4, 4}, []int{withoutPod, withoutContainer, elsewhere}, "two metrics of two pods")
}
