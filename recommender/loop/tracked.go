package loop

import (
	"slices"
	"time"

	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

const day = 24 * time.Hour

// containers are the names that are recommended for: those of running pods, so that a container that was
// renamed takes no share of the pod's minimum; without pods, all that were ever seen or are held.
func (t *tracked) containers() []string {
	var names []string
	if len(t.pods) == 0 {
		names = t.usage.Containers()
		if t.holds() {
			for _, r := range t.vpa.Status.Recommendation.ContainerRecommendations {
				if !slices.Contains(names, r.ContainerName) {
					names = append(names, r.ContainerName)
				}
			}
		}
	}
	for i := range t.pods {
		for _, c := range t.pods[i].Containers {
			if !slices.Contains(names, c) {
				names = append(names, c)
			}
		}
	}
	slices.Sort(names)
	return names
}

// sharing is how many containers share the pod's minimum: those that are not Off.
func (t *tracked) sharing(containers []string) int {
	n := 0
	for _, c := range containers {
		if !t.policy(c).Off {
			n++
		}
	}
	return n
}

func (t *tracked) policy(container string) policy.Container {
	return policy.ForContainer(t.vpa.Spec.ResourcePolicy, container)
}

// covered reports whether a day or more is known of the container, without history.
func (t *tracked) covered(container string) bool {
	a := t.usage.Aggregate(container)
	return a != nil && a.Span() >= day
}

// retainWindows forgets the running windows of pods that are gone. While history is pending there may be none to
// forget, and what history brings of pods that are gone goes with the next round.
func (t *tracked) retainWindows() {
	running := make(map[usage.Container]bool)
	for i := range t.pods {
		for _, c := range t.pods[i].Containers {
			running[usage.Container{Namespace: t.pods[i].Name.Namespace, Pod: t.pods[i].Name.Name, Name: c}] = true
		}
	}
	t.usage.Retain(func(c usage.Container) bool { return running[c] })
}
