package measure

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of /proc/PID/stat, which Linux fixed for all architectures that Go knows.
const clockTick = time.Second / 100

// Process is what the kernel knows of a running process.
type Process struct {
	CPU  time.Duration // user and system time since its start
	RSS  int64         // bytes resident now
	Peak int64         // most bytes that ever were
}

// Read asks the kernel for the process with that id.
func Read(pid int) (Process, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Process{}, fmt.Errorf("measure process: %w", err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Process{}, fmt.Errorf("measure process: %w", err)
	}
	return parse(string(stat), string(status))
}

// parse reads stat and status as the manual page proc(5) describes them.
func parse(stat, status string) (Process, error) {
	// The second field is the program's name in parentheses, which may hold blanks and parentheses itself.
	fields := strings.Fields(stat[strings.LastIndex(stat, ")")+1:])
	const state, userTime, systemTime = 3, 14, 15 // numbered as in the manual
	if len(fields) <= systemTime-state {
		return Process{}, fmt.Errorf("measure process: stat has %d fields after its name: %q", len(fields), stat)
	}
	var p Process
	for _, n := range []int{userTime, systemTime} {
		ticks, err := strconv.ParseInt(fields[n-state], 10, 64)
		if err != nil {
			return Process{}, fmt.Errorf("measure process: field %d of stat: %w", n, err)
		}
		p.CPU += time.Duration(ticks) * clockTick
	}
	for name, into := range map[string]*int64{"VmRSS": &p.RSS, "VmHWM": &p.Peak} {
		_, rest, ok := strings.Cut(status, "\n"+name+":")
		if !ok {
			return Process{}, fmt.Errorf("measure process: its status has no %s: it has ended", name)
		}
		var kilobytes int64
		if _, err := fmt.Sscanf(rest, "%d kB", &kilobytes); err != nil {
			return Process{}, fmt.Errorf("measure process: %s: %w", name, err)
		}
		*into = kilobytes << 10
	}
	return p, nil
}
