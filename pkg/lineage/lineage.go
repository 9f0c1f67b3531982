// Package lineage says which VPA a release candidate inherits from, and which of its containers take
// their values from which of the primary's.
package lineage

import (
	"fmt"
	"strings"
)

// DefaultSuffix ends the name of a release candidate's VPA.
const DefaultSuffix = "-rc"

// Link says whom a VPA inherits from.
type Link struct {
	// Primary is the name of a VPA in the same namespace; empty if the VPA inherits from nobody.
	Primary string
	// Refused says why a VPA that looks like a candidate inherits from nobody; empty if it does not look like one.
	Refused string
}

// Of returns whom the VPA of that name inherits from: the VPA without the suffix. An empty suffix means
// that nobody inherits. Inheritance is one hop: a candidate of a candidate is refused.
func Of(name, suffix string) Link {
	if suffix == "" {
		return Link{}
	}
	primary, candidate := strings.CutSuffix(name, suffix)
	if !candidate || primary == "" {
		return Link{}
	}
	if strings.HasSuffix(primary, suffix) {
		return Link{Refused: fmt.Sprintf("%s would inherit from %s, which is itself a candidate; inheritance is one hop", name, primary)}
	}
	return Link{Primary: primary}
}

// Workload is a VPA's target by name, with its containers.
type Workload struct {
	Name       string
	Containers []string
}

// MapContainers returns, for each of the candidate's containers that has one, the primary's container that
// it inherits from: the one of the same name; or, for a container named like the candidate's workload, the
// one named like the primary's workload (shop-rc in shop-rc from shop in shop).
func MapContainers(candidate, primary Workload) map[string]string {
	has := make(map[string]bool, len(primary.Containers))
	for _, c := range primary.Containers {
		has[c] = true
	}
	mapped := map[string]string{}
	for _, c := range candidate.Containers {
		switch {
		case has[c]:
			mapped[c] = c
		case c == candidate.Name && has[primary.Name]:
			mapped[c] = primary.Name
		}
	}
	return mapped
}
