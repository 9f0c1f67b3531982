package bench

import (
	"fmt"
	"testing"
)

// containers100k and containers10k are as many VPAs as have about that many containers.
const (
	containers100k = 100_000 / containersPerVPA
	containers10k  = 10_000 / containersPerVPA
)

// experiments are all that is measured, in the order of the report. Where upstream is slow, the runs are few.
func experiments() []experiment {
	list := []experiment{
		{"add-sample", 1, 7, addSample, upstreamAddSample, one("add-sample", nanoseconds, cpu, nil)},
		{"percentile", 1, 7, percentile, upstreamPercentile, one("percentile", nanoseconds, cpu, nil)},
		{"checkpoint-save", 1, 7, checkpointSave, upstreamCheckpointSave, one("checkpoint-save", nanoseconds, cpu, nil)},
		{"checkpoint-load", 1, 7, checkpointLoad, upstreamCheckpointLoad, one("checkpoint-load", nanoseconds, cpu, nil)},
		{"heap-per-container-10k", containers10k, 1, heap, upstreamHeap, one("heap-per-container-10k", byteCount, value, atMost(0.2))},
		{"heap-per-container", containers100k, 1, heap, upstreamHeap, one("heap-per-container", byteCount, value, atMost(0.2))},
		{"compute-pass-1k", 1_000, 7, computePass, upstreamComputePass, one("compute-pass-1k", milliseconds, cpu, atMost(0.1))},
		{"compute-pass-10k", 10_000, 5, computePass, upstreamComputePass, one("compute-pass-10k", milliseconds, cpu, atMost(0.1))},
		{"live-fold", containers100k, 5, liveFold, upstreamLiveFold, one("live-fold", milliseconds, cpu, nil)},
		{"live-decode", containers100k, 5, liveDecode, upstreamLiveDecode, []row{
			{name: "live-decode-cpu", unit: milliseconds, of: cpu, target: atMost(0.33)},
			{name: "live-decode-bytes", unit: megabytes, of: bytes, target: atMost(0.1)},
		}},
	}
	grow := func(name string, ours, upstream side, target *float64, runs int, sizes ...int) {
		for _, vpas := range sizes {
			e := experiment{name: fmt.Sprintf("%s-%d", name, vpas), vpas: vpas, runs: runs, ours: ours, upstream: upstream}
			if vpas%1000 == 0 {
				e.name = fmt.Sprintf("%s-%dk", name, vpas/1000)
			}
			e.rows = one(e.name, milliseconds, cpu, target)
			list = append(list, e)
		}
	}
	grow("checkpoint-store", checkpointStore, upstreamCheckpointStore, nil, 3, 250, 500, 1000)
	grow("checkpoint-store", checkpointStore, upstreamCheckpointStore, atMost(0.02), 1, 2000)
	grow("pod-load", podLoad, upstreamPodLoad, nil, 3, 1000, 2000)
	grow("pod-load", podLoad, upstreamPodLoad, atMost(0.02), 1, 4000)
	grow("checkpoint-load", checkpointsLoad, upstreamCheckpointsLoad, nil, 3, 1000, 2000)
	grow("checkpoint-load", checkpointsLoad, upstreamCheckpointsLoad, atMost(0.02), 1, 4000)
	return append(list,
		experiment{"writes-unchanged", 100, 1, writesUnchanged, nil, []row{{name: "writes-unchanged", unit: writes, of: value, alone: true, target: atMost(0)}}},
		experiment{"writes-steady", 100, 1, writesSteady, upstreamWritesSteady, one("writes-steady", writes, value, atMost(0.1))},
	)
}

func atMost(ratio float64) *float64 { return &ratio }

func one(name string, u unit, of func(reading) float64, target *float64) []row {
	return []row{{name: name, unit: u, of: of, target: target}}
}

// TestEverySideOfEveryExperimentWorks runs them on small clusters, so that the report does not rot.
func TestEverySideOfEveryExperimentWorks(t *testing.T) {
	for _, e := range experiments() {
		for side, prepare := range e.sides() {
			if prepare == nil {
				continue
			}
			t.Run(e.name+"/"+sideNames[side], func(t *testing.T) {
				operate := prepare(min(e.vpas, 2))
				for range 2 {
					var m meter
					operate(&m)
					if m.reading == (reading{}) && !e.rows[0].alone {
						t.Error("nothing was measured")
					}
				}
			})
		}
	}
}
