package bench

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/logic"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/model"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/routines"

	"github.com/sartor-vpa/sartor/pkg/sidebyside"
	"github.com/sartor-vpa/sartor/recommender/loop"
)

// heap counts what the loop holds beside what watching holds: VPAs with their statuses, and the store's pods.
func heap(vpas int) operation {
	return func(r reading) {
		w := newWorld(vpas, newStartedPods(vpas))
		pods := w.pods
		before := sidebyside.LiveHeap()
		parts := w.fed(time.Hour)
		w.live = ourLive{}
		for _, vpa := range w.vpas {
			vpa.Status = vpav1.VerticalPodAutoscalerStatus{}
		}
		r[value] = (sidebyside.LiveHeap() - before) / float64(vpas*containersPerVPA)
		runtime.KeepAlive(parts)
		runtime.KeepAlive(pods)
	}
}

func computePass(vpas int) operation {
	w := newWorld(vpas, newStartedPods(vpas))
	parts := w.fed(time.Hour)
	return func(r reading) {
		w.minute(parts)
		r.Measure(1, parts.Review)
		parts.Write(context.Background())
		needRecommendations(w.vpas)
	}
}

func needRecommendations(vpas []*vpav1.VerticalPodAutoscaler) {
	for _, vpa := range vpas {
		needCount(len(vpa.Status.Recommendation.ContainerRecommendations), containersPerPod)
	}
}

func liveFold(vpas int) operation {
	w := newWorld(vpas, newStartedPods(vpas))
	parts := w.parts(ourOptions())
	begin(parts)
	w.live = newOurLive(vpas)
	return func(r reading) {
		w.clock = w.clock.Add(time.Minute)
		w.live.advance(w.clock)
		r.Measure(1, func() { parts.Fold(context.Background()) })
	}
}

func checkpointStore(vpas int) operation {
	w := newWorld(vpas, newStartedPods(vpas))
	parts := w.fed(time.Hour)
	return func(r reading) {
		w.minute(parts)
		before := w.api.written.Load()
		r.Measure(1, func() {
			parts.SaveAll()
			parts.Write(context.Background())
		})
		needCount(int(w.api.written.Load()-before), vpas*containersPerPod)
	}
}

func checkpointsLoad(vpas int) operation {
	checkpoints := newCheckpoints(vpas)
	return func(r reading) {
		w := newWorld(vpas, newStartedPods(vpas))
		w.clock, w.checkpoints = historyStart.Add(historyLength), checkpoints
		parts := w.parts(ourOptions())
		parts.Match(context.Background())
		r.Measure(1, func() { parts.Track(context.Background()) })
		parts.Review()
		parts.Write(context.Background())
		needRecommendations(w.vpas)
	}
}

// rounds are whole ones, a minute apart.
func (w *world) rounds(parts []func(context.Context), n int) {
	for range n {
		w.clock = w.clock.Add(time.Minute)
		for _, part := range parts {
			part(context.Background())
		}
	}
}

func (w *world) written() float64 { return float64(w.statuses.Load() + w.api.written.Load()) }

// whole are the parts of a round.
func whole(p loop.Parts) []func(context.Context) {
	return []func(context.Context){p.Match, p.Track, p.Fold, func(context.Context) { p.Review() }, p.Checkpoint, p.Write}
}

func writesUnchanged(vpas int) operation {
	return func(r reading) {
		w := newWorld(vpas, newStartedPods(vpas))
		parts := w.fed(time.Hour)
		parts.SaveAll()
		parts.Write(context.Background())
		before := w.written()
		w.rounds(whole(parts), steadyLoops)
		r[value] = w.written() - before
	}
}

// writesSteady counts when checkpoints, which were first written together, are spread.
func writesSteady(vpas int) operation {
	return func(r reading) {
		w := newWorld(vpas, newStartedPods(vpas))
		parts := w.fed(time.Minute)
		fresh := append([]func(context.Context){func(context.Context) { w.live.advance(w.clock) }}, whole(parts)...)
		w.rounds(fresh, 3*steadyLoops)
		before := w.written()
		w.rounds(fresh, steadyLoops)
		r[value] = w.written() - before
	}
}

func TestBothSidesRecommendTheSame(t *testing.T) {
	const n = 10
	w := newWorld(n, newStartedPods(n))
	w.fed(time.Hour)
	theirs := upstreamModel(newVPAs(n), newPods(n), time.Hour)
	estimator, capping := upstreamEstimator(), upstreamCapping()
	for v, vpa := range w.vpas {
		state := theirs.VPAs()[model.VpaID{Namespace: vpa.Namespace, VpaName: vpa.Name}]
		estimate := estimator.GetRecommendedPodResources(routines.GetContainerNameToAggregateStateMap(state))
		want := capping.Process(newVPA(v), logic.MapToListOfRecommendedContainerResources(estimate, upstreamFormat)).ContainerRecommendations
		got := vpa.Status.Recommendation.ContainerRecommendations
		require.Len(t, got, len(want))
		for i := range want {
			require.Equal(t, want[i].ContainerName, got[i].ContainerName)
			for _, list := range [][2]corev1.ResourceList{{want[i].Target, got[i].Target}, {want[i].LowerBound, got[i].LowerBound}, {want[i].UpperBound, got[i].UpperBound}} {
				for r, q := range list[0] {
					ours := list[1][r]
					require.Zero(t, q.Cmp(ours), "%s %s %s: upstream %s, ours %s", vpa.Name, want[i].ContainerName, r, q.String(), ours.String())
				}
			}
		}
	}
}
