package runs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/sartor-vpa/sartor/e2e/cluster/cache"
)

// keptLogs is how many log folders of ended runs stay: enough to look into what failed last.
const keptLogs = 5

// List names the run folders whose owners live, in alphabetical order.
func List() ([]string, error) {
	run, _, err := roots()
	if err != nil {
		return nil, err
	}
	// Trying a lock takes it for a moment, which must not be when its owner-to-be wants it.
	guard, err := cache.WaitLock(context.Background(), run+".lock")
	if err != nil {
		return nil, err
	}
	defer guard.Free()
	dirs, err := subfolders(run)
	if err != nil {
		return nil, err
	}
	var alive []string
	for _, dir := range dirs {
		lock, free, err := cache.TryLock(filepath.Join(dir, lockName))
		switch {
		case err != nil:
			return nil, err
		case free:
			lock.Free()
		default:
			alive = append(alive, filepath.Base(dir))
		}
	}
	return alive, nil
}

// sweep removes the run folders whose owner is dead, which is seen by the lock being free (their
// programs died with the owner), and all but the newest logs without a run.
func sweep(ctx context.Context, run, logs string) error {
	dirs, err := subfolders(run)
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if err := sweepOne(ctx, dir); err != nil {
			return err
		}
	}
	return sweepLogs(ctx, run, logs)
}

// sweepOne removes dir if nobody holds its lock.
func sweepOne(ctx context.Context, dir string) error {
	lock, free, err := cache.TryLock(filepath.Join(dir, lockName))
	if err != nil {
		return fmt.Errorf("look after the run folder %s (remove it by hand if it is of no use): %w", dir, err)
	}
	if !free {
		return nil
	}
	defer lock.Free()
	return removeAll(ctx, dir)
}

// sweepLogs removes the oldest log folders whose run folder is gone.
func sweepLogs(ctx context.Context, run, logs string) error {
	dirs, err := subfolders(logs)
	if err != nil {
		return err
	}
	dirs = slices.DeleteFunc(dirs, func(dir string) bool {
		_, err := os.Stat(filepath.Join(run, filepath.Base(dir)))
		return err == nil
	})
	slices.SortFunc(dirs, func(a, b string) int { return changed(b).Compare(changed(a)) })
	for _, dir := range dirs[min(keptLogs, len(dirs)):] {
		if err := removeAll(ctx, dir); err != nil {
			return err
		}
	}
	return nil
}

// subfolders are the folders right in dir, as paths.
func subfolders(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	var dirs []string
	for _, e := range entries {
		if e.IsDir() {
			dirs = append(dirs, filepath.Join(dir, e.Name()))
		}
	}
	return dirs, nil
}

// changed is when the folder at path last got or lost a file; the zero time if it is gone.
func changed(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
