package history

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

const (
	minute = int64(time.Minute / time.Millisecond)
	// maxGap is the longest time between two values of a counter over which its increase is spread.
	maxGap = int64(5 * time.Minute / time.Millisecond)
	// minCovered is how much of a minute must be known for its average to count, in milliseconds.
	minCovered = 20_000
	// maxCores bounds what one container can use; more is a broken counter.
	maxCores = 10_000
)

// Reasons for which values are dropped.
const (
	droppedNotANumber = "not_a_number"
	droppedNegative   = "negative"
	droppedReset      = "counter_reset"
	droppedGap        = "gap"
	droppedAbsurd     = "absurd"
	droppedLabels     = "missing_label"
)

// day collects one window's values, minute by minute. Several series of one container (a restarted
// container, two servers scraping the same node) fold into one: the largest value of a minute counts.
type day struct {
	window     Window
	from, to   int64 // milliseconds since 1970, whole minutes
	labels     Labels
	containers map[usage.Container]*minutes
	dropped    Dropped
	open       series
}

// minutes holds a container's average cores and largest bytes for each minute; NaN where unknown.
type minutes [len(usage.Resources)][]float64

func newDay(w Window, o Options) *day {
	return &day{
		window: w, from: w.From.UnixMilli(), to: w.To.UnixMilli(), labels: o.Labels,
		containers: map[usage.Container]*minutes{}, dropped: Dropped{},
	}
}

func (d *day) decode(body io.Reader) error {
	err := eachFrame(body, func(m *prompb.ChunkedReadResponse) error {
		if m.QueryIndex < 0 || int(m.QueryIndex) >= len(usage.Resources) {
			return fmt.Errorf("an answer to query %d, which was not asked", m.QueryIndex)
		}
		for _, s := range m.ChunkedSeries {
			if err := d.add(usage.Resources[m.QueryIndex], s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	d.close()
	return nil
}

// add takes a piece of a series; a long series comes in several pieces, one after the other.
func (d *day) add(resource usage.Resource, s *prompb.ChunkedSeries) error {
	if resource != d.open.resource || !slices.EqualFunc(s.Labels, d.open.labels, sameLabel) {
		d.close()
		d.open = series{resource: resource, labels: s.Labels}
		d.open.sink = d.sink(s.Labels)
	}
	if d.open.sink == nil {
		d.dropped[droppedLabels]++
		return nil
	}
	var iterator chunkenc.Iterator
	for i := range s.Chunks {
		chunk, err := chunkenc.FromData(chunkenc.Encoding(s.Chunks[i].Type), s.Chunks[i].Data)
		if err != nil {
			return fmt.Errorf("a chunk of %s: %w", d.window.Workload.Name, err)
		}
		iterator = chunk.Iterator(iterator)
		for iterator.Next() == chunkenc.ValFloat {
			t, v := iterator.At()
			d.value(t, v)
		}
		if err := iterator.Err(); err != nil {
			return fmt.Errorf("a chunk of %s: %w", d.window.Workload.Name, err)
		}
	}
	return nil
}

func sameLabel(a, b prompb.Label) bool { return a.Name == b.Name && a.Value == b.Value }

// sink returns where a series' values go, nil if it does not say whose they are.
func (d *day) sink(set []prompb.Label) *minutes {
	var c usage.Container
	for _, l := range set {
		switch l.Name {
		case d.labels.Namespace:
			c.Namespace = l.Value
		case d.labels.Pod:
			c.Pod = l.Value
		case d.labels.Container:
			c.Name = l.Value
		}
	}
	if c.Namespace == "" || c.Pod == "" || c.Name == "" {
		return nil
	}
	if d.containers[c] == nil {
		d.containers[c] = &minutes{}
	}
	return d.containers[c]
}

// value takes the next value of the open series. Values outside the window and its margins come too: a
// server sends whole chunks.
func (d *day) value(t int64, v float64) {
	s := &d.open
	if t <= s.last.t {
		return // overlapping chunks
	}
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		// A stale marker is a NaN: the series has ended, and what comes next is another container's.
		d.dropped[droppedNotANumber]++
		s.last = point{}
		return
	case v < 0:
		d.dropped[droppedNegative]++
		return
	}
	if s.resource == usage.Memory {
		d.raise(usage.Memory, t, v)
	} else if s.last.t != 0 {
		d.increase(s.last, point{t, v})
	}
	s.last = point{t, v}
}

// raise makes v the value of the minute that t is in, if it is larger.
func (d *day) raise(r usage.Resource, t int64, v float64) {
	if t < d.from || t >= d.to {
		return
	}
	values := &d.open.sink[r]
	if *values == nil {
		*values = slices.Repeat([]float64{math.NaN()}, int((d.to-d.from+minute-1)/minute))
	}
	m := &(*values)[(t-d.from)/minute]
	if math.IsNaN(*m) || v > *m {
		*m = v
	}
}

// increase spreads what a counter gained between two scrapes over the minutes between them.
func (d *day) increase(a, b point) {
	gained, took := b.v-a.v, b.t-a.t
	switch {
	case gained < 0:
		d.dropped[droppedReset]++
		return
	case took > maxGap:
		d.dropped[droppedGap]++
		return
	case gained/float64(took)*1000 > maxCores:
		d.dropped[droppedAbsurd]++
		return
	}
	for t := max(a.t, d.from); t < min(b.t, d.to); {
		end := min(b.t, d.from+((t-d.from)/minute+1)*minute)
		d.open.cover(d, t, float64(end-t), gained/float64(took)*1000)
		t = end
	}
}

// close ends the open series.
func (d *day) close() { d.open.flush(d) }

// samples returns everything, container by container.
func (d *day) samples() []usage.Sample {
	var samples []usage.Sample
	for _, c := range slices.SortedFunc(maps.Keys(d.containers), compareContainers) {
		for i := range int((d.to - d.from + minute - 1) / minute) {
			at := time.UnixMilli(d.from + int64(i)*minute)
			for _, r := range usage.Resources {
				if values := d.containers[c][r]; values != nil && !math.IsNaN(values[i]) {
					samples = append(samples, usage.Sample{Container: c, Resource: r, Time: at, Amount: amount(r, values[i])})
				}
			}
		}
	}
	return samples
}

// amount rounds as the consumers of metrics.k8s.io do: nanocores, then up to millicores.
func amount(r usage.Resource, v float64) usage.Amount {
	if r == usage.CPU {
		return usage.RoundUp(math.Round(v*1e9) / 1e6)
	}
	return usage.Truncate(v)
}

func compareContainers(a, b usage.Container) int {
	return cmp.Or(cmp.Compare(a.Pod, b.Pod), cmp.Compare(a.Name, b.Name))
}
