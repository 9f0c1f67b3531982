package policy

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// What follows is a small Kubernetes: the defaults, the LimitRanger and the validation that a pod meets, with
// quantities and not with our amounts. (The e2e module holds decisions to Kubernetes' own.)

// arrive is a new pod's way to the webhook: the API server's defaults, then the LimitRanger's.
func arrive(pod *corev1.Pod, ranges []*corev1.LimitRange) {
	fillIn(pod)
	for _, one := range ranges {
		limitRange(pod, one)
	}
}

// fillIn requests what is limited, in containers and then in the pod as a whole.
func fillIn(pod *corev1.Pod) {
	for _, c := range allContainers(pod) {
		for name, limit := range c.Resources.Limits {
			fill(&c.Resources.Requests, name, limit)
		}
	}
	level := pod.Spec.Resources
	if level == nil || len(level.Limits) == 0 {
		return
	}
	requests, _ := sums(pod)
	for name, sum := range requests {
		fill(&level.Requests, name, sum)
	}
	for name, limit := range level.Limits {
		fill(&level.Requests, name, limit)
	}
}

func allContainers(pod *corev1.Pod) []*corev1.Container {
	var all []*corev1.Container
	for i := range pod.Spec.Containers {
		all = append(all, &pod.Spec.Containers[i])
	}
	for i := range pod.Spec.InitContainers {
		all = append(all, &pod.Spec.InitContainers[i])
	}
	return all
}

// fill adds what is not there, and reports whether it did.
func fill(list *corev1.ResourceList, name corev1.ResourceName, q resource.Quantity) bool {
	if _, ok := (*list)[name]; ok {
		return false
	}
	if *list == nil {
		*list = corev1.ResourceList{}
	}
	(*list)[name] = q.DeepCopy()
	return true
}

// limitRange fills in one LimitRange's defaults, and says so in the annotation.
func limitRange(pod *corev1.Pod, one *corev1.LimitRange) {
	var said []string
	for i, c := range allContainers(pod) {
		kind := "container"
		if i >= len(pod.Spec.Containers) {
			kind = "init container"
		}
		var requests, limits []string
		for j := len(one.Spec.Limits) - 1; j >= 0; j-- { // the last item's default counts
			item := one.Spec.Limits[j]
			if item.Type != corev1.LimitTypeContainer {
				continue
			}
			for _, name := range resources {
				if q, ok := item.Default[name]; ok && fill(&c.Resources.Limits, name, q) {
					limits = append(limits, string(name))
				}
				if q, ok := item.DefaultRequest[name]; ok && fill(&c.Resources.Requests, name, q) {
					requests = append(requests, string(name))
				}
			}
		}
		for _, side := range []struct {
			word  string
			names []string
		}{{"request", requests}, {"limit", limits}} {
			if slices.Sort(side.names); len(side.names) > 0 {
				said = append(said, fmt.Sprintf("%s %s for %s %s", strings.Join(side.names, ", "), side.word, kind, c.Name))
			}
		}
	}
	if len(said) > 0 {
		if pod.Annotations == nil {
			pod.Annotations = map[string]string{}
		}
		pod.Annotations[LimitRangerAnnotation] = "LimitRanger plugin set: " + strings.Join(said, "; ")
	}
}

// sums are what a pod's containers request and are limited to together: init containers run one after the other,
// those that stay beside all that comes later.
func sums(pod *corev1.Pod) (requests, limits corev1.ResourceList) {
	add := func(to corev1.ResourceList, list corev1.ResourceList) {
		for name, q := range list {
			sum := to[name]
			sum.Add(q)
			to[name] = sum
		}
	}
	side := func(of func(*corev1.Container) corev1.ResourceList) corev1.ResourceList {
		sum, sidecars, peak := corev1.ResourceList{}, corev1.ResourceList{}, corev1.ResourceList{}
		for i := range pod.Spec.Containers {
			add(sum, of(&pod.Spec.Containers[i]))
		}
		for i := range pod.Spec.InitContainers {
			c := &pod.Spec.InitContainers[i]
			running := sidecars.DeepCopy()
			add(running, of(c))
			if c.RestartPolicy != nil {
				add(sidecars, of(c))
				add(sum, of(c))
			}
			for name, q := range running {
				if most, ok := peak[name]; !ok || q.Cmp(most) > 0 {
					peak[name] = q
				}
			}
		}
		for name, q := range peak {
			if most, ok := sum[name]; !ok || q.Cmp(most) > 0 {
				sum[name] = q
			}
		}
		return sum
	}
	return side(func(c *corev1.Container) corev1.ResourceList { return c.Resources.Requests }),
		side(func(c *corev1.Container) corev1.ResourceList { return c.Resources.Limits })
}

// refused says why Kubernetes does not take a pod; empty if it does.
func refused(pod *corev1.Pod, ranges []*corev1.LimitRange) string {
	requests, limits := sums(pod)
	for _, c := range allContainers(pod) {
		for name, request := range c.Resources.Requests {
			if limit, ok := c.Resources.Limits[name]; ok && request.Cmp(limit) > 0 {
				return fmt.Sprintf("%s: %s request %s above limit %s", c.Name, name, request.String(), limit.String())
			}
		}
	}
	if level := pod.Spec.Resources; level != nil {
		for _, name := range resources {
			sum, most := requests[name], level.Requests[name]
			if _, ok := level.Requests[name]; ok && sum.Cmp(most) > 0 {
				return fmt.Sprintf("%s requests %s above the pod's %s", name, sum.String(), most.String())
			}
			highest, ok := level.Limits[name]
			for i := range pod.Spec.Containers {
				if limit := pod.Spec.Containers[i].Resources.Limits[name]; ok && limit.Cmp(highest) > 0 {
					return fmt.Sprintf("%s limit %s above the pod's %s", name, limit.String(), highest.String())
				}
			}
			if most.Cmp(highest) > 0 && ok {
				return fmt.Sprintf("the pod's %s request %s above its limit %s", name, most.String(), highest.String())
			}
		}
		for name, q := range level.Requests {
			requests[name] = q
		}
		for name, q := range level.Limits {
			limits[name] = q
		}
	}
	for _, one := range ranges {
		for i := range one.Spec.Limits {
			item := &one.Spec.Limits[i]
			if item.Type == corev1.LimitTypePod {
				if why := outside(item, requests, limits); why != "" {
					return "pod: " + why
				}
				continue
			}
			for _, c := range allContainers(pod) {
				if why := outside(item, c.Resources.Requests, c.Resources.Limits); why != "" {
					return c.Name + ": " + why
				}
			}
		}
	}
	return ""
}

// outside is the LimitRanger's check.
func outside(item *corev1.LimitRangeItem, requests, limits corev1.ResourceList) string {
	for _, name := range resources {
		request, requested := requests[name]
		limit, limited := limits[name]
		if lowest, ok := item.Min[name]; ok && (!requested || request.Cmp(lowest) < 0 || limited && limit.Cmp(lowest) < 0) {
			return fmt.Sprintf("%s %s/%s below min %s", name, request.String(), limit.String(), lowest.String())
		}
		if highest, ok := item.Max[name]; ok && (!limited || limit.Cmp(highest) > 0 || request.Cmp(highest) > 0) {
			return fmt.Sprintf("%s %s/%s above max %s", name, request.String(), limit.String(), highest.String())
		}
		if ratio, ok := item.MaxLimitRequestRatio[name]; ok {
			if request.IsZero() || limit.IsZero() || float64(limit.MilliValue())/float64(request.MilliValue())*1000 > float64(ratio.MilliValue()) {
				return fmt.Sprintf("%s %s/%s above ratio %s", name, request.String(), limit.String(), ratio.String())
			}
		}
	}
	return ""
}
