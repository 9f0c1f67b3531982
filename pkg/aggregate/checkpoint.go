package aggregate

import (
	"fmt"
	"math"
	"time"

	"github.com/sartor-vpa/sartor/pkg/histogram"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// MaxRunning is how many running windows a checkpoint holds at most. 500 of them take at most 200 KB as JSON, and an object's
// annotations have room for 256 KiB.
const MaxRunning = 500

// Running is the window of one pod's container as it was saved.
type Running struct {
	Pod string
	// LastCPU and LastMemory are the times of the last samples, End the end of the running memory interval; the zero time if
	// there is none.
	LastCPU, LastMemory, End time.Time
	// Peak is the largest memory that was used in the interval, OOMPeak the largest that an OOM kill says was needed.
	Peak, OOMPeak usage.Amount
	// Open is set while the interval runs: its peak is here and not in the checkpoint's Memory.
	Open bool
}

// Checkpoint is all that is known of one container, to be stored.
type Checkpoint struct {
	CPU, Memory histogram.Checkpoint
	// First and Last are the times of the first and the last CPU sample in whole seconds, the zero time if there was none.
	First, Last time.Time
	Samples     int
	// Running are the windows of the pods, sorted by pod. Those of the first MaxRunning pods are here; Unlisted is how many
	// more there were. The peaks of these are in Memory, so that nothing is lost but the knowledge that their interval runs.
	Running  []Running
	Unlisted int
}

// Save returns what is to be stored of a container; false if it was never seen. As upstream does, it leaves the peaks of
// intervals that still run at now out of Memory: one that is loaded without Running goes on with a new peak and
// does not count two. w stays as it is.
func (w *Workload) Save(container string, now time.Time) (Checkpoint, bool) {
	index := w.index(container)
	if index < 0 {
		return Checkpoint{}, false
	}
	c := w.containers[index]
	saved := Checkpoint{
		CPU: c.CPU.Save(), Samples: c.Samples(),
		First: c.First().Truncate(time.Second).UTC(), Last: c.Last().Truncate(time.Second).UTC(),
	}
	closed := Aggregate{MemoryPeaks: c.MemoryPeaks.Clone()}
	for i, pod := range w.pods {
		win := &w.windows[i*len(w.containers)+index]
		switch {
		case *win == window{}:
			continue
		case len(saved.Running) == MaxRunning:
			saved.Unlisted++
			continue
		}
		r := Running{
			Pod: pod, Peak: win.peak, OOMPeak: win.oomPeak, Open: now.Before(win.end.time()),
			LastCPU: win.lastCPU.time().UTC(), LastMemory: win.lastMemory.time().UTC(), End: win.end.time().UTC(),
		}
		if r.Open {
			win.subtractPeak(&closed)
		}
		saved.Running = append(saved.Running, r)
	}
	saved.Memory = closed.MemoryPeaks.Save()
	return saved, true
}

// Load makes a checkpoint what is known of a container of which nothing is known yet. Nothing is changed on an error.
func (w *Workload) Load(container string, c Checkpoint) error {
	if !w.unknown(container) {
		return fmt.Errorf("container %q: a checkpoint can only be loaded before anything else is known of it", container)
	}
	loaded, err := w.decode(c)
	if err != nil {
		return fmt.Errorf("container %q: %w", container, err)
	}
	windows := make([]window, len(c.Running))
	for i, r := range c.Running {
		if i > 0 && r.Pod <= c.Running[i-1].Pod {
			return fmt.Errorf("container %q: pod %q: running windows must be sorted by pod, each once", container, r.Pod)
		}
		if windows[i], err = r.window(); err != nil {
			return fmt.Errorf("container %q: pod %q: %w", container, r.Pod, err)
		}
		if r.Open {
			windows[i].addPeak(&loaded)
		}
	}
	w.containers[w.create(container)].Aggregate = loaded
	for i, r := range c.Running {
		_, win := w.at(usage.Container{Pod: r.Pod, Name: container})
		*win = windows[i]
	}
	return nil
}

// unknown reports whether nothing was ever added to a container.
func (w *Workload) unknown(container string) bool {
	i := w.index(container)
	if i < 0 {
		return true
	}
	for pod := range w.pods {
		if w.windows[pod*len(w.containers)+i] != (window{}) {
			return false
		}
	}
	return w.containers[i].first == 0 && w.containers[i].Empty()
}

// decode returns the aggregate that was saved, without open peaks.
func (w *Workload) decode(c Checkpoint) (a Aggregate, err error) {
	if a.CPU, err = histogram.Load(histogram.CPU, w.options.Value().CPUHalfLife, c.CPU); err != nil {
		return a, fmt.Errorf("CPU: %w", err)
	}
	if a.MemoryPeaks, err = histogram.Load(histogram.Memory, w.options.Value().MemoryHalfLife, c.Memory); err != nil {
		return a, fmt.Errorf("memory: %w", err)
	}
	if c.Samples < 0 {
		return a, fmt.Errorf("%d samples: must not be negative", c.Samples)
	}
	a.samples = uint32(min(uint64(c.Samples), math.MaxUint32))
	if a.first, err = loadedInstant("first sample", c.First); err != nil {
		return a, err
	}
	if a.last, err = loadedInstant("last sample", c.Last); err != nil {
		return a, err
	}
	if a.last < a.first {
		return a, fmt.Errorf("last sample at %s: must not be before the first at %s", c.Last, c.First)
	}
	return a, nil
}

func (r Running) window() (w window, err error) {
	w.peak, w.oomPeak = r.Peak, r.OOMPeak
	if r.Peak < 0 || r.OOMPeak < 0 {
		return w, fmt.Errorf("peaks %d and %d: must not be negative", r.Peak, r.OOMPeak)
	}
	if w.lastCPU, err = loadedInstant("last CPU sample", r.LastCPU); err != nil {
		return w, err
	}
	if w.lastMemory, err = loadedInstant("last memory sample", r.LastMemory); err != nil {
		return w, err
	}
	if w.end, err = loadedInstant("end of the interval", r.End); err != nil {
		return w, err
	}
	if w.end == 0 && (r.Open || r.Peak != 0 || r.OOMPeak != 0) {
		return w, fmt.Errorf("peaks %d and %d: an interval with peaks must have an end", r.Peak, r.OOMPeak)
	}
	return w, nil
}

// loadedInstant returns a time of a checkpoint, where the zero time stands for none.
func loadedInstant(what string, t time.Time) (instant, error) {
	if t.IsZero() {
		return 0, nil
	}
	i, ok := instantOf(t)
	if !ok {
		return 0, fmt.Errorf("%s at %s: must be from 1970 to 2262", what, t)
	}
	return i, nil
}
