package detach_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/detach"
)

// TestMain lets this program also be the detached child.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "child" {
		os.Exit(child(os.Args[2]))
	}
	os.Exit(m.Run())
}

func child(how string) int {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	fmt.Println("child begins")
	switch how {
	case "fails":
		fmt.Println("child cannot go on")
		return 3
	case "never-ready":
		<-ctx.Done()
		fmt.Println("child takes all down")
		return 0
	}
	if err := detach.Ready(); err != nil {
		fmt.Println(err)
		return 1
	}
	<-ctx.Done()
	return 0
}

func TestAReadyChildRunsOnUntilItIsStopped(t *testing.T) {
	t.Setenv("SARTOR_CACHE", t.TempDir())
	var out bytes.Buffer
	require.NoError(t, detach.Start(t.Context(), "demo", []string{"child", "works"}, &out))
	assert.Contains(t, out.String(), "child begins")

	pid, ok := detach.Running("demo")
	require.True(t, ok)
	session, err := getsid(pid)
	require.NoError(t, err)
	assert.Equal(t, pid, session, "it leads a session of its own")

	err = detach.Start(t.Context(), "demo", []string{"child", "works"}, &out)
	assert.ErrorContains(t, err, fmt.Sprintf("already running (pid %d)", pid))

	require.NoError(t, detach.Stop(t.Context(), "demo"))
	_, ok = detach.Running("demo")
	assert.False(t, ok)
	assert.NoError(t, detach.Stop(t.Context(), "demo"), "stopping what does not run is no error")
}

func TestAChildThatFailsIsReportedWithItsOutput(t *testing.T) {
	t.Setenv("SARTOR_CACHE", t.TempDir())
	var out bytes.Buffer
	err := detach.Start(t.Context(), "demo", []string{"child", "fails"}, &out)
	assert.ErrorContains(t, err, "exit status 3")
	assert.ErrorContains(t, err, "demo.log")
	assert.Contains(t, out.String(), "child cannot go on")
	_, ok := detach.Running("demo")
	assert.False(t, ok)
}

func TestAnInterruptedStartEndsTheChildInGoodOrder(t *testing.T) {
	t.Setenv("SARTOR_CACHE", t.TempDir())
	ctx, cancel := context.WithCancelCause(t.Context())
	interrupted := errors.New("interrupted")
	out := &awaitText{text: "child begins", then: func() { cancel(interrupted) }}
	err := detach.Start(ctx, "demo", []string{"child", "never-ready"}, out)
	assert.ErrorIs(t, err, interrupted)
	assert.Contains(t, out.String(), "child takes all down")
	_, ok := detach.Running("demo")
	assert.False(t, ok)
}

func TestOfARecycledProcessIDNothingIsSaid(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("SARTOR_CACHE", dir)
	require.NoError(t, os.MkdirAll(dir+"/detached", 0o755))
	// A file left by a dead child, whose id is now another program's: ours.
	require.NoError(t, os.WriteFile(dir+"/detached/demo.lock", fmt.Appendln(nil, os.Getpid()), 0o644))
	_, ok := detach.Running("demo")
	assert.False(t, ok)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	assert.NoError(t, detach.Stop(ctx, "demo"), "and we were not sent SIGTERM")
}

// awaitText calls then once text has been written to it.
type awaitText struct {
	got  bytes.Buffer // not embedded: its ReadFrom would be taken instead of our Write
	text string
	then func()
}

func (w *awaitText) String() string { return w.got.String() }

func (w *awaitText) Write(p []byte) (int, error) {
	n, err := w.got.Write(p)
	if bytes.Contains(w.got.Bytes(), []byte(w.text)) {
		w.then()
	}
	return n, err
}

func getsid(pid int) (int, error) {
	id, _, errno := syscall.Syscall(syscall.SYS_GETSID, uintptr(pid), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(id), nil
}
