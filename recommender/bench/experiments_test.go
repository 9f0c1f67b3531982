package bench

import (
	"flag"
	"fmt"
	"testing"

	"github.com/sartor-vpa/sartor/pkg/sidebyside"
)

var flags = sidebyside.NewFlags(flag.CommandLine)

// TestReport measures both sides of all experiments, and prints what came out:
//
//	go test ./recommender/bench -run '^TestReport$' -count=1 -timeout 60m -v -report
func TestReport(t *testing.T) { flags.Report(t, about, experiments()) }

const about = `A VPA is of a Deployment with three pods of two containers each; 20 VPAs are in a namespace.
`

// TestEverySideOfEveryExperimentWorks runs them on small clusters, so that the report does not rot.
func TestEverySideOfEveryExperimentWorks(t *testing.T) { sidebyside.Try(t, experiments(), 2) }

type (
	experiment = sidebyside.Experiment
	side       = sidebyside.Side
	operation  = sidebyside.Operation
	reading    = sidebyside.Reading
	row        = sidebyside.Row
)

var need = sidebyside.Need

// An experiment's size is its number of VPAs: containers100k and containers10k are as many as have about that many containers.
const (
	containers100k = 100_000 / containersPerVPA
	containers10k  = 10_000 / containersPerVPA
)

// value is what an operation counts itself.
const value = "value"

// experiments are all that is measured, in the order of the report. Where upstream is slow, the runs are few.
func experiments() []experiment {
	list := []experiment{
		{Name: "add-sample", Runs: 7, Ours: addSample, Upstream: upstreamAddSample},
		{Name: "percentile", Runs: 7, Ours: percentile, Upstream: upstreamPercentile},
		{Name: "checkpoint-save", Runs: 7, Ours: checkpointSave, Upstream: upstreamCheckpointSave},
		{Name: "checkpoint-load", Runs: 7, Ours: checkpointLoad, Upstream: upstreamCheckpointLoad},
	}
	for i, about := range []string{"CPU of one sample into a histogram", "CPU of the three percentiles of an estimate",
		"CPU of one histogram into a checkpoint", "CPU of one histogram out of a checkpoint"} {
		list[i].Rows = []row{{Name: list[i].Name, About: about, Of: sidebyside.CPU, Unit: sidebyside.Nanoseconds}}
	}
	list = append(list, heaps("heap-per-container-10k", containers10k), heaps("heap-per-container", containers100k),
		computePasses("compute-pass-1k", 1_000, 7), computePasses("compute-pass-10k", 10_000, 5))
	list = append(list, live()...)
	list = append(list, growing("checkpoint-store", "CPU of writing all checkpoints", checkpointStore, upstreamCheckpointStore, 250, 500, 1000, 2000)...)
	list = append(list, growing("pod-load", "CPU of taking up all pods at start", podLoad, upstreamPodLoad, 1000, 2000, 4000)...)
	list = append(list, growing("checkpoint-load", "CPU of taking up all checkpoints at start", checkpointsLoad, upstreamCheckpointsLoad, 1000, 2000, 4000)...)
	return append(list, writes()...)
}

func heaps(name string, vpas int) experiment {
	about := fmt.Sprintf("live heap for each of %d containers with a VPA", vpas*containersPerVPA)
	return experiment{Name: name, Size: vpas, Runs: 1, Ours: heap, Upstream: upstreamHeap, Rows: []row{
		{Name: name, About: about, Of: value, Unit: sidebyside.ByteCount, Target: sidebyside.AtMost(0.2)}}}
}

func computePasses(name string, vpas, runs int) experiment {
	about := fmt.Sprintf("CPU of the recommendations of %d VPAs", vpas)
	return experiment{Name: name, Size: vpas, Runs: runs, Ours: computePass, Upstream: upstreamComputePass, Rows: []row{
		{Name: name, About: about, Of: sidebyside.CPU, Unit: sidebyside.Milliseconds, Target: sidebyside.AtMost(0.1)}}}
}

// live are the experiments with the metrics API's answer.
func live() []experiment {
	return []experiment{
		{Name: "live-fold", Size: containers100k, Runs: 5, Ours: liveFold, Upstream: upstreamLiveFold, Rows: []row{
			{Name: "live-fold", About: "CPU of a round of 100 000 containers, decoded", Of: sidebyside.CPU, Unit: sidebyside.Milliseconds}}},
		{Name: "live-decode", Size: containers100k, Runs: 5, Ours: liveDecode, Upstream: upstreamLiveDecode, Rows: []row{
			{Name: "live-decode-cpu", About: "CPU of decoding it, the server's share included", Of: sidebyside.CPU, Unit: sidebyside.Milliseconds, Target: sidebyside.AtMost(0.33)},
			{Name: "live-decode-bytes", About: "what decoding it allocates", Of: sidebyside.Bytes, Unit: sidebyside.Megabytes, Target: sidebyside.AtMost(0.1)}}},
	}
}

// growing is an experiment at sizes at which upstream's cost grows with the square; only the largest has a target.
func growing(name, about string, ours, upstream side, sizes ...int) []experiment {
	var list []experiment
	for i, vpas := range sizes {
		r := row{Name: fmt.Sprintf("%s-%d", name, vpas), About: fmt.Sprintf("%s, %d VPAs", about, vpas), Of: sidebyside.CPU, Unit: sidebyside.Milliseconds}
		if vpas%1000 == 0 {
			r.Name = fmt.Sprintf("%s-%dk", name, vpas/1000)
		}
		runs := 3
		if i == len(sizes)-1 {
			runs, r.Target = 1, sidebyside.AtMost(0.02)
		}
		list = append(list, experiment{Name: r.Name, Size: vpas, Runs: runs, Ours: ours, Upstream: upstream, Rows: []row{r}})
	}
	return list
}

// writes are the experiments with what the API server is asked to write in ten loops.
func writes() []experiment {
	return []experiment{
		{Name: "writes-unchanged", Size: 100, Runs: 1, Ours: writesUnchanged, Rows: []row{
			{Name: "writes-unchanged", About: "in 10 loops without a new sample, 100 VPAs", Of: value, Unit: sidebyside.Writes, Target: sidebyside.AtMost(0)}}},
		{Name: "writes-steady", Size: 100, Runs: 1, Ours: writesSteady, Upstream: upstreamWritesSteady, Rows: []row{
			{Name: "writes-steady", About: "in 10 loops of steady usage, 100 VPAs", Of: value, Unit: sidebyside.Writes, Target: sidebyside.AtMost(0.1)}}},
	}
}
