package aggregate

import (
	"fmt"
	"math"
	"math/rand"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/model"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

const (
	podsEach       = 3
	containersEach = 2
)

// fleet is what so many VPAs have learnt of three pods of two containers each, in eight days of a sample an hour. Usage is
// lognormal, and each container has a median of its own.
func fleet(workloads int) []*Workload {
	r := rand.New(rand.NewSource(1))
	all := make([]*Workload, workloads)
	for v := range all {
		w := NewWorkload(DefaultOptions())
		for p := range podsEach {
			pod := fmt.Sprintf("service-%05d-7d9f8b6c5d-%05d", v, p)
			for _, name := range [containersEach]string{"app", "sidecar"} {
				cores, bytes := 0.02*math.Exp(r.NormFloat64()), 1.5e8*math.Exp(r.NormFloat64()*0.8)
				s := usage.Sample{Container: usage.Container{Namespace: "store", Pod: pod, Name: name}, Time: start}
				for range 8 * 24 {
					s.Resource, s.Amount = usage.CPU, usage.Truncate(1000*cores*math.Exp(r.NormFloat64()*0.6))
					w.Add(s)
					s.Resource, s.Amount = usage.Memory, usage.Truncate(bytes*math.Exp(r.NormFloat64()*0.15))
					w.Add(s)
					s.Time = s.Time.Add(time.Hour)
				}
			}
		}
		all[v] = w
	}
	return all
}

func liveHeap() float64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// BenchmarkFootprint tells how many bytes of live heap a container of a pod takes, the pods' names among them.
func BenchmarkFootprint(b *testing.B) {
	const workloads = 500
	for b.Loop() {
		before := liveHeap()
		all := fleet(workloads)
		b.ReportMetric((liveHeap()-before)/(workloads*podsEach*containersEach), "B/container")
		runtime.KeepAlive(all)
	}
}

func TestAddingToWhatIsKnownAllocatesNothing(t *testing.T) {
	w := fleet(1)[0]
	s := usage.Sample{Container: usage.Container{Namespace: "store", Pod: w.pods[1], Name: "app"}, Time: start.AddDate(0, 0, 9)}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		s.Time = s.Time.Add(time.Minute)
		s.Resource, s.Amount = usage.CPU, 20
		require.True(t, w.Add(s))
		s.Resource, s.Amount = usage.Memory, 1.5e8
		require.True(t, w.Add(s))
	}))
}

// BenchmarkAdd adds a round of samples of 30 pods, in the order in which the metrics server gives them, beside upstream.
func BenchmarkAdd(b *testing.B) {
	const pods = 30
	var round []usage.Sample
	for p := range pods {
		for _, name := range []string{"app", "sidecar"} {
			for _, r := range usage.Resources {
				round = append(round, usage.Sample{
					Container: usage.Container{Namespace: "store", Pod: fmt.Sprintf("service-7d9f8b6c5d-%05d", p), Name: name},
					Resource:  r, Time: start, Amount: [2]usage.Amount{50 + usage.Amount(p), 2e8 + usage.Amount(p)*1e6}[r],
				})
			}
		}
	}
	report := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(round)), "ns/sample")
		b.ReportAllocs()
	}
	b.Run("ours", func(b *testing.B) {
		w := NewWorkload(DefaultOptions())
		for i := 0; b.Loop(); i++ {
			for _, s := range round {
				s.Time = s.Time.Add(time.Duration(i) * time.Minute)
				w.Add(s)
			}
		}
		report(b)
	})
	b.Run("upstream", func(b *testing.B) {
		cluster := model.NewClusterState(time.Hour)
		for _, s := range round {
			id := model.PodID{Namespace: "store", PodName: s.Container.Pod}
			cluster.AddOrUpdatePod(id, nil, "Running")
			require.NoError(b, cluster.AddOrUpdateContainer(model.ContainerID{PodID: id, ContainerName: s.Container.Name}, nil))
		}
		for i := 0; b.Loop(); i++ {
			for _, s := range round {
				_ = cluster.AddSample(&model.ContainerUsageSampleWithKey{
					Container: model.ContainerID{PodID: model.PodID{Namespace: "store", PodName: s.Container.Pod}, ContainerName: s.Container.Name},
					ContainerUsageSample: model.ContainerUsageSample{
						MeasureStart: s.Time.Add(time.Duration(i) * time.Minute), Usage: model.ResourceAmount(s.Amount), Resource: model.ResourceName(s.Resource.String()),
					},
				})
			}
		}
		report(b)
	})
}
