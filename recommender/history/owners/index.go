package owners

import (
	"slices"
	"strings"
)

// Index finds, among many workloads, those that a pod was of, without asking Owns for each.
type Index struct {
	workloads []Workload
	// named are positions in workloads, by namespace and name.
	named map[string]map[string][]int
}

// NewIndex returns an index of these workloads, which it keeps.
func NewIndex(workloads []Workload) *Index {
	x := &Index{workloads: workloads, named: map[string]map[string][]int{}}
	for i, w := range workloads {
		if x.named[w.Namespace] == nil {
			x.named[w.Namespace] = map[string][]int{}
		}
		x.named[w.Namespace][w.Name] = append(x.named[w.Namespace][w.Name], i)
	}
	return x
}

// Owners appends to found the positions of all workloads of which Owns says that they had the pod, in their order.
// Links may be nil.
func (x *Index) Owners(found []int, l *Links, namespace, pod string) []int {
	if len(x.named[namespace]) == 0 {
		return found
	}
	begin := len(found)
	if of := (object{"Pod", pod}); l.knows(namespace, of) {
		found = x.above(found, l, namespace, pod, of, maxDepth)
	} else {
		found = x.shortened(found, l, namespace, pod, pod)
	}
	slices.Sort(found[begin:])
	return append(found[:begin], slices.Compact(found[begin:])...)
}

func (l *Links) knows(namespace string, of object) bool {
	if l == nil {
		return false
	}
	_, ok := l.first[namespace][of]
	return ok
}

// above looks at the names of all owners above an object, and at those that theirs may be made of.
func (x *Index) above(found []int, l *Links, namespace, pod string, of object, depth int) []int {
	if depth == 0 || of == (object{}) {
		return found
	}
	found = x.shortened(found, l, namespace, pod, of.name)
	if owner, ok := l.first[namespace][of]; ok {
		found = x.above(found, l, namespace, pod, owner, depth-1)
	}
	for _, owner := range l.more[namespace][of] {
		found = x.above(found, l, namespace, pod, owner, depth-1)
	}
	return found
}

// maxRuns is how many pieces a shape has at the most.
const maxRuns = 3

// shortened looks at the workloads of the given name, and of this name without its last pieces.
func (x *Index) shortened(found []int, l *Links, namespace, pod, name string) []int {
	for range maxRuns + 1 {
		for _, i := range x.named[namespace][name] {
			if l.Owns(x.workloads[i], pod) {
				found = append(found, i)
			}
		}
		dash := strings.LastIndexByte(name, '-')
		if dash < 0 {
			break
		}
		name = name[:dash]
	}
	return found
}
