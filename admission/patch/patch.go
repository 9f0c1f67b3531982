// Package patch writes the JSON patch (RFC 6902) that takes a pod from what it is to what was
// decided for it. It is pure: the same pod and decision give the same bytes, and a pod that already
// is as decided gives none.
package patch

import (
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Pod is the part of a pod that a patch touches, as the pod is now, and what it shall be. What is
// absent from the pod's JSON is created where something has to go into it.
type Pod struct {
	// Annotations are the pod's, those at least that are wanted; nil if it has none at all.
	Annotations map[string]string
	// Wanted are the annotations that it shall have. Append sorts them by key; a key comes once.
	Wanted []Annotation
	// Containers are all of spec.containers, in order.
	Containers []Container
}

// Annotation is one that a pod shall have.
type Annotation struct{ Key, Value string }

// Container is one of spec.containers, and what it shall ask for.
type Container struct {
	// Exists says that the container has resources, be they empty.
	Exists           bool
	Limits, Requests List
}

// List is a container's limits, or its requests.
type List struct {
	// Exists says that the container has the list, be it empty.
	Exists      bool
	CPU, Memory Amount
}

// Amount is one resource.
type Amount struct {
	// Have is what the container shall have, as Kubernetes writes quantities (500m); empty for what
	// it has.
	Have []byte
	// Gone says that the container has it and shall not; then Have is empty.
	Gone bool
	// Same says that it has as much already, in whatever notation.
	Same bool
}

// Append appends to b the smallest patch that makes the pod what it shall be; b itself if it is that
// already. The order is fixed: annotations by key, then containers as in the pod, limits before
// requests, cpu before memory. "add" replaces a member that is there; "remove" is for what was added before.
func Append(b []byte, pod *Pod) []byte {
	w := writer{b: b, start: len(b)}
	w.annotations(pod)
	for i := range pod.Containers {
		w.container(i, &pod.Containers[i])
	}
	if len(w.b) > w.start {
		w.raw("]")
	}
	return w.b
}

// writer appends operations to b, which began at start.
type writer struct {
	b     []byte
	start int
}

func (w *writer) raw(s string) { w.b = append(w.b, s...) }

// quote appends s as a JSON string.
func (w *writer) quote(s string) {
	// The error tells of bytes that are no UTF-8. They are replaced, as a JSON encoder does.
	w.b, _ = jsontext.AppendQuote(w.b, s)
}

// add begins an operation, up to its path; its caller ends the path, and then the operation.
func (w *writer) add() { w.begin("add") }

func (w *writer) begin(op string) {
	if len(w.b) == w.start {
		w.raw(`[`)
	} else {
		w.raw(`,`)
	}
	w.raw(`{"op":"`)
	w.raw(op)
	w.raw(`","path":"`)
}

func (w *writer) annotations(pod *Pod) {
	slices.SortFunc(pod.Wanted, func(a, b Annotation) int { return strings.Compare(a.Key, b.Key) })
	if pod.Annotations == nil && len(pod.Wanted) > 0 {
		w.add()
		w.raw(`/metadata/annotations","value":{`)
		for i, a := range pod.Wanted {
			if i > 0 {
				w.raw(`,`)
			}
			w.quote(a.Key)
			w.raw(`:`)
			w.quote(a.Value)
		}
		w.raw(`}}`)
		return
	}
	for _, a := range pod.Wanted {
		if value, ok := pod.Annotations[a.Key]; ok && value == a.Value {
			continue
		}
		w.add()
		w.b = w.b[:len(w.b)-1] // the quote: the path is quoted as a whole
		w.quote("/metadata/annotations/" + pointer.Replace(a.Key))
		w.raw(`,"value":`)
		w.quote(a.Value)
		w.raw(`}`)
	}
}

// pointer escapes what has a meaning of its own in a JSON pointer (RFC 6901).
var pointer = strings.NewReplacer("~", "~0", "/", "~1")

// container adds what the i-th container lacks.
func (w *writer) container(i int, c *Container) {
	if c.Exists {
		w.list(i, "limits", &c.Limits)
		w.list(i, "requests", &c.Requests)
		return
	}
	limits, requests := c.Limits.decided(), c.Requests.decided()
	if !limits && !requests {
		return
	}
	w.add()
	w.resources(i)
	w.raw(`","value":{`)
	if limits {
		w.raw(`"limits":`)
		w.object(&c.Limits)
	}
	if limits && requests {
		w.raw(`,`)
	}
	if requests {
		w.raw(`"requests":`)
		w.object(&c.Requests)
	}
	w.raw(`}}`)
}

// list adds what a list of a container with resources lacks.
func (w *writer) list(i int, name string, l *List) {
	if l.Exists {
		w.amount(i, name, "cpu", &l.CPU)
		w.amount(i, name, "memory", &l.Memory)
		return
	}
	if !l.decided() {
		return
	}
	w.add()
	w.resources(i)
	w.raw("/" + name)
	w.raw(`","value":`)
	w.object(l)
	w.raw(`}`)
}

// amount adds one resource to a list that is there.
func (w *writer) amount(i int, list, name string, a *Amount) {
	if a.Gone {
		w.begin("remove")
		w.member(i, list, name)
		w.raw(`"}`)
	}
	if len(a.Have) == 0 || a.Same {
		return
	}
	w.add()
	w.member(i, list, name)
	w.raw(`","value":`)
	w.quantity(a.Have)
	w.raw(`}`)
}

func (w *writer) member(i int, list, name string) {
	w.resources(i)
	w.raw("/" + list + "/" + name)
}

func (w *writer) resources(i int) {
	w.raw("/spec/containers/")
	w.b = strconv.AppendInt(w.b, int64(i), 10)
	w.raw("/resources")
}

// object appends what was decided for a list as a whole.
func (w *writer) object(l *List) {
	w.raw(`{`)
	if len(l.CPU.Have) > 0 {
		w.raw(`"cpu":`)
		w.quantity(l.CPU.Have)
	}
	if len(l.CPU.Have) > 0 && len(l.Memory.Have) > 0 {
		w.raw(`,`)
	}
	if len(l.Memory.Have) > 0 {
		w.raw(`"memory":`)
		w.quantity(l.Memory.Have)
	}
	w.raw(`}`)
}

func (w *writer) quantity(text []byte) {
	w.raw(`"`)
	w.b = append(w.b, text...)
	w.raw(`"`)
}

func (l *List) decided() bool { return len(l.CPU.Have)+len(l.Memory.Have) > 0 }
