package cluster

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sartor-vpa/sartor/pkg/quantity"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// oomKilled is the reason that the kubelet gives for the end of a container, or of any process in it,
// by the kernel's OOM killer.
const oomKilled = "OOMKilled"

// OOM is a container that ended, or a pod that was evicted, for want of memory.
type OOM struct {
	Container usage.Container
	// Memory is the container's request at that time; of an eviction, what it used. In bytes.
	Memory usage.Amount
	// At is when the container ended, or when the eviction was reported.
	At      time.Time
	Evicted bool
}

// oomsBetween returns the containers of a pod that ended for want of memory between two sightings of
// it, by upstream's rules. before may be nil.
func oomsBetween(pod types.NamespacedName, before *instances, now []status) []OOM {
	if before == nil {
		return nil
	}
	var ooms []OOM
	for i := range now {
		c := &now[i]
		at := slices.IndexFunc(before.list, func(b instance) bool { return b.name == c.name })
		if at < 0 {
			continue
		}
		was := before.list[at]
		restarted := c.restarts > was.restarts
		oom := OOM{Container: usage.Container{Namespace: pod.Namespace, Pod: pod.Name, Name: c.name}}
		switch {
		// It ended. If it had ended before, it ran in between, too shortly to be seen.
		case c.killed && (was.state != terminated || restarted):
			oom.At, oom.Memory = c.ended, c.memory
		// It ended and runs again. It must have run before: what had ended then has been counted.
		case c.killedBefore && c.state == running && was.state == running && restarted:
			oom.At, oom.Memory = c.endedBefore, was.memory
		default:
			continue
		}
		ooms = append(ooms, oom)
	}
	return ooms
}

// Annotations that the kubelet gives to the event of an eviction: lists separated by commas, of as
// many entries each.
const (
	offendingContainers      = "offending_containers"
	offendingContainersUsage = "offending_containers_usage"
	starvedResource          = "starved_resource"
	evicted                  = "Evicted"
)

// oomsOfEviction returns the containers for which a pod was evicted for want of memory, by upstream's
// rules. Entries that cannot be read are left out; lists of different length say nothing.
func oomsOfEviction(event *corev1.Event) []OOM {
	if event.Reason != evicted || event.InvolvedObject.Kind != "Pod" {
		return nil
	}
	containers := listed(event, offendingContainers)
	used := listed(event, offendingContainersUsage)
	starved := listed(event, starvedResource)
	if len(containers) != len(used) || len(containers) != len(starved) {
		return nil
	}
	var ooms []OOM
	for i, container := range containers {
		if starved[i] != string(corev1.ResourceMemory) {
			continue
		}
		memory, err := quantity.Parse([]byte(used[i])) // whoever may write events may write anything
		if err != nil {
			continue
		}
		ooms = append(ooms, OOM{
			Container: usage.Container{Namespace: event.InvolvedObject.Namespace, Pod: event.InvolvedObject.Name, Name: container},
			Memory:    amountOf(&memory),
			At:        event.CreationTimestamp.UTC(),
			Evicted:   true,
		})
	}
	return ooms
}

func listed(event *corev1.Event, annotation string) []string {
	text, ok := event.Annotations[annotation]
	if !ok {
		return nil
	}
	return strings.Split(text, ",")
}
