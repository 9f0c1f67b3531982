package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheReportComparesWhatWasRunAndNothingElse(t *testing.T) {
	side := func(factor time.Duration) *measured {
		first := loop{wall: 10 * factor * time.Second, cpu: 5 * factor * time.Second, statuses: 100, snapshots: 200}
		later := loop{wall: 2 * factor * time.Second, cpu: factor * time.Second, statuses: 1, snapshots: float64(10 * factor)}
		return &measured{loops: []loop{first, later, later}, peak: int64(factor) * 1e8}
	}
	var out strings.Builder
	report(&out, side(1), side(4))
	require.Regexp(t, `loop-cpu +1\.00 s +4\.00 s +0\.250`, out.String())
	require.Regexp(t, `loop-checkpoints +10 writes +40 writes +- `, out.String())
	_, ratios, _ := strings.Cut(out.String(), "\n\n")
	require.Equal(t, "RATIO start-cpu 0.25\nRATIO loop-time 0.25\nRATIO loop-cpu 0.25\nRATIO api-writes 0.8429\nRATIO rss 0.25\n", ratios)
	for _, one := range [][2]*measured{{side(1), nil}, {nil, side(4)}} {
		out.Reset()
		report(&out, one[0], one[1])
		require.NotContains(t, out.String(), "RATIO")
		require.Contains(t, out.String(), "loop-cpu")
	}
}
