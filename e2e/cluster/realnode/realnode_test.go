package realnode

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/cluster/poll"
)

// driveVariable makes a driver of this program, which goes inside and does what its value says.
const driveVariable = "SARTOR_REALNODE_DRIVE"

func TestMain(m *testing.M) {
	if os.Getenv(driveVariable) == "" {
		os.Exit(m.Run())
	}
	os.Exit(Main(func(context.Context) ([]string, error) { return []string{"PREPARED=yes"}, nil }, drive))
}

// facts are what a driver sees inside.
type facts struct {
	Host, Prepared string
	Name           string // of its groups
	Addresses      []string
	Processes      int
	Groups         []string // in the memory hierarchy
	Panic          string
}

func drive() int {
	if os.Getenv(driveVariable) == "hang" {
		sleeper := exec.Command("sleep", "1000") // whose parent's death it is not told of
		if err := sleeper.Start(); err != nil {
			fmt.Println(err)
			return 1
		}
		fmt.Println(os.Getenv(groupVariable))
		select {}
	}
	var f facts
	f.Host, _ = os.Hostname()
	f.Name = os.Getenv(groupVariable)
	f.Prepared = os.Getenv("PREPARED")
	addresses, _ := net.InterfaceAddrs()
	for _, a := range addresses {
		f.Addresses = append(f.Addresses, a.String())
	}
	processes, _ := filepath.Glob("/proc/[0-9]*")
	f.Processes = len(processes)
	f.Groups, _ = filepath.Glob("/sys/fs/cgroup/memory/*/memory.limit_in_bytes")
	shown, _ := os.ReadFile("/proc/sys/kernel/panic")
	f.Panic = strings.TrimSpace(string(shown))
	text, err := json.Marshal(f)
	if err != nil {
		return 1
	}
	fmt.Println(string(text))
	return 7
}

// driver is a program that goes inside of namespaces, with a cache of its own.
func driver(t *testing.T, what string) *exec.Cmd {
	if err := Missing(); err != nil {
		t.Skip(err)
	}
	t.Setenv("SARTOR_CACHE", t.TempDir())
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), driveVariable+"="+what)
	cmd.Stderr = os.Stderr
	return cmd
}

func TestInsideIsAMachineOfItsOwn(t *testing.T) {
	outside, err := os.ReadFile("/proc/sys/kernel/panic")
	require.NoError(t, err)
	host, err := os.Hostname()
	require.NoError(t, err)
	out, err := driver(t, "tell").Output()
	exit := (*exec.ExitError)(nil)
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 7, exit.ExitCode(), "its exit status is passed on")

	var f facts
	require.NoError(t, json.Unmarshal(out, &f), "%s", out)
	require.Equal(t, Name, f.Host)
	require.Equal(t, "yes", f.Prepared)
	require.Subset(t, f.Addresses, []string{"127.0.0.1/8", Address + "/32", APIService + "/32"})
	for _, a := range f.Addresses {
		require.Contains(t, []string{"127.0.0.1/8", "::1/128", Address + "/32", APIService + "/32"}, a, "no way out")
	}
	require.Equal(t, 2, f.Processes, "init and itself")
	require.Empty(t, f.Groups, "nobody else's")
	require.Equal(t, "10", f.Panic)

	unchanged, err := os.ReadFile("/proc/sys/kernel/panic")
	require.NoError(t, err)
	require.Equal(t, string(outside), string(unchanged))
	still, err := os.Hostname()
	require.NoError(t, err)
	require.Equal(t, host, still)
	require.Empty(t, groupsOf(t, f.Name), "its groups are gone")
	require.NotEmpty(t, f.Name)
}

func TestAProgramThatIsKilledTakesAllWithIt(t *testing.T) {
	cmd := driver(t, "hang")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan(), "%v", lines.Err())
	name := lines.Text()
	require.NotEmpty(t, groupsOf(t, name))
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())

	require.NoError(t, poll.Within(t.Context(), 20*time.Second, 20*time.Millisecond, func(context.Context) error {
		for _, group := range groupsOf(t, name) {
			procs, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
			if err != nil {
				return err
			}
			if len(procs) > 0 {
				return fmt.Errorf("there are still processes in %s: %s", group, procs)
			}
		}
		return nil
	}))
	g, err := newGroups(t.Context())
	require.NoError(t, err)
	require.Equal(t, name, g.name, "the next one finds the name free, and what was left is its own")
	require.NoError(t, g.remove(t.Context()))
	require.Empty(t, groupsOf(t, name))
}

// groupsOf are the groups of that name in all hierarchies.
func groupsOf(t *testing.T, name string) []string {
	all, err := hierarchies()
	require.NoError(t, err)
	var found []string
	for _, h := range all {
		some, err := filepath.Glob(filepath.Join(h.mount, name))
		require.NoError(t, err)
		found = append(found, some...)
	}
	return found
}

func TestMountsAreReadForCgroupHierarchies(t *testing.T) {
	got := parseMounts(`22 1 254:0 / / rw,relatime - ext4 /dev/root rw
30 22 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:5 - cgroup2 cgroup2 rw,nsdelegate
31 22 0:28 / /sys/fs/cgroup/systemd rw,nosuid shared:6 - cgroup cgroup rw,xattr,name=systemd
32 22 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
33 22 0:30 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory,clone_children
34 22 0:31
`)
	require.Equal(t, []hierarchy{
		{"/sys/fs/cgroup/systemd", []string{"name=systemd"}},
		{"/sys/fs/cgroup/cpu,cpuacct", []string{"cpu", "cpuacct"}},
		{"/sys/fs/cgroup/memory", []string{"memory"}},
	}, got)
}

func TestWhatCannotBePreparedStartsNothing(t *testing.T) {
	if err := Missing(); err != nil {
		t.Skip(err)
	}
	t.Setenv("SARTOR_CACHE", t.TempDir())
	broken := errors.New("no network")
	status := Main(func(context.Context) ([]string, error) { return nil, broken }, func() int { t.Error("it ran"); return 0 })
	require.Equal(t, 1, status)
}
