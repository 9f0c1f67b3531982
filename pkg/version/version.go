// Package version says which build this is: in --version, in logs at the start, and in /metrics.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// What the linker may set (-X github.com/sartor-vpa/sartor/pkg/version.number=v1.2.3). commit and date are set where
// there is no repository to ask, as in an image's build; else the compiler has noted them.
var number, commit, date string

// Info is one build.
type Info struct {
	// Version is the release, such as v1.2.3, or "devel".
	Version string
	// Commit is the revision of the source, "-dirty" after it if files had been changed; "unknown" if nobody noted it.
	Commit string
	// Date is the commit's time and not the clock's (RFC 3339, UTC), so that the same source gives the same program;
	// "unknown" if nobody noted it.
	Date string
	// Go is the compiler, such as go1.26.8.
	Go string
}

// Get returns the build that runs.
func Get() Info {
	var settings []debug.BuildSetting
	if build, ok := debug.ReadBuildInfo(); ok {
		settings = build.Settings
	}
	return of(Info{Version: number, Commit: commit, Date: date, Go: runtime.Version()}, settings)
}

// of fills in what the linker left open from what the compiler noted.
func of(i Info, settings []debug.BuildSetting) Info {
	noted := map[string]string{}
	for _, s := range settings {
		noted[s.Key] = s.Value
	}
	if i.Commit == "" {
		i.Commit = noted["vcs.revision"]
		if i.Commit != "" && noted["vcs.modified"] == "true" {
			i.Commit += "-dirty"
		}
	}
	if i.Date == "" {
		i.Date = noted["vcs.time"]
	}
	if at, err := time.Parse(time.RFC3339, i.Date); err == nil {
		i.Date = at.UTC().Format(time.RFC3339)
	}
	for field, other := range map[*string]string{&i.Version: "devel", &i.Commit: "unknown", &i.Date: "unknown"} {
		if *field == "" {
			*field = other
		}
	}
	return i
}

// String is the build in one line: "v1.2.3, commit 0123abcd of 2026-11-22T07:00:00Z, go1.26.8 linux/amd64".
func (i Info) String() string {
	return fmt.Sprintf("%s, commit %s of %s, %s %s/%s", i.Version, i.Commit, i.Date, i.Go, runtime.GOOS, runtime.GOARCH)
}

// Metric is sartor_build_info: 1, with the build in its labels.
func Metric() prometheus.Collector {
	i := Get()
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "sartor_build_info", Help: "1, with the version, commit and compiler of the program in labels.",
		ConstLabels: prometheus.Labels{"version": i.Version, "commit": i.Commit, "go": i.Go},
	})
	gauge.Set(1)
	return gauge
}
