package replay

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// assumed is what a container is taken to declare of which nothing is known: limits of twice the requests, and both the
// least that there is, so that no floor and no declared limit is larger than what is recommended.
func assumed() corev1.ResourceRequirements {
	list := func(times int64) corev1.ResourceList {
		return corev1.ResourceList{
			corev1.ResourceCPU:    *resource.NewMilliQuantity(times*policy.MinCPU, resource.DecimalSI),
			corev1.ResourceMemory: *resource.NewQuantity(times*policy.MinMemory, resource.BinarySI),
		}
	}
	return corev1.ResourceRequirements{Requests: list(1), Limits: list(2)}
}

// pod is what a pod declares in which these containers run: those of the template, and others, which something else adds,
// such as sidecars.
func (s *scene) pod(names []string) policy.Pod {
	pod := &corev1.Pod{}
	if s.Template != nil {
		s.Template.Spec.DeepCopyInto(&pod.Spec)
	}
	declared := assumed()
	if s.options.Declared != nil {
		declared = *s.options.Declared
	}
	for _, name := range names {
		if !slices.ContainsFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == name }) {
			pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: name, Resources: declared})
		}
	}
	return policy.PodOf(pod, nil)
}

// declarer is the adviser by which pods have what they declare.
type declarer struct {
	targets []targets
	asks    []asks
}

func newDeclarer(s *scene) *declarer {
	d := &declarer{targets: make([]targets, len(s.containers)), asks: make([]asks, len(s.containers))}
	known := s.containers
	if s.options.Declared == nil {
		known = nil // of sidecars nothing is known, and what is assumed was not declared
	}
	pod := s.pod(known)
	for i, name := range s.containers {
		c := pod.Container(name)
		if c == nil {
			continue
		}
		for _, r := range usage.Resources {
			if request := c.First.Requests[r]; request.IsSet() {
				d.asks[i][r] = askOf(request, c.First.Limits[r])
				d.targets[i][r] = target{amount: d.asks[i][r].request, known: true}
			}
		}
	}
	return d
}

func (d *declarer) advise(time.Time) []targets { return d.targets }

func (d *declarer) create() []asks { return d.asks }

func (*declarer) learn(time.Time, time.Time) {}
