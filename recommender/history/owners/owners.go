// Package owners tells whose pods they were: pods that are gone cannot be asked who owned them. What
// kube-state-metrics said of them comes first (Links); where it said nothing, their generated names tell (Names).
// It is pure.
package owners

import (
	"slices"
	"strings"
)

// Workload names a topmost controller: one that nobody else controls.
type Workload struct {
	Namespace, Kind, Name string
}

// Links are who owned whom, as far as kube-state-metrics told. A nil Links knows nothing: names decide. The zero
// Links is empty. All but Add may be called by several goroutines at once.
type Links struct {
	// first is an owner of each object, by namespace. The zero object is nobody.
	first map[string]map[object]object
	// more are the other owners of objects that have had several.
	more map[string]map[object][]object
	// below is what each object owns, by namespace.
	below map[string]map[object][]object
}

// object is something in a namespace that is known.
type object struct{ kind, name string }

// none is what old versions of kube-state-metrics call nobody.
const none = "<none>"

// maxDepth is how many owners are followed, one above the other; links may run in a circle.
const maxDepth = 8

// Add notes who controls an object: a Pod, a ReplicaSet, a Job, or whatever else kube-state-metrics tells of. Only
// owners that are the object's controller (owner_is_controller) are to be added. An empty ownerKind says that
// nobody controls it.
//
// The order of calls does not matter, because an answer that lists series has none. An object that has had several
// owners, because its name was used again, counts for each of them: which minutes were whose is not known. An
// owner is more than nobody: pods that were orphaned to recreate their StatefulSet are still the StatefulSet's.
func (l *Links) Add(kind, namespace, name, ownerKind, ownerName string) {
	of := object{kind, name}
	owner := object{ownerKind, ownerName}
	if ownerKind == "" || ownerKind == none || ownerName == "" {
		owner = object{}
	}
	if l.first[namespace] == nil {
		l.add(namespace)
	}
	known, ok := l.first[namespace][of]
	switch {
	case !ok || known == object{}:
		l.first[namespace][of] = owner
	case owner == object{} || owner == known || slices.Contains(l.more[namespace][of], owner):
		return
	default:
		l.more[namespace][of] = append(l.more[namespace][of], owner)
	}
	if owner != (object{}) {
		l.below[namespace][owner] = append(l.below[namespace][owner], of)
	}
}

func (l *Links) add(namespace string) {
	if l.first == nil {
		l.first, l.more, l.below = map[string]map[object]object{}, map[string]map[object][]object{}, map[string]map[object][]object{}
	}
	l.first[namespace], l.more[namespace], l.below[namespace] = map[object]object{}, map[object][]object{}, map[object][]object{}
}

// Owns reports whether a pod in w's namespace was w's. A pod that was linked to an owner is w's only if the links
// lead to w: its name counts no more. They end at a ReplicaSet or a Job of which kube-state-metrics says nothing;
// then that one's name decides, and one that could be a Deployment's, by its name, and could be on its own, is
// both. A pod of which nothing is said is w's if it has one of the Names.
func (l *Links) Owns(w Workload, pod string) bool {
	if l != nil {
		here := l.first[w.Namespace]
		of := object{"Pod", pod}
		if owner, ok := here[of]; ok {
			return l.leads(of, owner, w, maxDepth)
		}
	}
	return named(w, pod)
}

// leads reports whether w is topmost above an object, of whose owners one is given.
func (l *Links) leads(of, owner object, w Workload, depth int) bool {
	if l.ends(owner, w, depth-1) {
		return true
	}
	for _, owner := range l.more[w.Namespace][of] {
		if l.ends(owner, w, depth-1) {
			return true
		}
	}
	return false
}

// ends reports whether an owner is w, or w is topmost above it.
func (l *Links) ends(owner object, w Workload, depth int) bool {
	if owner == (object{}) || depth == 0 {
		return false
	}
	is := owner == object{w.Kind, w.Name}
	above, ok := l.first[w.Namespace][owner]
	switch {
	case !ok:
		return is || made(w, owner)
	case above == object{}:
		return is
	}
	return l.leads(owner, above, w, depth)
}

// Odd returns the pods that were linked to w and have none of its Names, sorted: they must be asked for by name.
func (l *Links) Odd(w Workload) []string {
	if l == nil {
		return nil
	}
	var out []string
	above := l.first[w.Namespace]
	if top := (object{w.Kind, w.Name}); above[top] == (object{}) {
		out = l.odd(out, top, w, maxDepth)
	}
	for owner := range l.below[w.Namespace] {
		if made(w, owner) {
			if _, ok := above[owner]; !ok {
				out = l.odd(out, owner, w, maxDepth)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// odd appends the pods below the owner that have none of w's Names.
func (l *Links) odd(out []string, owner object, w Workload, depth int) []string {
	if depth == 0 {
		return out
	}
	for _, child := range l.below[w.Namespace][owner] {
		switch {
		case child.kind != "Pod":
			out = l.odd(out, child, w, depth-1)
		case !named(w, child.name):
			out = append(out, child.name)
		}
	}
	return out
}

// made reports whether w is likely to have made a ReplicaSet or a Job, by its name.
func made(w Workload, child object) bool {
	suffix, ok := strings.CutPrefix(child.name, w.Name)
	suffix, dash := strings.CutPrefix(suffix, "-")
	if !ok || !dash {
		return false
	}
	switch {
	case child.kind == "Job" && w.Kind == "CronJob":
		return minutes.matches(suffix)
	case child.kind == "ReplicaSet" && usesReplicaSets(w.Kind):
		return templateHash.matches(suffix)
	}
	return false
}
