// Package lineage says which VPA a release candidate inherits from, and which of its containers take
// their values from which of the primary's.
package lineage

import (
	"fmt"
	"strings"
)

// DefaultSuffix ends the name of a release candidate's VPA.
const DefaultSuffix = "-rc"

// Link says whom a VPA inherits from, and how. The zero Link: from nobody.
type Link struct {
	// Primary is the name of a VPA in the same namespace, which need not exist; empty if the VPA inherits
	// from nobody. A Primary itself inherits from nobody.
	Primary string
	// Mode says what becomes of what the candidate used itself. Empty without Primary.
	Mode Mode
	// Containers are the candidate's that shall inherit from another container of the primary's than their
	// names say: own name to the primary's. nil if there are none.
	Containers map[string]string
	// Refused says why a VPA that wants to inherit must not, and what would help; empty if it does not want to.
	Refused string
	// Invalid are the annotations that make no sense: each with its value, and what would. Sorted by annotation.
	Invalid []string
}

// Lookup returns the annotations of the VPA called name in the candidate's namespace; false if there is none.
type Lookup func(name string) (annotations map[string]string, exists bool)

// Of returns whom the VPA inherits from: the one that its annotation names, else the one of its name
// without the suffix. An empty suffix leaves only the annotation. Inheritance is one hop: who would inherit
// from a VPA that wants to inherit itself is refused, so that there are neither chains nor cycles.
func Of(name string, annotations map[string]string, suffix string, lookup Lookup) Link {
	var invalid complaints
	primary := wish(name, annotations, suffix, &invalid)
	if primary == "" {
		return Link{Invalid: invalid}
	}
	if primary == name {
		return Link{Invalid: invalid, Refused: fmt.Sprintf("%s would inherit from itself; name another VPA in %s or remove it", name, FromAnnotation)}
	}
	others, _ := lookup(primary)
	if second := wish(primary, others, suffix, &complaints{}); second != "" {
		return Link{Invalid: invalid, Refused: refusal(name, primary, second)}
	}
	containers := overrides(annotations, &invalid)
	mode := modeOf(annotations, &invalid)
	return Link{Primary: primary, Mode: mode, Containers: containers, Invalid: invalid}
}

// wish is whom the VPA wants to inherit from; empty if from nobody.
func wish(name string, annotations map[string]string, suffix string, invalid *complaints) string {
	if optedOut(annotations, invalid) {
		return ""
	}
	if from, ok := annotations[FromAnnotation]; ok {
		if !isVPAName(from) {
			invalid.add(FromAnnotation, from, "name a VPA of the same namespace, such as shop, or remove the annotation")
			return ""
		}
		return from
	}
	return bySuffix(name, suffix)
}

func bySuffix(name, suffix string) string {
	if suffix == "" || !strings.HasSuffix(name, suffix) {
		return ""
	}
	return strings.TrimSuffix(name, suffix)
}

func refusal(name, primary, second string) string {
	remedy := fmt.Sprintf(`set the annotation %s: "false" on %s`, OptAnnotation, primary)
	if second != name && second != primary {
		remedy = fmt.Sprintf("name %s in the annotation %s, or %s", second, FromAnnotation, remedy)
	}
	return fmt.Sprintf("%s would inherit from %s, which itself inherits from %s, and inheritance is one hop: %s", name, primary, second, remedy)
}

// ShardKey returns the name that decides which replica works on the VPA: whom it wants to inherit from, else
// its own. A candidate and its primary have the same.
func ShardKey(name string, annotations map[string]string, suffix string) string {
	if primary := wish(name, annotations, suffix, &complaints{}); primary != "" {
		return primary
	}
	return name
}
