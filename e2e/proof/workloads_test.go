package proof

import (
	"strings"
	"time"

	"github.com/sartor-vpa/sartor/e2e/history"
)

const mib = 1 << 20

// environment is the one that is read.
const environment = "prod"

// workloads are the generator's that are proven on: its shop (bursty, rolled daily, restarted, scraped twice, an hour old), and some that
// are one thing alone. Bursts are those of which at least a fifth of the time is full: what is short against a scrape
// interval, no scrape tells.
func workloads() []history.Workload {
	all := prod(history.Store())
	for _, w := range []history.Workload{
		{
			Name: "steady", Kind: history.StatefulSet, Replicas: 2,
			Containers: one(history.Steady(0.8, 0.1), history.Steady(900*mib, 0.05)),
		},
		{
			Name: "bursty", Kind: history.Deployment, Replicas: 2,
			Containers: one(history.Bursty(history.Diurnal(0.2, 0.3, 0.1), 6, 30*time.Minute, 8*time.Minute),
				history.Bursty(history.Steady(300*mib, 0.05), 3, 6*time.Hour, 10*time.Minute)),
		},
		{
			Name: "churned", Kind: history.Deployment, Replicas: 2, Rollout: 24 * time.Hour, Restarts: 7 * time.Hour,
			Containers: one(history.Diurnal(0.5, 0.5, 0.1), history.Diurnal(700*mib, 0.4, 0.05)),
		},
		{
			Name: "reset", Kind: history.StatefulSet, Replicas: 1, Restarts: 5 * time.Hour, Scrape: history.Scrape{DropIDs: true},
			Containers: one(history.Diurnal(0.3, 0.6, 0.1), history.Steady(200*mib, 0.2)),
		},
	} {
		w.Namespace = "shapes"
		all = append(all, w.In(environment, 1))
	}
	return all
}

func prod(all []history.Workload) []history.Workload {
	var out []history.Workload
	for _, w := range all {
		if w.Env == environment {
			out = append(out, w)
		}
	}
	return out
}

func one(cpu, memory history.Load) []history.Container {
	return []history.Container{{Name: "app", CPU: cpu, Memory: memory}}
}

// replayed are workloads that use what real ones did. Every second one is rolled out about daily, every
// third has two pods. Pods that live for a day to the second would have one memory peak or two, as it happens.
func replayed(traces []history.Trace) []history.Workload {
	var all []history.Workload
	for i, t := range traces {
		memory := t.Memory
		if memory == nil {
			memory = history.Steady(500*mib, 0.1)
		}
		w := history.Workload{
			Env: environment, Namespace: "traces", Name: strings.NewReplacer("/", "-", "_", "-").Replace(t.Name),
			Kind: history.Deployment, Replicas: 1, Containers: one(t.CPU, memory),
		}
		if i%2 == 1 {
			w.Rollout = 23 * time.Hour
		}
		if i%3 == 2 {
			w.Replicas = 2
		}
		all = append(all, w)
	}
	return all
}

// kinds has a workload of every kind, whose names begin alike.
func kinds() []history.Workload {
	var all []history.Workload
	for _, w := range []history.Workload{
		{Name: "shop", Kind: history.StatefulSet, Replicas: 2},
		{Name: "shop-rc", Kind: history.DaemonSet, Replicas: 2, Rollout: 20 * time.Hour},
		{Name: "shop-api", Kind: history.ReplicaSet, Replicas: 2},
		{Name: "shop-job", Kind: history.Job, Replicas: 1},
		{Name: "shop-report", Kind: history.CronJob, Replicas: 1, Rollout: 6 * time.Hour, Lasting: time.Hour},
		{Name: "shop-web", Kind: history.Deployment, Replicas: 2, Rollout: 5 * time.Hour},
	} {
		w.Namespace = "kinds"
		w.Containers = one(history.Steady(0.1+0.1*float64(len(all)), 0.1), history.Steady(float64(100+50*len(all))*mib, 0.1))
		all = append(all, w.In(environment, 1))
	}
	return all
}

// spoilt are alike but for what is wrong with what was scraped of them.
func spoilt() []history.Workload {
	var all []history.Workload
	for _, f := range []struct {
		name   string
		faults history.Faults
	}{
		{"nans", history.NaNs}, {"infinities", history.Infinities}, {"negatives", history.Negatives}, {"unit-jump", history.UnitJump},
		{"counter-reset", history.CounterReset}, {"gap", history.Gap}, {"missing-labels", history.MissingLabels},
		{"other-environment", history.OtherEnvironment}, {"all-but-the-jump", history.AllFaults &^ history.UnitJump},
	} {
		w := history.Workload{
			Namespace: "spoilt", Name: f.name, Kind: history.Deployment, Replicas: 2, Scrape: history.Scrape{Faults: f.faults},
			Containers: one(history.Bursty(history.Steady(0.3, 0.2), 3, time.Hour, 20*time.Minute), history.Steady(400*mib, 0.1)),
		}
		all = append(all, w.In(environment, 1))
	}
	return all
}
