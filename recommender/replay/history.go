package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/history"
)

// Past is where history is read from: the recommender's own loader.
type Past interface {
	// WantRecent has every minute of a window read.
	WantRecent(types.NamespacedName, history.Window)
	Answers() <-chan history.Answer
}

var _ Past = (*history.Loader)(nil)

// Reading says what is read of a Past, and how.
type Reading struct {
	From, To time.Time
	// Patience is how long reading may go on failing.
	Patience time.Duration
	// Failed is told each error that is tried again, Done how many days of how many are read.
	Failed func(error)
	Done   func(n, of int)
}

// FromHistory reads what the pods of workloads used, day by day, so that no more than a day of it waits to be laid out. The
// workloads are in the order of of; one without usage has no tracks. It fails when the server denies access, or reading
// goes on failing for longer than r.Patience.
func FromHistory(ctx context.Context, past Past, of []history.Workload, r Reading) ([]Workload, error) {
	reader := historyReader{past: past, of: of, reading: r, tracks: make([]map[usage.Container]*Track, len(of))}
	for i := range of {
		reader.tracks[i] = map[usage.Container]*Track{}
	}
	from, to := r.From.Truncate(time.Minute), r.To.Truncate(time.Minute)
	days := int(to.Add(aDayLong-1).Truncate(aDayLong).Sub(from.Truncate(aDayLong)) / aDayLong)
	for n := 0; from.Before(to); n++ {
		r.Done(n, days)
		end := from.Truncate(aDayLong).Add(aDayLong)
		if end.After(to) {
			end = to
		}
		if err := reader.read(ctx, from, end); err != nil {
			return nil, err
		}
		from = end
	}
	return reader.workloads(), nil
}

const aDayLong = 24 * time.Hour

// historyReader is history that is being read.
type historyReader struct {
	past    Past
	of      []history.Workload
	reading Reading
	tracks  []map[usage.Container]*Track
	minutes int
}

// read reads a day, or part of one, of all workloads.
func (r *historyReader) read(ctx context.Context, from, to time.Time) error {
	for i, w := range r.of {
		r.past.WantRecent(types.NamespacedName{Namespace: w.Namespace, Name: strconv.Itoa(i)}, history.Window{Workload: w, From: from, To: to})
	}
	var failed error
	patience := time.NewTimer(r.reading.Patience)
	patience.Stop()
	defer patience.Stop()
	for missing := len(r.of); missing > 0; {
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("reading history: %w", ctx.Err()), failed)
		case <-patience.C:
			return fmt.Errorf("history cannot be read: %w", failed)
		case a := <-r.past.Answers():
			switch {
			case errors.Is(a.Err, history.ErrDenied):
				return a.Err
			case a.Err != nil:
				if failed == nil {
					patience.Reset(r.reading.Patience)
				}
				failed = a.Err
				r.reading.Failed(a.Err)
				continue
			}
			patience.Stop()
			failed = nil
			missing--
			if err := r.take(a); err != nil {
				return err
			}
		}
	}
	return nil
}

// take lays out the samples of a workload.
func (r *historyReader) take(a history.Answer) error {
	i, err := strconv.Atoi(a.VPA.Name)
	if err != nil || i >= len(r.tracks) {
		return fmt.Errorf("an answer for %s, which was not asked for", a.VPA)
	}
	for _, s := range a.Recent {
		t := r.tracks[i][s.Container]
		if t == nil {
			t = &Track{Pod: s.Container.Pod, Container: s.Container.Name, From: s.Time.Truncate(time.Minute)}
			r.tracks[i][s.Container] = t
		}
		cpu, memory := int32(Unknown), int64(Unknown)
		if s.Resource == usage.CPU {
			cpu = int32(s.Amount)
		} else {
			memory = int64(s.Amount)
		}
		before := len(t.CPU)
		t.set(s.Time, 1, cpu, memory)
		if r.minutes += len(t.CPU) - before; r.minutes > maxMinutes {
			return errTooMuch
		}
	}
	return nil
}

// workloads are what was read.
func (r *historyReader) workloads() []Workload {
	all := make([]Workload, len(r.of))
	for i, w := range r.of {
		all[i] = Workload{Namespace: w.Namespace, Name: w.Kind + "/" + w.Name}
		for _, t := range r.tracks[i] {
			all[i].Tracks = append(all[i].Tracks, *t)
		}
		slices.SortFunc(all[i].Tracks, byPod)
	}
	return all
}
