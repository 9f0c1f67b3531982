package scenarios

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/history"
)

// namesakes are workloads of one namespace whose names begin alike, and whose pods come and go. Each uses another amount, so
// that nobody is taken for another unnoticed.
func namesakes() []history.Workload {
	named := func(kind, name, env string, factor float64) history.Workload {
		return history.Workload{
			Env: env, Name: name, Kind: kind, Replicas: 2, Rollout: 12 * time.Hour,
			Containers: []history.Container{{Name: "app", CPU: history.Steady(0.1*factor, 0.2), Memory: history.Steady(factor*(300<<20), 0.1)}},
		}
	}
	return []history.Workload{
		named(history.Deployment, "shop", "prod", 1),
		named(history.Deployment, "shop-rc", "prod", 2),
		named(history.Deployment, "shop-api", "prod", 3.5),
		named(history.DaemonSet, "shop-agent", "prod", 6),
		// A recording has each name once, but for another environment.
		named(history.StatefulSet, "shop", "prod-stateful", 10),
	}
}

// lookalike is a ReplicaSet that nobody owns, whose pods are called as shop's are.
func lookalike() history.Workload {
	w := namesakes()[0]
	w.Kind, w.Name, w.Rollout = history.ReplicaSet, "shop-5d4f8c7b9", 0
	w.Containers = []history.Container{{Name: "app", CPU: history.Steady(2, 0.2), Memory: history.Steady(8<<30, 0.1)}}
	return w
}

// hasNamesakes: by kube-state-metrics, and by the shape of names where that is not there.
func (l *library) hasNamesakes(t *testing.T) {
	for name, recording := range map[string]history.Recording{
		"linked": {Workloads: append(namesakes(), lookalike()), KubeStateMetrics: true},
		"shaped": {Workloads: namesakes()},
	} {
		p := l.prometheus(t, name, cluster.Prometheus{Blocks: write(t, &recording)})
		r := l.recommender(t, visitor{name: name, address: p.url, args: []string{`--prometheus-matcher=env=~"prod|prod-stateful"`}})
		// A name that ends in -rc would be a release candidate's.
		vpa := func(w history.Workload) string { return name + "-" + w.Env + "-" + w.Name + "-vpa" }
		for _, w := range recording.Workloads {
			l.vpa(t, name, vpa(w), w.Kind, w.Name)
		}
		for _, w := range recording.Workloads {
			requireOracle(t, recording, w, l.loaded(t, vpa(w)))
		}
		require.NoError(t, r.Kill())
	}
}
