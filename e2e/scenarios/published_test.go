package scenarios

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	vpaclient "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/client/clientset/versioned"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/client/informers/externalversions"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/sartor-vpa/sartor/e2e/cluster"
)

func vpaClient(t *testing.T, c *cluster.Cluster) vpaclient.Interface {
	client, err := vpaclient.NewForConfig(c.RESTConfig())
	require.NoError(t, err)
	return client
}

func kubeClient(t *testing.T, c *cluster.Cluster) kubernetes.Interface {
	client, err := kubernetes.NewForConfig(c.RESTConfig())
	require.NoError(t, err)
	return client
}

// recommendation is what one VPA's status says at one moment. Values are by "CONTAINER FIELD RESOURCE", in cores
// and bytes, such as "app target cpu".
type recommendation struct {
	at     time.Time
	values map[string]float64
	vpa    *vpav1.VerticalPodAutoscaler
}

func read(v *vpav1.VerticalPodAutoscaler) recommendation {
	r := recommendation{at: time.Now(), values: map[string]float64{}, vpa: v}
	if v.Status.Recommendation == nil {
		return r
	}
	for _, c := range v.Status.Recommendation.ContainerRecommendations {
		for field, list := range map[string]corev1.ResourceList{"lower": c.LowerBound, "target": c.Target, "uncapped": c.UncappedTarget, "upper": c.UpperBound} {
			for resource, quantity := range list {
				r.values[c.ContainerName+" "+field+" "+string(resource)] = quantity.AsApproximateFloat64()
			}
		}
	}
	return r
}

// recorder keeps every status of every VPA that the API server has held since it was made, by the VPA's name.
type recorder struct {
	mu  sync.Mutex
	all map[string][]recommendation
}

// record watches all VPAs until the test ends.
func record(t *testing.T, c *cluster.Cluster) *recorder {
	r := &recorder{all: map[string][]recommendation{}}
	informers := externalversions.NewSharedInformerFactory(vpaClient(t, c), 0)
	add := func(object any) {
		v := object.(*vpav1.VerticalPodAutoscaler)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.all[v.Name] = append(r.all[v.Name], read(v))
	}
	informer := informers.Autoscaling().V1().VerticalPodAutoscalers().Informer()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: add, UpdateFunc: func(_, object any) { add(object) },
	})
	require.NoError(t, err)
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop); informers.Shutdown() })
	informers.Start(stop)
	require.True(t, cache.WaitForCacheSync(stop, informer.HasSynced))
	return r
}

// last is what each VPA says now.
func (r *recorder) last() map[string]recommendation {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := map[string]recommendation{}
	for name, all := range r.all {
		last[name] = all[len(all)-1]
	}
	return last
}

// since is everything that was published of a VPA after before was.
func (r *recorder) since(name string, before recommendation) []recommendation {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.all[name]
	i := slices.IndexFunc(all, func(x recommendation) bool { return x.at.After(before.at) })
	if i < 0 {
		return nil
	}
	return slices.Clone(all[i:])
}

// moved says in what a recommendation has moved by more than a bucket or 5 % since before, or "". What is young may
// gain confidence meanwhile: its bounds may come nearer.
func moved(before, after recommendation, young bool) string {
	var moves []string
	for _, name := range slices.Sorted(maps.Keys(before.values)) {
		was := before.values[name]
		is, ok := after.values[name]
		if !ok {
			moves = append(moves, fmt.Sprintf("%s is gone, was %g", name, was))
			continue
		}
		narrower := young && (strings.Contains(name, " upper ") && is < was || strings.Contains(name, " lower ") && is > was)
		if math.Abs(is-was) > step(name, math.Min(is, was)) && !narrower {
			moves = append(moves, fmt.Sprintf("%s was %g and is %g", name, was, is))
		}
	}
	return strings.Join(moves, "; ")
}

// step is how far the next bucket's end is from a value, with upstream's safety margin on both, or 5 % if that is
// more.
func step(name string, value float64) float64 {
	first := 1e7 // bytes: the width of the first bucket. The others' grow by 5 % each
	if strings.HasSuffix(name, " cpu") {
		first = 0.01
	}
	const margin = 1.15
	return margin*first + 0.05*value + 1e-9*value // of which nothing is below 5 %
}

// holds fails the test if a VPA has said anything since that differs from what was published before. Only the old,
// by name, have bounds that must stay, too: others' may come nearer.
func (r *recorder) holds(t *testing.T, before map[string]recommendation, old ...string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(before)) {
		for _, after := range r.since(name, before[name]) {
			require.Empty(t, moved(before[name], after, !slices.Contains(old, name)),
				"VPA %s, %s after: %v", name, after.at.Sub(before[name].at).Round(time.Millisecond), after.vpa.Status.Conditions)
		}
	}
}
