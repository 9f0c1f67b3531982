package detach

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// variable tells a process that it is a detached child.
const variable = "SARTOR_DETACHED"

// The files that a child inherits.
const (
	lockFile  = 3
	readyFile = 4
)

// isChild is whether this process was launched by Start.
var isChild = os.Getenv(variable) != ""

// A child of ours must not inherit the lock: as long as it lived, we would seem to. This has to be
// seen to before anything else can fork, hence an init.
func init() {
	if !isChild {
		return
	}
	_ = os.Unsetenv(variable) // fails for malformed names alone
	syscall.CloseOnExec(lockFile)
	syscall.CloseOnExec(readyFile)
	// The lock's file says who we are, for as long as the lock says that we live.
	// Written past os.File, whose finalizer would close the file and so free the lock.
	if err := syscall.Ftruncate(lockFile, 0); err == nil {
		_, _ = syscall.Pwrite(lockFile, []byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
}

// Ready tells the waiting Start that everything is up. An error means that it does not wait any
// more, as it was killed: nobody then knows of this process, which should end.
func Ready() error {
	if !isChild {
		return errors.New("ready: this process was not started detached")
	}
	pipe := os.NewFile(readyFile, "ready")
	defer pipe.Close()
	if _, err := pipe.Write([]byte{1}); err != nil {
		return fmt.Errorf("ready: nobody waits for it: %w", err)
	}
	return nil
}
