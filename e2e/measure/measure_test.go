package measure

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const text = `# TYPE apiserver_request_total counter
apiserver_request_total{code="200",resource="pods",verb="PATCH"} 3
apiserver_request_total{code="409",resource="pods",verb="PATCH"} 1
apiserver_request_total{code="200",resource="nodes",verb="PATCH"} 7
# TYPE latency_seconds histogram
latency_seconds_bucket{step="total",le="1"} 1
latency_seconds_bucket{step="total",le="+Inf"} 2
latency_seconds_sum{step="total"} 3.5
latency_seconds_count{step="total"} 2
latency_seconds_bucket{step="part",le="+Inf"} 9
latency_seconds_sum{step="part"} 1
latency_seconds_count{step="part"} 9
`

func TestSeriesAreSummedThatHaveAllLabels(t *testing.T) {
	m, err := Parse(strings.NewReader(text))
	require.NoError(t, err)
	require.Equal(t, 4.0, m.Value("apiserver_request_total", Labels{"resource": "pods", "verb": "PATCH"}))
	require.Equal(t, 11.0, m.Value("apiserver_request_total", nil))
	require.Zero(t, m.Value("apiserver_request_total", Labels{"resource": "pods", "verb": "GET"}))
	require.Zero(t, m.Value("unknown", nil))
	count, sum := m.Observed("latency_seconds", Labels{"step": "total"})
	require.EqualValues(t, 2, count)
	require.Equal(t, 3.5, sum)
}

func TestTheProcessIsReadThoughItsNameIsOdd(t *testing.T) {
	stat := "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 9 9 20 0 1 0 5"
	p, err := parse(stat, "Name:\ta\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n")
	require.NoError(t, err)
	require.Equal(t, Process{CPU: 2 * time.Second, RSS: 1 << 20, Peak: 2 << 20}, p)
	_, err = parse(stat, "Name:\ta\nState:\tZ (zombie)\n")
	require.ErrorContains(t, err, "it has ended")
	_, err = parse("7 (a) S 1", "")
	require.ErrorContains(t, err, "stat has 2 fields")
}

func TestThisProcessHasMemory(t *testing.T) {
	p, err := Read(os.Getpid())
	require.NoError(t, err)
	require.Greater(t, p.RSS, int64(1<<20))
	require.GreaterOrEqual(t, p.Peak, p.RSS)
}
