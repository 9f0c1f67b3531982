package realnode

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// initialize is process 1 of the namespaces: it furnishes them, starts the program inside, and returns its exit status.
func initialize() int {
	// A cgroup namespace is a thread's, and its children's.
	runtime.LockOSThread()
	if err := furnish(os.Getenv(groupVariable)); err != nil {
		fmt.Fprintf(os.Stderr, "furnish the node's namespaces: %v\n", err)
		return 1
	}
	status, err := reap()
	if err != nil {
		fmt.Fprintf(os.Stderr, "run inside of the node's namespaces: %v\n", err)
		return 1
	}
	return status
}

// furnish makes of fresh namespaces what a kubelet expects of a machine.
func furnish(group string) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	if err := join(group); err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("enter a cgroup namespace: %w", err)
	}
	if err := unix.Sethostname([]byte(Name)); err != nil {
		return fmt.Errorf("set host name: %w", err)
	}
	if err := mounts(all); err != nil {
		return err
	}
	return network()
}

// mounts gives the namespace file systems of its own where the machine's would show, or be written to.
func mounts(all []hierarchy) error {
	// Nothing of what follows may reach the machine's mounts.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Unmount("/sys", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("take the machine's /sys away: %w", err)
	}
	for _, m := range []struct{ kind, target string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"tmpfs", "/sys/fs/cgroup"}, {"tmpfs", "/run"}, {"tmpfs", "/var/log"},
	} {
		if err := unix.Mount(m.kind, m.target, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	for _, h := range all {
		if err := mountHierarchy(h); err != nil {
			return err
		}
	}
	return sysctls()
}

// mountHierarchy mounts one of the hierarchies, of which what is inside sees its own groups only.
func mountHierarchy(h hierarchy) error {
	target := filepath.Join("/sys/fs/cgroup", filepath.Base(h.mount))
	if err := os.Mkdir(target, 0o755); err != nil {
		return fmt.Errorf("mount cgroups: %w", err)
	}
	options := strings.Join(h.controllers, ",")
	if strings.HasPrefix(options, "name=") {
		options = "none," + options
	}
	if err := unix.Mount("cgroup", target, "cgroup", 0, options); err != nil {
		return fmt.Errorf("mount cgroup hierarchy %s: %w", options, err)
	}
	for _, c := range h.controllers {
		link := filepath.Join("/sys/fs/cgroup", strings.TrimPrefix(c, "name="))
		if err := os.Symlink(filepath.Base(target), link); err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("mount cgroups: %w", err)
		}
	}
	return nil
}

// sysctls shows the kubelet the values that it would else write; the kernel's own stay as they are.
func sysctls() error {
	for name, value := range map[string]string{"vm/overcommit_memory": "1", "kernel/panic": "10", "kernel/panic_on_oops": "1"} {
		shown := file("sysctl", name)
		if err := os.MkdirAll(filepath.Dir(shown), 0o755); err != nil {
			return fmt.Errorf("show sysctls: %w", err)
		}
		if err := os.WriteFile(shown, []byte(value+"\n"), 0o644); err != nil {
			return fmt.Errorf("show sysctls: %w", err)
		}
		if err := unix.Mount(shown, filepath.Join("/proc/sys", name), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("show sysctl %s: %w", name, err)
		}
	}
	return nil
}

// network gives the loopback interface all addresses that are the node's own.
func network() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("set up network: %w", err)
	}
	defer func() { _ = unix.Close(socket) }()
	set := func(device string, request uint, value func(*unix.Ifreq) error) error {
		r, err := unix.NewIfreq(device)
		if err == nil {
			err = value(r)
		}
		if err == nil {
			err = unix.IoctlIfreq(socket, request, r)
		}
		if err != nil {
			return fmt.Errorf("set up %s: %w", device, err)
		}
		return nil
	}
	up := func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_UP | unix.IFF_LOOPBACK | unix.IFF_RUNNING); return nil }
	if err := set("lo", unix.SIOCSIFFLAGS, up); err != nil {
		return err
	}
	for i, address := range []string{Address, APIService} {
		alias := fmt.Sprintf("lo:%d", i+1)
		four := netip.MustParseAddr(address).As4()
		if err := set(alias, unix.SIOCSIFADDR, func(r *unix.Ifreq) error { return r.SetInet4Addr(four[:]) }); err != nil {
			return err
		}
		// Of this address only: by its class it would be all of 10.0.0.0/8.
		if err := set(alias, unix.SIOCSIFNETMASK, func(r *unix.Ifreq) error { return r.SetInet4Addr([]byte{255, 255, 255, 255}) }); err != nil {
			return err
		}
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return fmt.Errorf("set up network: %w", err)
	}
	return nil
}

// reap starts this program inside and collects every process that ends until that one has.
func reap() (status int, err error) {
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, stageVariable+"=") })
	dir, err := os.Getwd()
	if err != nil {
		return 0, err
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	child, err := syscall.ForkExec(self, os.Args, &syscall.ProcAttr{
		Dir: dir, Env: append(env, stageVariable+"="+stageInside), Files: []uintptr{0, 1, 2},
	})
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", self, err)
	}
	for {
		var how syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &how, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 0, fmt.Errorf("wait for %s: %w", self, err)
		case pid == child && how.Exited():
			return how.ExitStatus(), nil
		case pid == child:
			return 0, fmt.Errorf("%s was ended by a signal: %s", self, how.Signal())
		}
	}
}
