package cluster_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/cluster/cache"
	"github.com/sartor-vpa/sartor/e2e/cluster/poll"
)

func TestOfAKilledOrInterruptedDriverNothingIsLeft(t *testing.T) {
	if testing.Short() {
		t.Skip("starts clusters")
	}
	killed := startDriver(t, "killed")
	killed.await("cluster ready")
	folder, pids := killed.folder(), killed.pids()
	require.Len(t, pids, 6)
	require.NoError(t, killed.cmd.Process.Kill())
	_ = killed.cmd.Wait()
	assert.NoError(t, poll.Within(t.Context(), 10*time.Second, 20*time.Millisecond, func(context.Context) error {
		return noneLives(pids)
	}), "the kernel kills the programs with their driver")
	assert.DirExists(t, folder, "what a killed driver cannot do")

	interrupted := startDriver(t, "interrupted")
	interrupted.await("etcd and kube-apiserver ready")
	assert.NoDirExists(t, folder, "the next start has swept it")
	folder, pids = interrupted.folder(), interrupted.pids()
	require.GreaterOrEqual(t, len(pids), 2, "it is in the middle of the start")
	require.NoError(t, interrupted.cmd.Process.Signal(os.Interrupt))
	interrupted.await("start cluster: interrupt signal received")
	var exit *exec.ExitError
	require.ErrorAs(t, interrupted.cmd.Wait(), &exit)
	assert.Equal(t, 1, exit.ExitCode(), "Start failed, Stop was not needed")
	assert.NoError(t, noneLives(pids))
	assert.NoDirExists(t, folder)
}

// driver is this test program, driving a cluster in a process of its own.
type driver struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	out  *bufio.Scanner
}

func startDriver(t *testing.T, name string) *driver {
	cmd := exec.Command(os.Args[0], "drive", name)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return &driver{t, name, cmd, bufio.NewScanner(out)}
}

// await reads the driver's output up to a line with text.
func (d *driver) await(text string) {
	for d.out.Scan() {
		d.t.Log(d.out.Text())
		if strings.Contains(d.out.Text(), text) {
			return
		}
	}
	require.Fail(d.t, "the driver ended without saying "+text)
}

func (d *driver) folder() string {
	root, err := cache.Dir()
	require.NoError(d.t, err)
	found, err := filepath.Glob(filepath.Join(root, "run", d.name+"-*"))
	require.NoError(d.t, err)
	require.Len(d.t, found, 1)
	return found[0]
}

func (d *driver) pids() []int { return pidsIn(d.t, d.folder()) }

// pidsIn are the process ids recorded in a run folder.
func pidsIn(t *testing.T, folder string) []int {
	files, err := filepath.Glob(filepath.Join(folder, "pids", "*.pid"))
	require.NoError(t, err)
	var pids []int
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		require.NoError(t, err)
		pids = append(pids, pid)
	}
	return pids
}

// noneLives is nil when no process has one of the ids.
func noneLives(pids []int) error {
	for _, pid := range pids {
		if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)); err == nil && !strings.Contains(string(status), "State:\tZ") {
			name, _, _ := strings.Cut(string(status), "\n")
			return fmt.Errorf("process %d lives: %s", pid, name)
		}
	}
	return nil
}
