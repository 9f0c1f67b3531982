package histogram

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/util"
)

func TestACheckpointThatCannotBeIsRefusedByName(t *testing.T) {
	for name, tc := range map[string]struct {
		c    Checkpoint
		want string
	}{
		"a bucket too many":     {Checkpoint{Weights: map[int]uint32{3: 1, 176: 1, 9000: 1}, Total: 1}, "bucket 9000: must be from 0 to 175"},
		"a negative bucket":     {Checkpoint{Weights: map[int]uint32{-1: 1, 3: 1}, Total: 1}, "bucket -1: must be from 0 to 175"},
		"a total below nothing": {Checkpoint{Weights: map[int]uint32{3: 1}, Total: -1}, "total weight -1: must be a number"},
		"a total of no number":  {Checkpoint{Weights: map[int]uint32{3: 1}, Total: math.NaN()}, "total weight NaN: must be a number"},
		"a total without end":   {Checkpoint{Weights: map[int]uint32{3: 1}, Total: math.Inf(1)}, "total weight +Inf: must be a number"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(CPU, day, tc.c)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestACheckpointWithoutWeightIsEmpty(t *testing.T) {
	for name, c := range map[string]Checkpoint{
		"nothing":           {},
		"a total alone":     {Total: 5, Reference: noon},
		"zeros":             {Weights: map[int]uint32{3: 0, 90: 0}, Total: 5},
		"lighter than dust": {Weights: map[int]uint32{3: 1}, Total: 1e-9},
	} {
		t.Run(name, func(t *testing.T) {
			h, err := Load(Memory, day, c)
			require.NoError(t, err)
			require.True(t, h.Empty())
			require.Zero(t, h.Percentile(0.9))
			require.Empty(t, h.Save().Weights)
			h.Add(1e9, 1, noon)
			require.False(t, h.Empty(), "it can be added to")
		})
	}
}

func TestWhatIsLoadedAndSavedAgainStaysAsItWas(t *testing.T) {
	h := New(CPU, day)
	for i := range 500 {
		h.Add(float64(i)/100, 0.1, noon.Add(time.Duration(i)*time.Hour))
	}
	saved := h.Save()
	loaded, err := Load(CPU, day, saved)
	require.NoError(t, err)
	again := loaded.Save()
	require.Equal(t, saved.Weights, again.Weights)
	require.Equal(t, saved.Reference, again.Reference)
	require.Equal(t, saved.Total, again.Total)
}

// FuzzLoad reads histograms as the API gives them, and compares with what upstream makes of the same text.
func FuzzLoad(f *testing.F) {
	f.Add(`{"referenceTimestamp":"2026-03-01T00:00:00Z","bucketWeights":{"3":10000,"17":1,"175":4294967295},"totalWeight":123.456}`)
	f.Add(`{"referenceTimestamp":null,"bucketWeights":{"0":1},"totalWeight":5e-324}`)
	f.Add(`{"referenceTimestamp":"9999-12-31T23:59:59Z","bucketWeights":{"3":10000},"totalWeight":1e308}`)
	f.Add(`{"bucketWeights":{"-1":1},"totalWeight":-1}`)
	f.Add(`{}`)
	f.Fuzz(func(t *testing.T, text string) {
		var c vpav1.HistogramCheckpoint
		if json.Unmarshal([]byte(text), &c) != nil {
			return
		}
		for name, s := range schemes {
			p := &pair{scheme: name, theirs: util.NewDecayingHistogram(s.theirs, day)}
			var err error
			p.ours, err = Load(s.ours, day, Checkpoint{c.ReferenceTimestamp.Time, c.BucketWeights, c.TotalWeight})
			require.Equal(t, p.theirs.LoadFromCheckpoint(&c) == nil, err == nil, "%v", err)
			if err != nil {
				continue
			}
			p.alike(t)
			for _, at := range []time.Time{noon, noon.Add(300 * day)} {
				p.ours.Add(1, 0.1, at)
				p.theirs.AddSample(1, 0.1, at)
				p.alike(t)
			}
		}
	})
}
