package decision

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheTraceReadsAsASentence(t *testing.T) {
	c := Container{
		Name:   "shop",
		Origin: Span(8) + " of Prometheus history and live metrics",
		Values: []Value{
			{Resource: "cpu", Target: "587m", Basis: Basis(0.9, 0.15, ""), Limit: "2"},
			{Resource: "memory", Target: "1Gi", Basis: Basis(0.9, 0.15, "daily peaks"), Bounds: []string{"capped by maxAllowed 1Gi"}, Limit: "2Gi"},
		},
	}
	require.Equal(t, "shop: cpu 587m (p90 + 15%, limit 2), memory 1Gi (p90 of daily peaks + 15%, capped by maxAllowed 1Gi, limit 2Gi), "+
		"from 8 days of Prometheus history and live metrics.", c.String())
}

func TestBasisNamesWhatIsThere(t *testing.T) {
	require.Equal(t, "p99.5", Basis(0.995, 0, ""))
	require.Equal(t, "p50 of peaks + 7.5%", Basis(0.5, 0.075, "peaks"))
}

func TestSpansAreWholeDays(t *testing.T) {
	require.Equal(t, []string{"less than a day", "1 day", "8 days"}, []string{Span(0), Span(1), Span(8)})
}
