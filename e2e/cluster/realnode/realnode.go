// Package realnode lets a program, mostly a test, go on inside of namespaces of its own, in which a kubelet and containerd
// can run as on a machine of their own: mounts, network, processes, cgroups and host name are apart from the machine's,
// and go with the program, however it ends. Nothing is installed, and nothing of the machine is changed. There is no way
// out: no DNS, no registry, and of all Services' addresses pods reach that of the API server only.
//
//	func TestMain(m *testing.M) {
//		flag.Parse()
//		os.Exit(realnode.Main(prepare, m.Run))
//	}
//
// Four processes follow each other:
//
//	the program   prepares, makes the cgroups, and waits; it has the machine's network, to fetch and build
//	  init        process 1 of the namespaces: makes mounts and addresses, and then collects processes that nobody waits for
//	    the program again, inside: all that it starts is in the namespaces, too
//
// The kernel kills init when the first process ends, and with init everything inside.
package realnode

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sartor-vpa/sartor/e2e/cluster/process"
)

const (
	// Name is the node's, and the host name inside.
	Name = "node-1"
	// Address is the node's own. Pods reach it, and it them.
	Address = "10.10.0.1"
	// APIService is the address of the Service kubernetes. It is the node's too, so that pods find the API server there
	// without a proxy; the API server has to listen at port 443.
	APIService = "10.96.0.1"
	// PodCIDR has the addresses of pods.
	PodCIDR = "10.244.0.0/24"
	// State is a folder, in memory, for what containerd and the kubelet keep. It is there inside only.
	State = "/run/node"
)

// What the program is told through its environment: as which of the processes it runs.
const (
	stageVariable = "SARTOR_REALNODE_STAGE"
	groupVariable = "SARTOR_REALNODE_GROUP"
	stageInit     = "init"
	stageInside   = "inside"
)

// namespaces are all that there are but for users', and for cgroups', which init enters itself.
const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS

// Inside says whether this process is one that Main has put into namespaces.
func Inside() bool { return os.Getenv(stageVariable) == stageInside }

// Main runs run inside, and returns its exit status. First it calls prepare, which is still outside, and whose
// variables (NAME=value) are in the environment inside. It has to be called before the program does anything else, because the
// program is started again, with the same arguments. Where a node cannot run (see Missing) it calls run where it is.
func Main(prepare func(context.Context) ([]string, error), run func() int) int {
	switch {
	case os.Getenv(stageVariable) == stageInit:
		return initialize()
	case Inside() || Missing() != nil:
		return run()
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer cancel()
	status, err := enter(ctx, prepare)
	if err != nil {
		fmt.Fprintf(os.Stderr, "run on a real node: %v\n", err)
		return 1
	}
	return status
}

func enter(ctx context.Context, prepare func(context.Context) ([]string, error)) (status int, err error) {
	env, err := prepare(ctx)
	if err != nil {
		return 0, err
	}
	g, err := newGroups(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, g.remove(context.WithoutCancel(ctx))) }()
	self, err := os.Executable()
	if err != nil {
		return 0, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Env = append(append(os.Environ(), env...), stageVariable+"="+stageInit, groupVariable+"="+g.name)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces}
	err = process.Run(ctx, cmd)
	if exit := (*exec.ExitError)(nil); ctx.Err() == nil && errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// file is a path below State.
func file(elements ...string) string { return filepath.Join(append([]string{State}, elements...)...) }
