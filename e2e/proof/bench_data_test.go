package proof

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sartor-vpa/sartor/e2e/cluster/cache"
	"github.com/sartor-vpa/sartor/e2e/history"
)

// fleetVersion names what is in the cache. Raise it when the same parameters give other samples.
const fleetVersion = 1

const fleetSeed = 4

// freshness is how old the end of a cached recording may be. Upstream reads the days up to now, whatever there is; ours is
// asked for the same time.
const freshness = 12 * time.Hour

// fleetData is a recording on disk.
type fleetData struct {
	dir        string
	containers int
	// from and to are what is asked for.
	from, to time.Time
}

// fleet returns the blocks of so many containers in each of two environments, which are written unless the cache has
// them.
func (b *bench) fleet(ctx context.Context, containers int) (fleetData, error) {
	root, err := cache.Sub("fleets")
	if err != nil {
		return fleetData{}, err
	}
	lock, err := cache.WaitLock(ctx, filepath.Join(root, "lock"))
	if err != nil {
		return fleetData{}, err
	}
	defer lock.Free()
	// As large clusters do, which scrape less often for it.
	interval := 30 * time.Second
	if containers > 2000 {
		interval = time.Minute
	}
	name := fmt.Sprintf("%d-%s-v%d-", containers, interval, fleetVersion)
	old, err := filepath.Glob(filepath.Join(root, fmt.Sprintf("%d-%s-*", containers, interval)))
	if err != nil {
		return fleetData{}, err
	}
	for _, dir := range old {
		if end, ok := endOf(dir, name); ok && time.Since(end) < freshness {
			b.say("%d containers: recorded until %s", containers, end.UTC().Format(time.RFC3339))
			return newFleetData(dir, containers, end), nil
		}
		if err := os.RemoveAll(dir); err != nil {
			return fleetData{}, err
		}
	}
	end := time.Now().Truncate(time.Minute)
	dir := filepath.Join(root, name+strconv.FormatInt(end.Unix(), 10))
	return newFleetData(dir, containers, end), b.record(ctx, dir, containers, interval, end)
}

// record writes a fleet into a folder that is there only when it is whole.
func (b *bench) record(ctx context.Context, dir string, containers int, interval time.Duration, end time.Time) error {
	b.say("%d containers in each of two environments: recording 8 days at a scrape each %s", containers, interval)
	r := history.Recording{End: end, Interval: interval, Workloads: history.Fleet(containers, fleetSeed), KubeStateMetrics: true}
	r.Progress = func(day, days int) { b.say("day %d of %d", day, days) }
	unfinished := filepath.Join(filepath.Dir(dir), ".recording")
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	stats, err := r.Write(ctx, unfinished)
	if err != nil {
		return errors.Join(err, os.RemoveAll(unfinished))
	}
	b.say("recorded %d samples, %d MB", stats.Samples, stats.Bytes/1e6)
	return os.Rename(unfinished, dir)
}

// endOf reads the end of a recording from the name of its folder.
func endOf(dir, name string) (time.Time, bool) {
	seconds, err := strconv.ParseInt(strings.TrimPrefix(filepath.Base(dir), name), 10, 64)
	return time.Unix(seconds, 0), err == nil
}

// newFleetData asks for no more than upstream will: it reads the eight days until now.
func newFleetData(dir string, containers int, end time.Time) fleetData {
	return fleetData{dir, containers, time.Now().Add(-history.DefaultSpan).Truncate(time.Minute), end}
}

// touch reads all files, so that the first way finds them in the page cache as the others do.
func touch(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(io.Discard, f)
		return err
	})
}
