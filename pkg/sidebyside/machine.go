package sidebyside

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Machine tells where was measured, and what else the machine had to do when this is asked.
func Machine() string {
	return fmt.Sprintf("%d processors (%s), %s/%s, %s, load average %s",
		runtime.NumCPU(), field("/proc/cpuinfo", "model name"), runtime.GOOS, runtime.GOARCH, runtime.Version(), Load())
}

// Load is the kernel's three averages of how many processes want a processor: of 1, 5 and 15 minutes.
func Load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return unknown
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}

const unknown = "unknown"

// field is the first value of that name in a file of lines like "name : value".
func field(path, name string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return unknown
	}
	for line := range strings.Lines(string(text)) {
		if before, after, found := strings.Cut(line, ":"); found && strings.TrimSpace(before) == name {
			return strings.TrimSpace(after)
		}
	}
	return unknown
}
