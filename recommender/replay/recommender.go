package replay

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/estimate"
	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// recommender is the adviser that does what the recommender and the webhook do.
type recommender struct {
	scene  *scene
	policy *Policy
	learnt *aggregate.Workload
	// vpa has the workload's policy, and an update mode in which the webhook acts.
	vpa *vpav1.VerticalPodAutoscaler
	// running says which containers ran when anything last did; what follows is made of these.
	running []bool
	pod     policy.Pod
	bounds  []policy.Compiled
	minimum [len(usage.Resources)]usage.Amount

	published []targets
	given     []asks
}

func newRecommender(s *scene, p *Policy) *recommender {
	n := len(s.containers)
	r := &recommender{
		scene: s, policy: p, learnt: aggregate.NewWorkload(p.Aggregate), vpa: &vpav1.VerticalPodAutoscaler{},
		running: make([]bool, n), bounds: make([]policy.Compiled, n), published: make([]targets, n), given: make([]asks, n),
	}
	if s.VPA != nil {
		r.vpa = s.VPA.DeepCopy()
	}
	mode := vpav1.UpdateModeInitial
	r.vpa.Spec.UpdatePolicy = &vpav1.PodUpdatePolicy{UpdateMode: &mode}
	return r
}

// shape finds out anew what follows from which containers run, as the recommender's loop does when pods change.
func (r *recommender) shape() {
	var names []string
	for i, name := range r.scene.containers {
		if r.running[i] {
			names = append(names, name)
		}
	}
	r.pod = r.scene.pod(names)
	rules := policy.RulesOf(r.vpa, nil, r.cluster())
	sharing := 0
	for i, name := range r.scene.containers {
		own := policy.ForContainer(r.vpa.Spec.ResourcePolicy, name)
		if r.running[i] && !own.Off {
			sharing++
		}
		integer := r.policy.IntegerCPU && policy.IntegerCPU(r.vpa.Annotations, name)
		r.bounds[i] = own.Compile(r.policy.Global, r.policy.Rounding, integer).Given(rules, &r.pod, name)
	}
	r.minimum = r.policy.Minimum.Share(r.policy.Estimate.Share(sharing))
}

func (r *recommender) cluster() policy.Cluster {
	return policy.Cluster{Limits: r.policy.Limits, FloorRequests: r.policy.FloorRequests}
}

func (r *recommender) advise(time.Time) []targets {
	for i, name := range r.scene.containers {
		a := r.learnt.Aggregate(name)
		if a == nil || a.Empty() {
			continue
		}
		values := estimate.Recommend(a, r.minimum, r.policy.Estimate)
		for _, kind := range usage.Resources {
			if values[kind].Known && r.bounds[i].Controls(kind) {
				_, to, _ := r.bounds[i].Apply(kind, values[kind].Target)
				r.published[i][kind].publish(to)
			}
		}
	}
	return r.published
}

// publish makes an amount the target, unless it is within 1 % of it: then the recommender does not write it.
func (t *target) publish(to usage.Amount) {
	const tolerance = 0.01
	was, now := float64(t.amount), float64(to)
	if t.known && now >= was*(1-tolerance) && now <= was*(1+tolerance) {
		return
	}
	*t = target{amount: to, known: true}
}

func (r *recommender) create() []asks {
	recommended := &vpav1.RecommendedPodResources{}
	for i, name := range r.scene.containers {
		list := corev1.ResourceList{}
		for _, kind := range usage.Resources {
			if t := r.published[i][kind]; t.known {
				list[corev1.ResourceName(kind.String())] = quantity(kind, t.amount)
			}
		}
		if len(list) > 0 {
			recommended.ContainerRecommendations = append(recommended.ContainerRecommendations,
				vpav1.RecommendedContainerResources{ContainerName: name, Target: list})
		}
	}
	clear(r.given)
	decision := policy.Decide(&r.pod, policy.RulesOf(r.vpa, recommended, r.cluster()), nil)
	for at := range r.pod.Containers {
		c, decided := &r.pod.Containers[at], &decision.Containers[at]
		i, found := slices.BinarySearch(r.scene.containers, c.Name)
		if !found {
			continue
		}
		for _, kind := range usage.Resources {
			if decided.Requests[kind].IsSet() {
				r.given[i][kind] = askOf(decided.Requests[kind], either(decided.Limits[kind], c.First.Limits[kind]))
			}
		}
	}
	return r.given
}

func (r *recommender) learn(from, to time.Time) {
	running := make([]bool, len(r.running))
	for i := range r.scene.Tracks {
		t := &r.scene.Tracks[i]
		first, end, at := t.between(from, to)
		if first == end {
			continue
		}
		known := r.learnt.AddCPU(t.Container, at, time.Minute, t.CPU[first:end]) > 0
		sample := usage.Sample{Container: usage.Container{Namespace: r.scene.Namespace, Pod: t.Pod, Name: t.Container}, Resource: usage.Memory}
		for minute := first; minute < end; minute++ {
			if amount, ok := t.amount(usage.Memory, minute); ok {
				sample.Amount, sample.Time = amount, at.Add(time.Duration(minute-first)*time.Minute)
				r.learnt.Add(sample)
				known = true
			}
		}
		running[r.scene.of[i]] = running[r.scene.of[i]] || known
	}
	if slices.Contains(running, true) && !slices.Equal(running, r.running) {
		r.running = running
		r.shape()
	}
}

// either is the first of the two that is set.
func either(a, b policy.Value) policy.Value {
	if a.IsSet() {
		return a
	}
	return b
}

func askOf(request, limit policy.Value) ask {
	return ask{request: usage.Amount(request.Amount()), limit: usage.Amount(max(0, limit.Amount())), known: true}
}

// quantity writes an amount as the API does.
func quantity(r usage.Resource, a usage.Amount) resource.Quantity {
	if r == usage.CPU {
		return *resource.NewMilliQuantity(int64(a), resource.DecimalSI)
	}
	return *resource.NewQuantity(int64(a), resource.BinarySI)
}
