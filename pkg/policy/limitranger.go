package policy

import (
	"strings"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// LimitRangerAnnotation is where Kubernetes' LimitRanger says which amounts it filled in from a LimitRange's defaults.
const LimitRangerAnnotation = "kubernetes.io/limit-ranger"

// maxAnnotation is the size of all annotations of an object together, in bytes: Kubernetes takes no more.
const maxAnnotation = 256 << 10

// marks tell which of a container's amounts were only defaulted: bit 0 and 1 its requests of cpu and memory, 2 and
// 3 its limits.
type marks uint8

func requestMark(r usage.Resource) marks { return 1 << r }
func limitMark(r usage.Resource) marks   { return 4 << r }

// defaulted is what the annotation says of one container.
type defaulted struct {
	name string
	marks
}

// parseLimitRanger reads the annotation, which looks like
//
//	LimitRanger plugin set: cpu, memory request for container app; cpu limit for init container wait
//
// Init containers are left out, for nothing is decided for them. Anything that is not of this form to the last letter
// is somebody else's, and says nothing: then all is declared.
func parseLimitRanger(text string) []defaulted {
	rest, ok := strings.CutPrefix(text, "LimitRanger plugin set: ")
	if !ok || len(text) > maxAnnotation {
		return nil
	}
	var found []defaulted
	for more := true; more; {
		var part string
		part, rest, more = strings.Cut(rest, "; ")
		one, isInit, ok := parseDefaulted(part)
		switch {
		case !ok:
			return nil
		case isInit:
		case len(found) > 0 && found[len(found)-1].name == one.name:
			found[len(found)-1].marks |= one.marks
		default:
			found = append(found, one)
		}
	}
	return found
}

// parseDefaulted reads "cpu, memory request for container app".
func parseDefaulted(part string) (one defaulted, isInit, ok bool) {
	what, who, ok := strings.Cut(part, " for ")
	if !ok {
		return one, false, false
	}
	who, isInit = strings.CutPrefix(who, "init ")
	one.name, ok = strings.CutPrefix(who, "container ")
	if !ok || one.name == "" || strings.ContainsAny(one.name, " ;,") {
		return one, false, false
	}
	of := requestMark
	names, ok := strings.CutSuffix(what, " request")
	if !ok {
		of = limitMark
		if names, ok = strings.CutSuffix(what, " limit"); !ok {
			return one, false, false
		}
	}
	for more := true; more; {
		var name string
		name, names, more = strings.Cut(names, ", ")
		switch name {
		case "cpu":
			one.marks |= of(usage.CPU)
		case "memory":
			one.marks |= of(usage.Memory)
		default:
			if name == "" || strings.ContainsAny(name, " ;,") {
				return one, false, false
			}
		}
	}
	return one, isInit, true
}

// marksOf returns what was only defaulted of the container called name.
func marksOf(all []defaulted, name string) marks {
	for i := range all {
		if all[i].name == name {
			return all[i].marks
		}
	}
	return 0
}
