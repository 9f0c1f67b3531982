package cluster

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// evictions turn the events of evictions into OOMs. As upstream, those that the API server still
// has at start (it keeps events for an hour) count too; unlike upstream, a watch that begins anew
// does not count them again. Only the uids of those that the API server has are kept.
type evictions struct {
	found func([]OOM)
	// seen is used by one goroutine only, the reflector's.
	seen map[types.UID]struct{}
}

func newEvictions(found func([]OOM)) *evictions {
	return &evictions{found: found, seen: map[types.UID]struct{}{}}
}

func (e *evictions) set(event *corev1.Event) {
	if _, known := e.seen[event.UID]; known {
		return
	}
	e.seen[event.UID] = struct{}{}
	e.found(oomsOfEviction(event))
}

func (e *evictions) drop(event *corev1.Event) { delete(e.seen, event.UID) }

func (e *evictions) replace(all []*corev1.Event) {
	before := e.seen
	e.seen = make(map[types.UID]struct{}, len(all))
	for _, event := range all {
		e.seen[event.UID] = struct{}{}
		if _, known := before[event.UID]; !known {
			e.found(oomsOfEviction(event))
		}
	}
}

// cutEvent drops what oomsOfEviction does not read.
func cutEvent(event *corev1.Event) *corev1.Event {
	return &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: event.Namespace, Name: event.Name, UID: event.UID, ResourceVersion: event.ResourceVersion,
			CreationTimestamp: event.CreationTimestamp, Annotations: event.Annotations,
		},
		Reason:         event.Reason,
		InvolvedObject: event.InvolvedObject,
	}
}
