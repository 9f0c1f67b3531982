package policy

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"pgregory.net/rapid"

	"github.com/sartor-vpa/sartor/pkg/policy/policytest"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// scene is a pod that arrives at the webhook, and all that decides on it.
type scene struct {
	pod     *corev1.Pod
	vpa     *vpav1.VerticalPodAutoscaler
	cluster Cluster
	ranges  []*corev1.LimitRange
}

func anyScene(m policytest.Maker) scene {
	s := scene{pod: m.Pod(), ranges: m.LimitRanges(), cluster: Cluster{Limits: DefaultLimitPolicy(), FloorRequests: m.One(3)}}
	s.cluster.Limits.MaxAllowedBoundsLimit = m.One(4)
	s.vpa = m.VPA(s.pod)
	s.vpa.Annotations = m.Annotations(CPULimitAnnotation, MemoryLimitAnnotation, FloorAnnotation)
	if s.cluster.StartupBoost = m.One(6); s.cluster.StartupBoost {
		s.vpa.Spec.StartupBoost = &vpav1.StartupBoost{CPU: &vpav1.GenericStartupBoost{Type: vpav1.FactorStartupBoostType, Factor: ptr(int32(1 + m.IntN(20)))}}
	}
	arrive(s.pod, s.ranges)
	return s
}

func (s *scene) decide(pod *corev1.Pod) (*Pod, Decision) {
	ranges := RangesOf(s.ranges)
	asking := PodOf(pod, ranges)
	return &asking, Decide(&asking, RulesOf(s.vpa, s.vpa.Status.Recommendation, s.cluster), ranges)
}

func TestWhateverIsDecidedKubernetesTakes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyScene(maker(t))
		asking, decision := s.decide(s.pod)
		after := patch(s.pod, asking, decision)
		if before := refused(s.pod, s.ranges); before == "" {
			if why := refused(after, s.ranges); why != "" {
				t.Fatalf("legal before, but then %s\n%v -> %v\n%s", why, resourcesOf(s.pod), resourcesOf(after), all(decision))
			}
		}
		if asking.Guaranteed && !guaranteed(after) {
			t.Fatalf("no longer Guaranteed: %v -> %v\n%s", resourcesOf(s.pod), resourcesOf(after), all(decision))
		}
		for i := range decision.Containers {
			s.check(t, asking, &decision.Containers[i], i)
		}
	})
}

// check holds what is decided for one container to what must always hold.
func (s *scene) check(t *rapid.T, asking *Pod, o *Outcome, i int) {
	c := &asking.Containers[i]
	rules := RulesOf(s.vpa, s.vpa.Status.Recommendation, s.cluster)
	floor := rules.Floor(asking, c.Name)
	for _, r := range usage.Resources {
		request, limit, declared := o.Requests[r], o.Limits[r], c.Declared()
		switch {
		case limit.IsSet() && !request.IsSet():
			t.Fatalf("%s of %s: a limit without a request", r, c.Name)
		case !request.IsSet():
			continue
		case !request.sane(r) || limit.IsSet() && (!limit.sane(r) || limit.amount < request.amount):
			t.Fatalf("%s of %s: absurd: %s", r, c.Name, toldOf(o))
		case limit.IsSet() && !c.First.Limits[r].IsSet():
			t.Fatalf("%s of %s: a limit is added: %s", r, c.Name, toldOf(o))
		case usage.Amount(request.amount) < floor[r]:
			t.Fatalf("%s of %s: below the floor: %s", r, c.Name, toldOf(o))
		case limit.IsSet() && limit.amount < declared.Limits[r].amount && !asking.Guaranteed && rules.limits[r].mode == LimitMultiple:
			t.Fatalf("%s of %s: below the declared limit: %s", r, c.Name, toldOf(o))
		case asking.Guaranteed && r == usage.CPU && whole(c.First.Limits[r]) && !whole(request):
			t.Fatalf("CPUs of %s are no longer whole: %s", c.Name, toldOf(o))
		}
	}
}

func TestDecidedAgainForThePodThatItLedToItIsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyScene(maker(t))
		asking, first := s.decide(s.pod)
		after := patch(s.pod, asking, first)
		again, second := s.decide(after)
		require.Equal(t, told(first), told(second), "%v -> %v\n%s\n%s", resourcesOf(s.pod), resourcesOf(after), all(first), all(second))
		require.Equal(t, string(asking.AppendDeclaration(nil)), string(again.AppendDeclaration(nil)))
		require.Equal(t, resourcesOf(after), resourcesOf(patch(after, again, second)))

		m := maker(t)
		with := after.DeepCopy()
		with.Spec.Containers = append(with.Spec.Containers, corev1.Container{Name: "mesh", Resources: m.Requirements()})
		without := s.pod.DeepCopy()
		without.Spec.Containers = append(without.Spec.Containers, *with.Spec.Containers[len(with.Spec.Containers)-1].DeepCopy())
		arrive(without, s.ranges)
		arrive(with, s.ranges)
		asking, third := s.decide(with)
		with = patch(with, asking, third)
		if refused(without, s.ranges) == "" {
			require.Empty(t, refused(with, s.ranges), "a sidecar was added in between: %v %v\n%s", resourcesOf(with), with.Annotations, all(third))
		}
		_, fourth := s.decide(with)
		require.Equal(t, told(third), told(fourth), "a sidecar was added in between: %v %v", resourcesOf(with), with.Annotations)
	})
}

func TestWhatIsNotRecommendedIsNotTouched(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyScene(maker(t))
		s.cluster.StartupBoost = false
		_, decision := s.decide(s.pod)
		for i := range decision.Containers {
			for _, r := range usage.Resources {
				target, ok := targetOf(s.vpa, s.pod.Spec.Containers[i].Name)[resourceName(r)]
				if !ok || target.Sign() <= 0 {
					require.False(t, decision.Containers[i].Requests[r].IsSet() || decision.Containers[i].Limits[r].IsSet())
				}
			}
		}
	})
}

// A limit, a LimitRange or the pod as a whole may lower a request that is recommended, but not below what was declared.
func TestOnlyMaxAllowedTakesARequestBelowTheDeclaredOne(t *testing.T) {
	seen := 0
	rapid.Check(t, func(t *rapid.T) {
		s := anyScene(maker(t))
		if refused(s.pod, s.ranges) != "" {
			return
		}
		asking, decision := s.decide(s.pod)
		lowered := map[[2]int]bool{}
		for _, step := range decision.Steps {
			if step.Reason == ByMaxAllowed || step.Reason == ByContradiction {
				lowered[[2]int{step.Container, int(step.Resource)}] = true
			}
		}
		for i := range decision.Containers {
			c := &asking.Containers[i]
			for _, r := range usage.Resources {
				given, declared := decision.Containers[i].Requests[r], c.First.Requests[r]
				wanted := ValueOf(r, targetOf(s.vpa, c.Name)[resourceName(r)])
				if !given.IsSet() || declared.is != exact || wanted.amount < declared.amount || lowered[[2]int{i, int(r)}] {
					continue
				}
				seen++
				if given.amount < declared.amount {
					t.Fatalf("%s of %s: declared %s, recommended %s, given %s\n%v\n%s", r, c.Name, declared.text(r), wanted.text(r), given.text(r), resourcesOf(s.pod), all(decision))
				}
			}
		}
	})
	require.NotZero(t, seen)
}

func targetOf(vpa *vpav1.VerticalPodAutoscaler, name string) corev1.ResourceList {
	for _, one := range vpa.Status.Recommendation.ContainerRecommendations {
		if one.ContainerName == name {
			return one.Target
		}
	}
	return nil
}

func TestEveryStepCanBeSaid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyScene(maker(t))
		_, decision := s.decide(s.pod)
		for i := range decision.Steps {
			step := &decision.Steps[i]
			require.NotEmpty(t, step.Reason.String())
			require.True(t, strings.HasPrefix(step.Text(), step.Resource.String()), step.Text())
			require.NotContains(t, step.Text(), "  ", "a word is missing")
			require.False(t, strings.HasSuffix(step.Text(), " "), step.Text())
		}
	})
}

func resourcesOf(pod *corev1.Pod) []string {
	var all []string
	for _, c := range allContainers(pod) {
		r := ResourcesOf(c.Resources)
		all = append(all, c.Name+": "+toldOf(&Outcome{Resources: r}))
	}
	if level := pod.Spec.Resources; level != nil {
		all = append(all, "pod: "+toldOf(&Outcome{Resources: ResourcesOf(*level)}))
	}
	return all
}

func all(d Decision) string {
	var said []string
	for i := range d.Steps {
		said = append(said, d.Steps[i].Text())
	}
	return strings.Join(said, "\n")
}
