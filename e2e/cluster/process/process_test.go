package process_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/cluster/poll"
	"github.com/sartor-vpa/sartor/e2e/cluster/process"
)

// TestMain lets this program also be a parent that starts a child, says its id, and waits to be killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "parent" {
		p, err := process.Start(context.Background(), sleeper("child"), os.Args[2], os.Args[2])
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(p.Pid())
		<-p.Done()
	}
	os.Exit(m.Run())
}

func sleeper(name string) process.Program {
	return process.Program{Name: name, Path: "/bin/sleep", Args: []string{"600"}}
}

func shell(name, script string) process.Program {
	return process.Program{Name: name, Path: "/bin/sh", Args: []string{"-c", script}}
}

func TestAChildDiesWithAParentThatIsKilled(t *testing.T) {
	parent := exec.Command(os.Args[0], "parent", t.TempDir())
	out, err := parent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, parent.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err, line)
	require.NoError(t, syscall.Kill(pid, 0), "it lives")

	require.NoError(t, parent.Process.Kill())
	_ = parent.Wait()
	assert.NoError(t, poll.Within(t.Context(), 5*time.Second, 10*time.Millisecond, func(context.Context) error { return gone(pid) }))
}

// The death signal comes when the forking thread ends, and a locked goroutine that returns ends its
// thread: children started from many such goroutines must not mind.
func TestAChildOutlivesTheThreadThatAskedForIt(t *testing.T) {
	dir := t.TempDir()
	var children []*process.Process
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			runtime.LockOSThread() // and never unlocked
			p, err := process.Start(t.Context(), sleeper(fmt.Sprint("c", i)), dir, dir)
			if assert.NoError(t, err) {
				mu.Lock()
				defer mu.Unlock()
				children = append(children, p)
			}
		})
	}
	wg.Wait()
	// A new child proves that the threads before it had time to end.
	p, err := process.Start(t.Context(), shell("later", "sleep 0.2"), dir, dir)
	require.NoError(t, err)
	<-p.Done()
	for _, p := range children {
		select {
		case <-p.Done():
			t.Errorf("%s ended: %v", p.Name(), p.Err())
		default:
		}
		assert.NoError(t, p.Stop(t.Context()))
		assert.NoError(t, p.Stop(t.Context()), "twice is as good as once")
	}
}

func TestAProgramThatDiesBeforeItIsReadyShowsItsLog(t *testing.T) {
	dir := t.TempDir()
	program := shell("broken", "echo no disk >&2; exit 3")
	program.Ready = func(context.Context) error { return errors.New("no answer") }
	p, err := process.Start(t.Context(), program, dir, dir)
	require.NoError(t, err)
	err = p.AwaitReady(t.Context(), program)
	for _, part := range []string{"broken", "ended by itself", "exit status 3", "no disk", filepath.Join(dir, "broken.log")} {
		assert.ErrorContains(t, err, part)
	}
	assert.True(t, p.Unexpected())
}

func TestAProgramThatIsNotReadyInTimeSaysWhatItWaitsFor(t *testing.T) {
	dir := t.TempDir()
	program := sleeper("slow")
	program.Ready = func(context.Context) error { return errors.New("no answer") }
	program.ReadyTimeout = 100 * time.Millisecond
	p, err := process.Start(t.Context(), program, dir, dir)
	require.NoError(t, err)
	defer func() { _ = p.Kill() }()
	err = p.AwaitReady(t.Context(), program)
	assert.ErrorContains(t, err, "not within 100ms")
	assert.ErrorContains(t, err, "no answer")
}

func TestAProgramDeafToSIGTERMIsKilled(t *testing.T) {
	dir := t.TempDir()
	program := shell("deaf", `trap "" TERM; echo set; while :; do sleep 1; done`)
	program.Ready = func(context.Context) error {
		if log, _ := process.Tail(filepath.Join(dir, "deaf.log"), 1); log != "set" {
			return errors.New("trap not set")
		}
		return nil
	}
	p, err := process.Start(t.Context(), program, dir, dir)
	require.NoError(t, err)
	require.NoError(t, p.AwaitReady(t.Context(), program))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	assert.ErrorContains(t, p.Stop(ctx), "had to be killed")
	assert.NoError(t, gone(p.Pid()))
	assert.False(t, p.Unexpected())
}

func TestAProgramThatIsPausedDoesNothingUntilItIsResumedAndCanBeStopped(t *testing.T) {
	dir := t.TempDir()
	p, err := process.Start(t.Context(), shell("ticker", `while :; do echo tick; sleep 0.01; done`), dir, dir)
	require.NoError(t, err)
	defer func() { _ = p.Kill() }()
	state := func(want string) {
		t.Helper()
		require.NoError(t, poll.Within(t.Context(), 5*time.Second, 10*time.Millisecond, func(context.Context) error {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid()))
			if fields := strings.Fields(string(stat)); err == nil && !strings.Contains(want, fields[2]) {
				return fmt.Errorf("is in state %s", fields[2])
			}
			return err
		}))
	}
	state("SR")
	require.NoError(t, p.Pause())
	state("T")
	require.NoError(t, p.Resume())
	state("SR")
	require.NoError(t, p.Pause())
	state("T")
	require.NoError(t, p.Stop(t.Context()), "without being killed")
}

func TestRunEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	because := errors.New("because")
	time.AfterFunc(50*time.Millisecond, func() { cancel(because) })
	assert.ErrorIs(t, process.Run(ctx, exec.Command("sleep", "600")), because)
}

func TestTheEnvironmentLeadsNoChildAstray(t *testing.T) {
	t.Setenv("https_proxy", "http://proxy")
	t.Setenv("KUBECONFIG", "/other")
	env := process.Environ("KUBECONFIG=/ours")
	assert.NotContains(t, env, "https_proxy=http://proxy")
	assert.NotContains(t, env, "KUBECONFIG=/other")
	assert.Contains(t, env, "KUBECONFIG=/ours")
}

// gone is nil when no process has the id; one that only waits to be collected is as good as gone.
func gone(pid int) error {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	if _, rest, _ := strings.Cut(string(stat), ") "); strings.HasPrefix(rest, "Z") {
		return nil
	}
	return fmt.Errorf("process %d lives", pid)
}
