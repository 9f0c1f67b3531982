package lineage

import (
	"fmt"
	"maps"
	"slices"
)

// Workload is a VPA's target by name, with its containers.
type Workload struct {
	Name       string
	Containers []string
}

// Map returns, for each of the candidate's containers that has one, the primary's container that it inherits
// from: the one that overrides names; else the one of the same name; else, for a container named like the
// candidate's workload, the one named like the primary's workload (shop-rc in shop-rc from shop in shop).
// A container whose override names none of the primary's maps to nothing. unknown tells in words, in a stable
// order, which overrides name what does not exist; a workload without any containers is not known yet, and
// nothing is said of it.
func Map(candidate, primary Workload, overrides map[string]string) (mapped map[string]string, unknown []string) {
	has := make(map[string]bool, len(primary.Containers))
	for _, c := range primary.Containers {
		has[c] = true
	}
	mapped = map[string]string{}
	for _, c := range candidate.Containers {
		from, overridden := overrides[c]
		switch {
		case overridden:
			if has[from] {
				mapped[c] = from
			}
		case has[c]:
			mapped[c] = c
		case c == candidate.Name && has[primary.Name]:
			mapped[c] = primary.Name
		}
	}
	for _, own := range slices.Sorted(maps.Keys(overrides)) {
		from := overrides[own]
		if len(candidate.Containers) > 0 && !slices.Contains(candidate.Containers, own) {
			unknown = append(unknown, fmt.Sprintf("%s=%s: %s has no container %s", own, from, candidate.Name, own))
		} else if len(primary.Containers) > 0 && !has[from] {
			unknown = append(unknown, fmt.Sprintf("%s=%s: %s has no container %s", own, from, primary.Name, from))
		}
	}
	return mapped, unknown
}
