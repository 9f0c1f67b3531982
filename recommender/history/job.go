package history

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// key names a job. A VPA has at most one of each kind.
type key struct {
	vpa types.NamespacedName
	// recent is set for what live metrics did not bring.
	recent bool
}

// job is a window that is wanted, and what has been read of it.
type job struct {
	key
	window Window
	// todo are the parts that are missing, in the order in which they are to be read; total is how many there were.
	todo  []Interval
	total int

	// cpu is the CPU of what was read. Memory waits in peaks: an interval begins at a container's first sample, which is
	// the last to be read.
	cpu   *aggregate.Workload
	peaks map[usage.Container][]peak
	// samples are what was read of a recent window.
	samples []usage.Sample
	// counted are the samples of CPU, kept the peaks of memory.
	counted, kept int
	resolution    time.Duration
	known         int // minutes
	first         time.Time

	// busy is set while a part of it is read.
	busy bool
	// due is when it may be tried again, after it failed so many times one after the other.
	due      time.Time
	failures int
	// together is how many jobs a query with it may be for, longest how long; 0: no matter.
	together int
	longest  time.Duration
	// fitted is how many parts were read since longest was found.
	fitted int
	// asked is when it was wanted, told when the last answer was given.
	asked, told time.Time
	// err is what was told.
	err string
}

// peak is a Peak in half of the space: minutes since the window's beginning.
type peak struct {
	minute int32
	bytes  usage.Amount
}

func newJob(k key, w Window, o aggregate.Options, now time.Time) *job {
	j := &job{key: k, window: w, todo: w.parts(), cpu: aggregate.NewWorkload(o), peaks: map[usage.Container][]peak{}, asked: now, told: now}
	j.total = len(j.todo)
	return j
}

// head is the part to be read next.
func (j *job) head() Interval { return j.todo[0] }

// peakSpan is that of the queries for it.
func (j *job) peakSpan(o aggregate.Options) time.Duration {
	interval := cmp.Or(j.window.MemoryInterval, o.Rules.MemoryInterval)
	return max(time.Minute, min(interval.Truncate(time.Minute), day))
}

// add takes what a container used in a part. from is the time of u's first minute.
func (j *job) add(u Usage, from time.Time, part Interval, known []bool) {
	skip := int(part.From.Sub(from) / time.Minute)
	minutes := u.CPU[min(skip, len(u.CPU)):min(skip+int(part.Length()/time.Minute), len(u.CPU))]
	for i, average := range minutes {
		known[i] = known[i] || average >= 0
	}
	peaks := u.Memory
	for len(peaks) > 0 && peaks[0].Minute.Before(part.From) {
		peaks = peaks[1:]
	}
	for len(peaks) > 0 && !peaks[len(peaks)-1].Minute.Before(part.To) {
		peaks = peaks[:len(peaks)-1]
	}
	if j.recent {
		j.addRecent(u.Container, part, minutes, peaks)
		return
	}
	j.counted += j.cpu.AddCPU(u.Container.Name, part.From, time.Minute, minutes)
	if len(peaks) == 0 {
		return
	}
	of, ok := j.peaks[u.Container]
	if !ok {
		u.Container.Namespace, u.Container.Pod, u.Container.Name = strings.Clone(u.Container.Namespace), strings.Clone(u.Container.Pod), strings.Clone(u.Container.Name)
	}
	of = slices.Grow(of, len(peaks))
	for _, p := range peaks {
		of = append(of, peak{int32(p.Minute.Sub(j.window.From) / time.Minute), p.Bytes})
	}
	j.peaks[u.Container] = of
	j.kept += len(peaks)
}

func (j *job) addRecent(c usage.Container, part Interval, minutes []int32, peaks []Peak) {
	c.Namespace, c.Pod, c.Name = strings.Clone(c.Namespace), strings.Clone(c.Pod), strings.Clone(c.Name)
	for i, average := range minutes {
		if average >= 0 {
			j.samples = append(j.samples, usage.Sample{Container: c, Resource: usage.CPU, Time: part.From.Add(time.Duration(i) * time.Minute), Amount: usage.Amount(average)})
		}
	}
	for _, p := range peaks {
		j.samples = append(j.samples, usage.Sample{Container: c, Resource: usage.Memory, Time: p.Minute, Amount: p.Bytes})
	}
}

// took notes that the first of the missing parts was read. known are the minutes of it of which something is known.
func (j *job) took(known []bool, resolution time.Duration) {
	part := j.head()
	for i, is := range known {
		if !is {
			continue
		}
		if at := part.From.Add(time.Duration(i) * time.Minute); j.first.IsZero() || at.Before(j.first) {
			j.first = at
		}
		j.known++
	}
	j.resolution = max(j.resolution, resolution)
	j.todo = j.todo[1:]
	j.failures, j.due = 0, time.Time{}
	if j.fitted++; j.longest > 0 && j.fitted%enough == 0 {
		j.longest *= 2 // it may have been for another reason that more was too much
	}
	j.split()
}

// split cuts the first of the missing parts to what can be had at once.
func (j *job) split() {
	for j.longest > 0 && len(j.todo) > 0 && j.head().Length() > j.longest {
		head := j.head()
		middle := head.From.Add((head.Length() / 2).Truncate(time.Minute))
		j.todo = append([]Interval{{middle, head.To}, {head.From, middle}}, j.todo[1:]...)
		j.total++
	}
}

// usage returns all that was read so far. The last time it is asked for it may be used up.
func (j *job) usage(last bool) *aggregate.Workload {
	w := j.cpu
	if !last {
		w = j.cpu.Clone()
	}
	containers := make([]usage.Container, 0, len(j.peaks))
	for c := range j.peaks {
		containers = append(containers, c)
	}
	slices.SortFunc(containers, func(a, b usage.Container) int { return cmp.Or(cmp.Compare(a.Pod, b.Pod), cmp.Compare(a.Name, b.Name)) })
	for _, c := range containers {
		if j.window.Rules != nil {
			w.SetRules(c.Name, j.window.Rules(c.Name))
		}
		peaks := j.peaks[c]
		slices.SortFunc(peaks, func(a, b peak) int { return cmp.Compare(a.minute, b.minute) })
		for _, p := range peaks {
			w.Add(usage.Sample{Container: c, Resource: usage.Memory, Time: j.window.From.Add(time.Duration(p.minute) * time.Minute), Amount: p.bytes})
		}
	}
	return w
}

// progress is how far it has come.
func (j *job) progress() Progress {
	p := Progress{Done: j.total - len(j.todo), Total: j.total, Missing: days(j.todo), Samples: j.counted, Peaks: j.kept, Resolution: j.resolution, First: j.first}
	if !j.first.IsZero() {
		since := 0
		for _, part := range j.window.parts() {
			since += max(0, int(part.To.Sub(latest(part.From, j.first))/time.Minute))
		}
		for _, part := range j.todo {
			since -= max(0, int(part.To.Sub(latest(part.From, j.first))/time.Minute))
		}
		p.Covered = 100 * j.known / max(1, since)
	}
	return p
}

// days names the days of the parts: "2026-03-01, 2026-03-03 to 2026-03-05".
func days(parts []Interval) string {
	var of []time.Time
	for _, p := range parts {
		of = append(of, p.From.UTC().Truncate(day))
	}
	slices.SortFunc(of, time.Time.Compare)
	of = slices.CompactFunc(of, time.Time.Equal)
	var said []string
	for i := 0; i < len(of); {
		end := i
		for end+1 < len(of) && of[end+1].Sub(of[end]) == day {
			end++
		}
		if from := of[i].Format(time.DateOnly); end == i {
			said = append(said, from)
		} else {
			said = append(said, fmt.Sprintf("%s to %s", from, of[end].Format(time.DateOnly)))
		}
		i = end + 1
	}
	return strings.Join(said, ", ")
}
