package owners

import (
	"fmt"
	"regexp"
	"strings"
)

// The API server makes names of at most 63 characters: it cuts what a controller asks for to 58 and appends five.
const (
	maxName      = 63
	randomLength = 5
)

// run is a piece of a name between two dashes.
type run struct {
	// first and rest are the characters it may have.
	first, rest string
	// min and max are its length.
	min, max int
	// cut is how much of it must be left, where the API server has cut it, to know it for what it is. 0: it says
	// nothing when it is cut.
	cut int
}

const digits = "0123456789"

// alphabet is what Kubernetes draws random characters from. It has no vowels, nor 0, 1 and 3.
const alphabet = "bcdfghjklmnpqrstvwxz2456789"

// What controllers append to their names. No two of them can be taken for one another.
var (
	random = run{first: alphabet, rest: alphabet, min: randomLength, max: randomLength}
	// templateHash is a pod template's hash of 32 bits, in decimal, with a character of the alphabet in place of each
	// digit: 4 in place of 0, which is never the first. One in forty thousand has fewer than six characters; six
	// tell it from words like db and bff.
	templateHash = run{first: "56789bcdf", rest: "456789bcdf", min: 6, max: 10, cut: 6}
	// ordinal is a StatefulSet's. One of five digits could be a random suffix.
	ordinal = run{first: digits, rest: digits, min: 1, max: 4}
	// index is an indexed Job's. One of six digits could be a template hash.
	index = run{first: digits, rest: digits, min: 1, max: 5}
	// minutes are those from 1970 to the time a CronJob's Job was due, which begin with a 4 at most until 2065; before
	// Kubernetes 1.21 it was seconds. CronJobs' names have at most 52 characters, which leaves five when cut.
	minutes = run{first: "1234", rest: digits, min: 8, max: 10, cut: 5}
)

// shape is what follows the controller's name, each with a dash before it.
type shape []run

// The shapes of each kind's pods. Other kinds than these are assumed to name their pods in the three most usual
// ways: through ReplicaSets, at random, or counted.
var (
	ofDeployments  = []shape{{templateHash, random}}
	ofStatefulSets = []shape{{ordinal}}
	ofReplicaSets  = []shape{{random}}
	ofJobs         = []shape{{random}, {index, random}}
	ofCronJobs     = []shape{{minutes, random}, {minutes, index, random}}
	ofOthers       = []shape{{templateHash, random}, {random}, {ordinal}}
)

func shapes(kind string) []shape {
	switch kind {
	case "Deployment", "Rollout":
		return ofDeployments
	case "StatefulSet":
		return ofStatefulSets
	case "DaemonSet", "ReplicaSet", "ReplicationController":
		return ofReplicaSets
	case "Job":
		return ofJobs
	case "CronJob":
		return ofCronJobs
	}
	return ofOthers
}

// usesReplicaSets reports whether pods of this kind's controllers may be a ReplicaSet's.
func usesReplicaSets(kind string) bool { return shapes(kind)[0][0] == templateHash }

// Names returns a regular expression (RE2), to be anchored at both ends, for the names of all pods that the workload
// has had, as far as names tell. They do not where the API server has cut so much off that another workload's pods,
// with a longer name that begins alike, could have the same names: then it matches no pod at all. Names of at
// most 50 characters are never cut so much.
func Names(w Workload) string {
	var endings []string
	for _, s := range shapes(w.Kind) {
		endings = append(endings, s.expressions(len(w.Name))...)
	}
	// Only a text that is valid UTF-8 is a valid expression; names are valid anyway.
	switch name := regexp.QuoteMeta(strings.ToValidUTF8(w.Name, "\uFFFD")) + "-"; len(endings) {
	case 0:
		return name // no pod's name ends in a dash
	case 1:
		return name + endings[0]
	default:
		return name + "(" + strings.Join(endings, "|") + ")"
	}
}

// named reports whether the pod has one of w's Names.
func named(w Workload, pod string) bool {
	suffix, ok := strings.CutPrefix(pod, w.Name)
	suffix, dash := strings.CutPrefix(suffix, "-")
	if !ok || !dash {
		return false
	}
	for _, s := range shapes(w.Kind) {
		if s.matches(len(w.Name), suffix) {
			return true
		}
	}
	return false
}

// generated reports whether the API server completes the names, and so may have cut them.
func (s shape) generated() bool { return s[len(s)-1] == random }

// rest is how much is left of the first run in a name that was cut, where length is that of the controller's name;
// ok says whether it can have been cut and is still known.
func (s shape) rest(length int) (n int, ok bool) {
	n = maxName - randomLength - len("-") - length
	return n, len(s) == 2 && s[0].cut > 0 && n >= s[0].cut && n <= s[0].max
}

// spare is how many characters more than the least a name may have, so that nothing can have been cut. A name of
// full length may be that of a longer controller, cut, unless it goes on with what only this one can have appended.
func (s shape) spare(length int) int {
	if !s.generated() || s[0].cut > 0 {
		return maxName
	}
	spare := maxName - 1 - length
	for _, r := range s {
		spare -= len("-") + r.min
	}
	return spare
}

// matches reports whether the suffix of a controller's name of this length, after the dash, has the shape.
func (s shape) matches(length int, suffix string) bool {
	if n, ok := s.rest(length); ok && len(suffix) == n+randomLength &&
		s[0].spells(suffix[:n]) && random.matches(suffix[n:]) {
		return true
	}
	longest := s.spare(length)
	for i, r := range s {
		piece, after, more := strings.Cut(suffix, "-")
		if more != (i < len(s)-1) || !r.matches(piece) {
			return false
		}
		longest -= len(piece) - r.min
		suffix = after
	}
	return longest >= 0
}

// expressions is regular expressions for what follows the dash after a controller's name of this length.
func (s shape) expressions(length int) []string {
	var out []string
	if spare := s.spare(length); spare >= 0 {
		var whole []string
		for _, r := range s {
			whole = append(whole, r.expression(r.min, min(r.max, r.min+spare)))
		}
		out = append(out, strings.Join(whole, "-"))
	}
	if n, ok := s.rest(length); ok {
		out = append(out, s[0].expression(n, n)+random.expression(randomLength, randomLength))
	}
	return out
}

// matches reports whether the piece may be the run, whole.
func (r run) matches(piece string) bool {
	return len(piece) >= r.min && len(piece) <= r.max && r.spells(piece)
}

// spells reports whether a piece that is not empty has the run's characters.
func (r run) spells(piece string) bool {
	if strings.IndexByte(r.first, piece[0]) < 0 {
		return false
	}
	for i := 1; i < len(piece); i++ {
		if strings.IndexByte(r.rest, piece[i]) < 0 {
			return false
		}
	}
	return true
}

// expression is a regular expression for the run, with at least low and at most high characters.
func (r run) expression(low, high int) string {
	if r.first != r.rest {
		return fmt.Sprintf("[%s]%s", r.first, repeated(r.rest, low-1, high-1))
	}
	return repeated(r.rest, low, high)
}

func repeated(characters string, low, high int) string {
	if low == high {
		return fmt.Sprintf("[%s]{%d}", characters, low)
	}
	return fmt.Sprintf("[%s]{%d,%d}", characters, low, high)
}
