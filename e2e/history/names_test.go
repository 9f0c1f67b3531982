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
		{Deployment, long, `^x{58}[bcdfghjklmnpqrstvwxz2456789]{5}$`}, // the API server cuts long names
	} {
		w := simple()
		w.Kind, w.Name, w.Replicas = c.kind, c.name, 3
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
