package proof

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	metrics "github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sartor-vpa/sartor/e2e/history"
	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/estimate"
	"github.com/sartor-vpa/sartor/pkg/usage"
	past "github.com/sartor-vpa/sartor/recommender/history"
	"github.com/sartor-vpa/sartor/recommender/history/server"
)

// reading says what to read from where, in the recommender's own way.
type reading struct {
	url string
	// step is the resolution of query_range, where the server has no remote read; 0: the default.
	step time.Duration
	// everywhere leaves the filter for the environment out.
	everywhere bool
	from, to   time.Time
}

// options are what the recommender's flags would say.
func (r reading) options() server.Options {
	o := server.DefaultOptions()
	o.Address = r.url
	if !r.everywhere {
		o.EnvLabel, o.Environment = "env", environment
	}
	if r.step != 0 {
		o.Resolution = r.step
	}
	return o
}

// load reads what all the workloads used, each for a VPA of its own, as the recommender does.
func (r reading) load(ctx context.Context, workloads []history.Workload, log logr.Logger) (map[types.NamespacedName]past.Answer, error) {
	o := r.options()
	client, err := o.Client()
	if err != nil {
		return nil, err
	}
	source, err := server.New(client, o, log, metrics.NewRegistry())
	if err != nil {
		return nil, err
	}
	loader := past.NewLoader(source, past.Options{
		Concurrency: o.Concurrency, MaxSeries: o.MaxSeries, Aggregate: aggregate.DefaultOptions(),
	}, time.Now, log)
	for _, w := range workloads {
		loader.Want(nameOf(w), past.Window{
			Workload:   past.Workload{Namespace: w.Namespace, Kind: w.Kind, Name: w.Name},
			Containers: w.Replicas * len(w.Containers), From: r.from, To: r.to,
		})
	}
	running, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		loader.Run(running)
	}()
	defer func() {
		stop()
		<-done
	}()
	return gather(ctx, loader.Answers(), len(workloads))
}

// gather takes answers until all are there that are wanted, complete.
func gather(ctx context.Context, answers <-chan past.Answer, wanted int) (map[types.NamespacedName]past.Answer, error) {
	all := map[types.NamespacedName]past.Answer{}
	complete := 0
	for complete < wanted {
		select {
		case a := <-answers:
			if a.Err != nil {
				return nil, fmt.Errorf("history of %s: %w", a.VPA, a.Err)
			}
			if a.Usage == nil { // it was told before
				a.Usage = all[a.VPA].Usage
			}
			all[a.VPA] = a
			if a.Progress.Complete() {
				complete++
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("%d of %d histories are complete: %w", complete, wanted, context.Cause(ctx))
		}
	}
	return all, nil
}

// oursEstimates are those of the containers of one VPA, without the least that a pod is given.
func oursEstimates(w *aggregate.Workload) map[string]estimates {
	o := estimate.DefaultOptions()
	o.PodMinimum = [2]usage.Amount{}
	all := map[string]estimates{}
	for _, name := range w.Containers() {
		var e estimates
		for r, one := range estimate.Recommend(w.Aggregate(name), o.Share(w.Len()), o) {
			e[r] = bounds{
				target: float64(one.Target), lower: float64(one.LowerBound), upper: float64(one.UpperBound),
				confidence: estimate.Confidence(w.Aggregate(name), o.ConfidenceInterval[r]),
			}
		}
		all[name] = e
	}
	return all
}

// nameOf is that of a workload's VPA.
func nameOf(w history.Workload) types.NamespacedName {
	return types.NamespacedName{Namespace: w.Namespace, Name: w.Name}
}
