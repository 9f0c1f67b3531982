package history

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"
)

// Stats is what Write wrote.
type Stats struct {
	Blocks int
	// Series counts a series once for each block, so for each UTC day, that it is in.
	Series  uint64
	Samples uint64
	// Bytes on disk, of these blocks.
	Bytes int64
}

// Write records everything into TSDB blocks under dir, which is created if needed and must hold no blocks yet:
// one block per UTC day, as Prometheus' compactor leaves them. The last one ends at End, not at midnight,
// because Prometheus takes no new samples for a time that a block covers. Prometheus must not be running on
// dir. Memory is
// bounded by one day's compressed samples, some 6 bytes each. On an error or a cancelled ctx the days completed stay.
func (r Recording) Write(ctx context.Context, dir string) (Stats, error) {
	if err := r.Validate(); err != nil {
		return Stats{}, err
	}
	if found, _ := filepath.Glob(filepath.Join(dir, "*", "meta.json")); len(found) > 0 {
		return Stats{}, fmt.Errorf("history: %s already holds blocks (%s): remove them or write elsewhere", dir, filepath.Dir(found[0]))
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return Stats{}, fmt.Errorf("history: create the folder for blocks: %w", err)
	}
	r = r.withDefaults()
	parts := r.targets(runtime.GOMAXPROCS(0))
	days := r.days()
	var total Stats
	for i, day := range days {
		st, err := r.writeDay(ctx, dir, day, parts)
		if err != nil {
			return total, fmt.Errorf("history: day %d of %d: %w", i+1, len(days), err)
		}
		if st.NumSeries > 0 {
			total.Blocks++
		}
		total.Series += st.NumSeries
		total.Samples += st.NumSamples
		if r.Progress != nil {
			r.Progress(i+1, len(days))
		}
	}
	var err error
	total.Bytes, err = size(dir)
	return total, err
}

// day is a stretch of time within one UTC day, in milliseconds since 1970; to is exclusive.
type day struct{ from, to int64 }

// days cuts the span at UTC midnights.
func (r *Recording) days() []day {
	const length = int64(24 * time.Hour / time.Millisecond)
	end := r.End.UnixMilli()
	var out []day
	for from := end - r.Span.Milliseconds(); from < end; {
		to := min(from-from%length+length, end)
		out = append(out, day{from, to})
		from = to
	}
	return out
}

// targets lists the lives of all pods, as they stood before the first scrape, in n parts that share no series: all of
// one workload is in one of them.
func (r *Recording) targets(n int) [][]*target {
	parts := make([][]*target, n)
	for i := range r.Workloads {
		w := &r.Workloads[i]
		for _, l := range r.lives(w) {
			parts[i%n] = append(parts[i%n], &target{recording: r, workload: w, life: l})
		}
	}
	return parts
}

// writeDay records the parts side by side and writes them as one block.
func (r *Recording) writeDay(ctx context.Context, dir string, d day, parts [][]*target) (blockStats, error) {
	b, err := newBlock(d.from, d.to)
	if err != nil {
		return blockStats{}, err
	}
	recorded, errs := make([]*block, len(parts)), make([]error, len(parts))
	var all sync.WaitGroup
	for i, part := range parts {
		all.Go(func() { recorded[i], errs[i] = r.recordDay(ctx, d, part) })
	}
	all.Wait()
	for i, part := range recorded {
		if errs[i] != nil {
			return blockStats{}, errs[i]
		}
		b.all = append(b.all, part.all...)
	}
	return b.stats(), b.write(ctx, dir)
}

// recordDay returns a block with a day of these targets, and of no others.
func (r *Recording) recordDay(ctx context.Context, d day, targets []*target) (*block, error) {
	b, err := newBlock(d.from, d.to)
	if err != nil {
		return nil, err
	}
	end := r.End.UnixMilli()
	from, to := time.Duration(d.from-end)*time.Millisecond, time.Duration(d.to-end)*time.Millisecond
	for _, t := range targets {
		if t.to <= from || t.from >= to {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := t.record(b, to); err != nil {
			return nil, err
		}
		if r.KubeStateMetrics {
			if err := t.recordState(b, from, to); err != nil {
				return nil, err
			}
		}
	}
	return b, nil
}

// record writes t's scrapes before until into b. After the last day of a life its counters are let go.
func (t *target) record(b *block, until time.Duration) error {
	end := t.recording.End.UnixMilli()
	columns := make([]*column, len(jobs))
	var err error
	t.visit(until, func(job int, s reading) bool {
		if columns[job] == nil {
			columns[job] = t.column(b, job)
		}
		err = columns[job].add(end+s.at.Milliseconds(), s, s.at-t.from)
		return err == nil
	})
	if until >= t.to {
		t.cpu, t.memory, t.base = nil, nil, nil
	}
	return err
}

// size sums up the files under dir.
func size(dir string) (int64, error) {
	var total int64
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("history: measure the blocks: %w", err)
	}
	return total, nil
}
