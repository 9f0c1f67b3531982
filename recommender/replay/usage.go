package replay

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// Workload is what the pods of one controller used.
type Workload struct {
	Namespace string
	// Name is for people to read, such as Deployment/shop. With the namespace it is unique in a replay.
	Name   string
	Tracks []Track
	// VPA has the workload's own policy; nil: none. Its status and its update mode do not matter.
	VPA *vpav1.VerticalPodAutoscaler
	// Template is what its pods are made of; nil: Options.Declared holds for every container.
	Template *corev1.PodTemplateSpec
}

// String is NAMESPACE/NAME.
func (w *Workload) String() string { return w.Namespace + "/" + w.Name }

// Track is what one container of one pod used, minute by minute.
type Track struct {
	Pod, Container string
	// From is when the first minute begins: a whole minute.
	From time.Time
	// CPU is the average of each minute in millicores, Memory the largest of each minute in bytes; Unknown where it is not
	// known. Both have the same length.
	CPU    []int32
	Memory []int64
}

// Unknown is in a Track where nothing is known.
const Unknown = -1

func (t *Track) to() time.Time { return t.From.Add(time.Duration(len(t.CPU)) * time.Minute) }

// between returns the indices of the minutes from one time to another, and the time of the first of them.
func (t *Track) between(from, to time.Time) (first, end int, at time.Time) {
	first = max(0, min(len(t.CPU), int(from.Sub(t.From)/time.Minute)))
	end = max(first, min(len(t.CPU), int(to.Sub(t.From)/time.Minute)))
	return first, end, t.From.Add(time.Duration(first) * time.Minute)
}

// amount is what was used in the minute with this index; false if that is not known.
func (t *Track) amount(r usage.Resource, minute int) (usage.Amount, bool) {
	v := t.Memory[minute]
	if r == usage.CPU {
		v = int64(t.CPU[minute])
	}
	return usage.Amount(v), v >= 0
}

// set makes amounts what was used in the minutes from a time on, for so many minutes. Where something is known already the
// larger counts.
func (t *Track) set(from time.Time, minutes int, cpu int32, memory int64) {
	first := int(from.Sub(t.From) / time.Minute)
	t.grow(first + minutes)
	for i := first; i < first+minutes; i++ {
		t.CPU[i], t.Memory[i] = max(t.CPU[i], cpu), max(t.Memory[i], memory)
	}
}

// grow makes t at least so many minutes long.
func (t *Track) grow(minutes int) {
	if more := minutes - len(t.CPU); more > 0 {
		t.CPU, t.Memory = slices.Grow(t.CPU, more), slices.Grow(t.Memory, more)
	}
	for len(t.CPU) < minutes {
		t.CPU, t.Memory = append(t.CPU, Unknown), append(t.Memory, Unknown)
	}
}

func byPod(a, b Track) int {
	return cmp.Or(cmp.Compare(a.Pod, b.Pod), cmp.Compare(a.Container, b.Container))
}

// scene is a workload, sorted, and the time that it is about.
type scene struct {
	*Workload
	options *Options
	// containers are the names of all, sorted; of says which one each track is of.
	containers []string
	of         []int
	// from and to are looks; measured is from when on something is measured.
	from, to, measured time.Time
	// pods is how many there were of each container.
	pods []int
}

func newScene(w *Workload, o *Options) *scene {
	s := &scene{Workload: w, options: o}
	slices.SortStableFunc(w.Tracks, byPod)
	for i := range w.Tracks {
		t := &w.Tracks[i]
		s.containers = append(s.containers, t.Container)
		if s.from.IsZero() || t.From.Before(s.from) {
			s.from = t.From
		}
		if t.to().After(s.to) {
			s.to = t.to()
		}
	}
	slices.Sort(s.containers)
	s.containers = slices.Compact(s.containers)
	s.pods = make([]int, len(s.containers))
	for i := range w.Tracks { // they are pods: each has a container once
		at, _ := slices.BinarySearch(s.containers, w.Tracks[i].Container)
		s.of = append(s.of, at)
		s.pods[at]++
	}
	s.from = s.from.Truncate(Look)
	s.measured = s.from.Add(o.WarmUp)
	return s
}
