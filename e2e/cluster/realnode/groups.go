package realnode

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sartor-vpa/sartor/e2e/cluster/cache"
	"github.com/sartor-vpa/sartor/e2e/cluster/poll"
)

// hierarchy is one of cgroup v1's that is mounted.
type hierarchy struct {
	mount       string   // where, as /sys/fs/cgroup/memory
	controllers []string // such as memory; of a named hierarchy name=systemd
}

// hierarchies are all of this machine's. Named ones count: containerd looks for every hierarchy that /proc/self/cgroup
// tells, and where one lacks it does not learn of a container that was killed for want of memory.
func hierarchies() ([]hierarchy, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("read mounts: %w", err)
	}
	return parseMounts(string(text)), nil
}

// parseMounts reads mountinfo's lines:
//
//	36 35 0:29 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
//	ID ..      root mount point        options       type   source super block's options
func parseMounts(text string) []hierarchy {
	var all []hierarchy
	for line := range strings.Lines(text) {
		mount, super, ok := strings.Cut(strings.TrimSpace(line), " - ")
		left, right := strings.Fields(mount), strings.Fields(super)
		if !ok || len(left) < 5 || len(right) < 3 || right[0] != "cgroup" {
			continue
		}
		h := hierarchy{mount: left[4]}
		for option := range strings.SplitSeq(right[2], ",") {
			known := slices.Contains(controllers, option) || slices.Contains([]string{"blkio", "hugetlb", "net_cls", "net_prio", "perf_event"}, option)
			if known || strings.HasPrefix(option, "name=") {
				h.controllers = append(h.controllers, option)
			}
		}
		all = append(all, h)
	}
	return all
}

// groups are a child group in each hierarchy, which are the roots of what runs inside.
type groups struct {
	name string // of each, such as sartor-9f21-0
	lock *cache.Lock
}

// newGroups makes groups under a name that nobody uses, and removes what somebody left who did and was killed.
func newGroups(ctx context.Context) (*groups, error) {
	const most = 16
	dir, err := cache.Sub("groups")
	if err != nil {
		return nil, err
	}
	owner := fnv.New32a() // another cache has other locks
	owner.Write([]byte(dir))
	for i := range most {
		lock, free, err := cache.TryLock(filepath.Join(dir, strconv.Itoa(i)))
		if err != nil {
			return nil, err
		}
		if !free {
			continue
		}
		g := &groups{name: fmt.Sprintf("sartor-%04x-%d", owner.Sum32()&0xffff, i), lock: lock}
		if err := g.clear(ctx); err != nil {
			lock.Free()
			return nil, err
		}
		if err := g.create(); err != nil {
			return nil, errors.Join(err, g.remove(ctx))
		}
		return g, nil
	}
	return nil, fmt.Errorf("%d nodes run already (see %s): stop some", most, dir)
}

func (g *groups) create() error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	for _, h := range all {
		group := filepath.Join(h.mount, g.name)
		if err := os.Mkdir(group, 0o755); err != nil {
			return fmt.Errorf("make cgroup: %w", err)
		}
		if !slices.Contains(h.controllers, "cpuset") {
			continue
		}
		// Without processors and memory nobody may join it.
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			text, err := os.ReadFile(filepath.Join(h.mount, file))
			if err != nil {
				return fmt.Errorf("make cgroup: %w", err)
			}
			if err := os.WriteFile(filepath.Join(group, file), text, 0o644); err != nil {
				return fmt.Errorf("make cgroup: %w", err)
			}
		}
	}
	return nil
}

// join puts this process into its groups, of that name.
func join(name string) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	for _, h := range all {
		if err := os.WriteFile(filepath.Join(h.mount, name, "cgroup.procs"), []byte("0"), 0o644); err != nil {
			return fmt.Errorf("join cgroup: %w", err)
		}
	}
	return nil
}

// remove removes the groups and gives their name up.
func (g *groups) remove(ctx context.Context) error {
	defer g.lock.Free()
	return g.clear(ctx)
}

// clear removes the groups with all below them, when what was in them has ended, as it is about to.
func (g *groups) clear(ctx context.Context) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	for _, h := range all {
		err := poll.Within(ctx, 10*time.Second, 50*time.Millisecond, func(context.Context) error {
			return removeGroup(filepath.Join(h.mount, g.name))
		})
		if err != nil {
			return fmt.Errorf("remove cgroup: %w", err)
		}
	}
	return nil
}

// removeGroup removes a group, and those below it first. Its files are no real ones, and go with it.
func removeGroup(path string) error {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if err := removeGroup(filepath.Join(path, e.Name())); err != nil {
			return err
		}
	}
	if err := unix.Rmdir(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
