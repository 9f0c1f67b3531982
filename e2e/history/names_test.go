package history

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func podNames(r Recording, w Workload) map[string]bool {
	r = r.withDefaults()
	out := map[string]bool{}
	for _, l := range r.lives(&w) {
		out[l.pod] = true
	}
	return out
}

func TestPodNamesHaveKubernetesShapes(t *testing.T) {
	// A ReplicaSet's hash is a uint32 in decimal, each digit replaced by one of ten characters.
	const deployment = `-[456789bcdf]{1,10}-[bcdfghjklmnpqrstvwxz2456789]{5}$`
	long := strings.Repeat("x", 60)
	for _, c := range []struct{ kind, name, want string }{
		{Deployment, "shop", "^shop" + deployment},
		{Deployment, "shop-rc", "^shop-rc" + deployment},
		{StatefulSet, "shop-db", `^shop-db-[0-2]$`},
		{DaemonSet, "agent", `^agent-[bcdfghjklmnpqrstvwxz2456789]{5}$`},
		{ReplicaSet, "bare", `^bare-[bcdfghjklmnpqrstvwxz2456789]{5}$`},
		{Job, "once", `^once-[bcdfghjklmnpqrstvwxz2456789]{5}$`},
		{CronJob, "nightly", `^nightly-29[0-9]{6}-[bcdfghjklmnpqrstvwxz2456789]{5}$`},
		{CronJob, long[:52], `^x{52}-29[0-9]{3}[bcdfghjklmnpqrstvwxz2456789]{5}$`},
		{Deployment, long, `^x{58}[bcdfghjklmnpqrstvwxz2456789]{5}$`}, // the API server cuts long names
	} {
		w := simple()
		w.Kind, w.Name, w.Replicas = c.kind, c.name, 3
		if w.Kind == Job {
			w.Rollout = 0
		}
		for name := range podNames(Recording{End: end}, w) {
			require.Regexp(t, c.want, name)
			require.LessOrEqual(t, len(name), 63)
		}
	}
}

func TestARolloutGivesDeploymentsNewNamesAndStatefulSetsTheirOld(t *testing.T) {
	w := simple()
	require.Len(t, podNames(Recording{End: end}, w), 2*9, "eight days touch nine generations")
	w.Kind = StatefulSet
	require.Len(t, podNames(Recording{End: end}, w), 2)
}

func TestACronJobsPodsRunForAWhileInEachPeriod(t *testing.T) {
	w := simple()
	w.Kind, w.Rollout, w.Lasting, w.Replicas = CronJob, 6*time.Hour, 40*time.Minute, 1
	for seed := range uint64(30) {
		r := Recording{End: end, Span: 25 * time.Hour, Seed: seed, Workloads: []Workload{w}}
		require.NoError(t, r.Validate())
		lives := r.lives(&w)
		require.InDelta(t, 4.5, len(lives), 0.6)
		due := map[string]bool{}
		for i, l := range lives {
			require.LessOrEqual(t, l.to-l.from, w.Lasting)
			require.Greater(t, l.to, -r.Span)
			require.LessOrEqual(t, l.to, time.Duration(0))
			if i > 0 {
				require.Equal(t, w.Rollout, l.from-lives[i-1].from)
			}
			due[l.pod[:strings.LastIndexByte(l.pod, '-')]] = true
		}
		require.Len(t, due, len(lives), "each has a Job of its own")
	}
}

func TestPodsOfOneGenerationShareTheirTemplateHash(t *testing.T) {
	w := simple()
	w.Rollout, w.Replicas = 0, 5
	hashes := map[string]bool{}
	for name := range podNames(Recording{End: end}, w) {
		hashes[name[:strings.LastIndex(name, "-")]] = true
	}
	require.Len(t, hashes, 1)
}

func TestDevAndProdShareEveryName(t *testing.T) {
	names := map[string]map[string]bool{}
	for _, w := range Store() {
		r := Recording{End: end, Workloads: Store()}
		if names[w.Env] == nil {
			names[w.Env] = map[string]bool{}
		}
		for pod := range podNames(r, w) {
			for _, c := range w.Containers {
				names[w.Env][w.Namespace+"/"+pod+"/"+c.Name] = true
			}
		}
	}
	require.Len(t, names, 2)
	require.Equal(t, names["prod"], names["dev"])
}

func TestAYoungWorkloadHasNoPodsBeforeItsTime(t *testing.T) {
	w := simple()
	w.Age = 30 * time.Hour
	r := Recording{End: end}.withDefaults()
	lives := r.lives(&w)
	require.NotEmpty(t, lives)
	for _, l := range lives {
		require.GreaterOrEqual(t, l.from, -w.Age)
		require.Less(t, l.from, l.to)
	}
}
