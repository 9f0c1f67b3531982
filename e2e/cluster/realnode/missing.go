package realnode

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// controllers are what the kubelet cannot do without, of cgroup v1.
var controllers = []string{"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "pids"}

// Missing says why no node can run on this machine, nil if one can. It looks once.
var Missing = sync.OnceValue(func() error {
	if Inside() {
		return nil
	}
	for _, check := range []func() error{rights, cgroups, filesystems, tools, entering} {
		if err := check(); err != nil {
			return fmt.Errorf("no real node can run here: %w", err)
		}
	}
	return nil
})

func rights() error {
	if os.Geteuid() != 0 {
		return errors.New("it needs root, for namespaces, mounts and cgroups")
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("read own capabilities: %w", err)
	}
	for name, bit := range map[string]uint{"CAP_NET_ADMIN": unix.CAP_NET_ADMIN, "CAP_SYS_ADMIN": unix.CAP_SYS_ADMIN} {
		if data[0].Effective&(1<<bit) == 0 {
			return fmt.Errorf("root lacks %s", name)
		}
	}
	return nil
}

func cgroups() error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	var lack []string
	for _, c := range controllers {
		if !slices.ContainsFunc(all, func(h hierarchy) bool { return slices.Contains(h.controllers, c) }) {
			lack = append(lack, c)
		}
	}
	if len(lack) > 0 {
		return fmt.Errorf("no cgroup v1 hierarchy is mounted with %s (cgroup v2 alone is not enough)", strings.Join(lack, ", "))
	}
	for _, h := range all {
		if err := unix.Access(h.mount, unix.W_OK); err != nil {
			return fmt.Errorf("write to the cgroups in %s: %w", h.mount, err)
		}
	}
	return nil
}

func filesystems() error {
	text, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return fmt.Errorf("read which file systems there are: %w", err)
	}
	if !slices.Contains(strings.Fields(string(text)), "overlay") {
		return errors.New("the kernel has no overlay file system (modprobe overlay)")
	}
	return nil
}

// tools are those that fetch containerd, which comes as a package of Debian's.
func tools() error {
	for _, tool := range []string{"apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("no %s, which fetches containerd and runc", tool)
		}
	}
	return nil
}

// entering tries whether processes may have namespaces of their own.
func entering() error {
	path, err := exec.LookPath("true")
	if err != nil {
		return fmt.Errorf("find a program to try namespaces with: %w", err)
	}
	cmd := exec.Command(path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces | unix.CLONE_NEWCGROUP}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("start a process in namespaces of its own: %w", err)
	}
	return nil
}
