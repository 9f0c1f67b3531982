package replay

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/estimate"
	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

var update = flag.Bool("update", false, "write golden files anew; read the diff before committing it")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "run go test -update, then read what it wrote")
	require.Equal(t, string(want), got)
}

const (
	aDay = 24 * time.Hour
	mebi = int64(1) << 20
)

// byDefault is the policy of no flag.
func byDefault(name string, change ...func(*Policy)) Policy {
	p := Policy{Name: name, Aggregate: aggregate.DefaultOptions(), Estimate: estimate.DefaultOptions(), Limits: policy.DefaultLimitPolicy()}
	for _, f := range change {
		f(&p)
	}
	return p
}

// percentileOf has targets stand on another percentile.
func percentileOf(p float64) func(*Policy) {
	return func(to *Policy) {
		for _, r := range usage.Resources {
			to.Estimate.Percentiles[r].Target = p
		}
	}
}

// flat is a container that uses the same all the time.
func flat(pod, container string, from time.Time, length time.Duration, cpu int32, memory int64) Track {
	t := Track{Pod: pod, Container: container, From: from}
	t.set(from, int(length/time.Minute), cpu, memory)
	return t
}

// played is the report of one policy, or several.
func played(t testing.TB, workloads []Workload, o Options, policies ...Policy) *Report {
	t.Helper()
	if o.RestartEvery == 0 {
		o.RestartEvery = aDay
	}
	require.NoError(t, o.Validate())
	r, err := Run(t.Context(), workloads, policies, o, nil)
	require.NoError(t, err)
	return r
}

// store reads the fixture: a shop whose memory leaks on the fifth day, its proxy, and a report every six hours.
func store(t testing.TB) []Workload {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", "store.csv"))
	require.NoError(t, err)
	defer file.Close()
	var read CSV
	require.NoError(t, read.Read("store.csv", file))
	workloads, err := read.Workloads()
	require.NoError(t, err)
	return workloads
}
