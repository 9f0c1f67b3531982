// Package process runs programs that never outlive this one, however this one ends.
package process

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
)

// forks hands functions to the one thread that starts children.
//
// The kernel sends a child its parent-death signal when the THREAD that forked it ends, and Go ends
// and reuses threads as it likes. So every child is forked by one goroutine that is locked to its
// thread and never returns.
var forks = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

// start starts cmd as a child that the kernel kills (SIGKILL) when this process ends, in a process
// group of its own: a Ctrl-C at the terminal must reach only us, who stop children in order. What else
// cmd.SysProcAttr asks for, such as namespaces, holds too.
func start(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Pdeathsig = true, syscall.SIGKILL
	result := make(chan error)
	forks() <- func() { result <- cmd.Start() }
	return <-result
}

// Run runs cmd to its end, as a child that dies with this process. When ctx ends the command's whole
// group is told to stop, for a build has children of its own.
func Run(ctx context.Context, cmd *exec.Cmd) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if err := start(cmd); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) })
	err := cmd.Wait()
	if !stop() {
		return errors.Join(context.Cause(ctx), err)
	}
	return err
}

// Environ is this process's environment for a child, without what would lead it astray: a proxy
// between programs on one machine (the API server would send webhook calls through it), and a
// kubeconfig of some other cluster. Later extra values win.
func Environ(extra ...string) []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if name == "KUBECONFIG" || strings.HasSuffix(strings.ToUpper(name), "_PROXY") {
			continue
		}
		env = append(env, kv)
	}
	return append(env, extra...)
}
