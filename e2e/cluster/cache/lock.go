package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sartor-vpa/sartor/e2e/cluster/poll"
)

// errHeld says that somebody else holds a lock.
var errHeld = errors.New("held by another process")

// Lock is an exclusive lock on a file (flock). The kernel frees it when its holder ends, however it
// ends, so that a held lock proves a living owner, which a recorded process id does not.
type Lock struct{ file *os.File }

// TryLock takes the lock on the file at path, which is made when missing. It does not wait:
// ok is false when somebody else (or an earlier call in this process) holds it.
func TryLock(path string) (lock *Lock, ok bool, err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, false, fmt.Errorf("lock: %w", err)
	}
	err = flock(file, unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return &Lock{file}, true, nil
	}
	_ = file.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, false, nil
	}
	return nil, false, fmt.Errorf("lock %s (is it on a network file system without locks? set SARTOR_CACHE): %w", path, err)
}

// WaitLock takes the lock on the file at path, waiting for it until ctx ends.
func WaitLock(ctx context.Context, path string) (*Lock, error) {
	var lock *Lock
	err := poll.Until(ctx, 50*time.Millisecond, func(context.Context) error {
		l, ok, err := TryLock(path)
		switch {
		case err != nil:
			return poll.Give(err)
		case !ok:
			return errHeld
		}
		lock = l
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("wait for lock %s: %w", path, err)
	}
	return lock, nil
}

// File is the locked file, for a holder that writes into it or hands the lock to a child: the lock
// belongs to the open file, which a child can share.
func (l *Lock) File() *os.File { return l.file }

// Free gives the lock up. Nothing was written through the file, so closing it has nothing to tell.
func (l *Lock) Free() { _ = l.file.Close() }

// flock retries when a signal interrupts it, as Go's runtime sends its own.
func flock(file *os.File, how int) error {
	for {
		err := unix.Flock(int(file.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
