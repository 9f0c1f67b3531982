package story

import (
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Declared is what services.yaml says of the main containers.
var (
	declaredRequests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("512Mi")}
	declaredLimits   = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2"), corev1.ResourceMemory: resource.MustParse("1Gi")}
)

// Check says everything in which the story is not true.
func (s *Story) Check() error {
	return errors.Join(s.checkBefore(), s.checkInheritance(), s.checkAfter())
}

func (s *Story) checkBefore() error {
	var errs []error
	for _, pod := range s.Before {
		main := mainContainer(pod)
		if !equal(main.Resources.Requests, declaredRequests) || !equal(main.Resources.Limits, declaredLimits) {
			errs = append(errs, fmt.Errorf("pod %s was not created as declared: %v", pod.Name, main.Resources))
		}
	}
	if !slices.EqualFunc(s.Before, s.Meanwhile, func(a, b corev1.Pod) bool { return a.UID == b.UID && a.Generation == b.Generation }) {
		errs = append(errs, errors.New("pods that were running were not left alone"))
	}
	return errors.Join(errs...)
}

func (s *Story) checkInheritance() error {
	stable, candidate := s.VPAs[Stable], s.VPAs[Candidate]
	for own, from := range map[string]string{Candidate: Stable, Sidecar: Sidecar} {
		if mine, theirs := Target(&candidate, own), Target(&stable, from); len(theirs) != 2 || !equal(mine, theirs) {
			return fmt.Errorf("%s's container %s should have the values of %s's %s: %v instead of %v", Candidate, own, Stable, from, mine, theirs)
		}
	}
	return nil
}

// checkAfter holds every new pod to its VPA: requests as recommended, and where a limit was declared, the larger
// of it and twice the request, in whole CPUs and MiB.
func (s *Story) checkAfter() error {
	var errs []error
	for _, pod := range s.After {
		vpa := s.VPAs[serviceOf(pod)]
		for _, c := range pod.Spec.Containers {
			target := Target(&vpa, c.Name)
			if !equal(c.Resources.Requests, target) {
				errs = append(errs, fmt.Errorf("pod %s, container %s requests %v and not the recommended %v", pod.Name, c.Name, c.Resources.Requests, target))
				continue
			}
			var limits corev1.ResourceList
			if c.Name != Sidecar { // it declares none, and none is added
				limits = ExpectedLimits(declaredLimits, target)
			}
			if !equal(c.Resources.Limits, limits) {
				errs = append(errs, fmt.Errorf("pod %s, container %s has limits %v and not %v", pod.Name, c.Name, c.Resources.Limits, limits))
			}
		}
	}
	if len(s.After) == 0 {
		errs = append(errs, errors.New("there are no new pods"))
	}
	return errors.Join(errs...)
}

// ExpectedLimits is the limit policy in its own words, apart from the code under test: max(declared, 2 x request),
// rounded up to whole CPUs and whole MiB.
func ExpectedLimits(declared, request corev1.ResourceList) corev1.ResourceList {
	up := func(v, unit int64) int64 { return (v + unit - 1) / unit * unit }
	milli := up(max(declared.Cpu().MilliValue(), 2*request.Cpu().MilliValue()), 1000)
	bytes := up(max(declared.Memory().Value(), 2*request.Memory().Value()), 1<<20)
	return corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewMilliQuantity(milli, resource.DecimalSI),
		corev1.ResourceMemory: *resource.NewQuantity(bytes, resource.BinarySI),
	}
}

func mainContainer(pod corev1.Pod) corev1.Container {
	for _, c := range pod.Spec.Containers {
		if c.Name != Sidecar {
			return c
		}
	}
	return corev1.Container{}
}

func serviceOf(pod corev1.Pod) string { return mainContainer(pod).Name }

func equal(a, b corev1.ResourceList) bool {
	if len(a) != len(b) {
		return false
	}
	for name, q := range a {
		if other, ok := b[name]; !ok || q.Cmp(other) != 0 {
			return false
		}
	}
	return true
}
