package lineage

import (
	"fmt"
	"regexp"
	"strings"
)

// The annotations of a VPA that say how it inherits.
const (
	// FromAnnotation names the VPA to inherit from, in the same namespace, whatever the VPA is called.
	FromAnnotation = "sartor.dev/inherit-from"
	// OptAnnotation is "false" where the VPA shall inherit from nobody.
	OptAnnotation = "sartor.dev/inherit"
	// ContainersAnnotation maps containers where their names do not: mine=primarys,other=another.
	ContainersAnnotation = "sartor.dev/inherit-containers"
	// ModeAnnotation is a Mode.
	ModeAnnotation = "sartor.dev/inherit-mode"
)

// Mode says what becomes of what a candidate used itself.
type Mode string

// The modes that ModeAnnotation may have.
const (
	// FromPrimary takes the primary's values. It is the default.
	FromPrimary Mode = "primary"
	// Larger takes the larger of the primary's values and the candidate's, value by value, so that a
	// candidate that needs more is not starved.
	Larger Mode = "max"
)

// complaints are the annotations that make no sense.
type complaints []string

func (c *complaints) add(annotation, value, remedy string) {
	*c = append(*c, fmt.Sprintf("%s=%q: %s", annotation, short(value), remedy))
}

// short keeps a message readable whatever an annotation holds.
func short(value string) string {
	const most = 63 // as long as a container's name can be
	if len(value) <= most {
		return value
	}
	return strings.ToValidUTF8(value[:most], "") + "..."
}

func optedOut(annotations map[string]string, invalid *complaints) bool {
	switch opt, ok := annotations[OptAnnotation]; {
	case !ok || opt == "true":
		return false
	case opt == "false":
		return true
	default:
		invalid.add(OptAnnotation, opt, `write "false" to inherit from nobody, or remove the annotation`)
		return false
	}
}

func modeOf(annotations map[string]string, invalid *complaints) Mode {
	mode, ok := annotations[ModeAnnotation]
	switch {
	case !ok:
	case Mode(mode) == FromPrimary || Mode(mode) == Larger:
		return Mode(mode)
	default:
		invalid.add(ModeAnnotation, mode, fmt.Sprintf("write %s or %s; %s is assumed", FromPrimary, Larger, FromPrimary))
	}
	return FromPrimary
}

// overrides reads ContainersAnnotation. The first pair that makes no sense stands for all that do not.
func overrides(annotations map[string]string, invalid *complaints) map[string]string {
	var pairs map[string]string
	complained := false
	for pair := range strings.SplitSeq(annotations[ContainersAnnotation], ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		own, from, problem := readPair(pair, pairs)
		if problem != "" {
			if !complained {
				invalid.add(ContainersAnnotation, pair, problem)
			}
			complained = true
			continue
		}
		if pairs == nil {
			pairs = map[string]string{}
		}
		pairs[own] = from
	}
	return pairs
}

// readPair reads mine=primarys; problem says what is wrong with it.
func readPair(pair string, earlier map[string]string) (own, from, problem string) {
	own, from, _ = strings.Cut(pair, "=")
	own, from = strings.TrimSpace(own), strings.TrimSpace(from)
	if !isContainerName(own) || !isContainerName(from) {
		return "", "", "write pairs of containers as mine=primarys, separated by commas"
	}
	if _, twice := earlier[own]; twice {
		return "", "", "name each container once; its first pair counts"
	}
	return own, from, ""
}

var (
	// Names as Kubernetes takes them: a label for containers, labels joined by dots for VPAs.
	label     = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
)

func isContainerName(s string) bool { return len(s) <= 63 && label.MatchString(s) }

func isVPAName(s string) bool { return len(s) <= 253 && subdomain.MatchString(s) }
