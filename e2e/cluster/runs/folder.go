// Package runs keeps clusters that run at the same time apart: each has a folder of its own and a
// range of ports of its own, both proved taken by a held lock.
//
//	CACHE/run/NAME-RANDOM/   one cluster's files; its owner holds the file lock in it
//	CACHE/logs/NAME-RANDOM/  its logs, which outlive a cluster that failed
//	CACHE/slots/N            held by the cluster that has the N-th range of ports
//	CACHE/run.lock           held while run folders are made or swept
package runs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sartor-vpa/sartor/e2e/cluster/cache"
	"github.com/sartor-vpa/sartor/e2e/cluster/poll"
)

// lockName is the file in a run folder that its owner holds locked.
const lockName = "lock"

// Folder is one run's, from Create to Remove.
type Folder struct {
	Path string // absolute
	Logs string // absolute
	lock *cache.Lock
}

// Create makes a run folder whose name begins with name, after removing those of dead owners.
func Create(ctx context.Context, name string) (*Folder, error) {
	if name == "" || strings.ContainsAny(name, "/ \t\n") || name[0] == '.' {
		return nil, fmt.Errorf("a cluster cannot be named %q: it names a folder", name)
	}
	run, logs, err := roots()
	if err != nil {
		return nil, err
	}
	// Between making a folder and locking it, it looks like a dead owner's: no sweep then.
	guard, err := cache.WaitLock(ctx, run+".lock")
	if err != nil {
		return nil, err
	}
	defer guard.Free()
	if err := sweep(ctx, run, logs); err != nil {
		return nil, err
	}
	base := name + "-" + strings.ToLower(rand.Text()[:6])
	f := &Folder{Path: filepath.Join(run, base), Logs: filepath.Join(logs, base)}
	for _, dir := range []string{f.Path, f.Logs} {
		// Keys lie in it: nobody else's business.
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make run folder: %w", err)
		}
	}
	lock, ok, err := cache.TryLock(filepath.Join(f.Path, lockName))
	switch {
	case err != nil:
		return nil, fmt.Errorf("lock run folder: %w", err)
	case !ok:
		return nil, fmt.Errorf("the new run folder %s is locked by somebody else", f.Path)
	}
	f.lock = lock
	return f, nil
}

// Remove removes the folder, and its logs unless they are to be kept, and gives it up.
func (f *Folder) Remove(keepLogs bool) error {
	err := removeAll(context.Background(), f.Path)
	if !keepLogs {
		err = errors.Join(err, removeAll(context.Background(), f.Logs))
	}
	f.lock.Free()
	return err
}

// roots are the folders of run folders and of log folders.
func roots() (run, logs string, err error) {
	if run, err = cache.Sub("run"); err != nil {
		return "", "", err
	}
	logs, err = cache.Sub("logs")
	return run, logs, err
}

// removeAll removes dir, trying again for a while: a program that was killed this moment may still
// be adding a file.
func removeAll(ctx context.Context, dir string) error {
	err := poll.Within(ctx, 5*time.Second, 50*time.Millisecond, func(context.Context) error { return os.RemoveAll(dir) })
	if err != nil {
		return fmt.Errorf("remove %s (remove it by hand): %w", dir, err)
	}
	return nil
}
