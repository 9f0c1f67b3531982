package scenarios

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/cluster/poll"
	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/measure"
)

// eventually waits for what a working cluster reaches within a minute or so, and three on a busy machine.
func eventually(t *testing.T, what string, try func(context.Context) error) {
	t.Helper()
	require.NoError(t, poll.Within(t.Context(), 3*time.Minute, 250*time.Millisecond, try), what)
}

// afterLoops waits until the program, a recommender or an updater of upstream's or ours, has gone round n more times.
func afterLoops(t *testing.T, p *install.Program, n uint64) {
	t.Helper()
	target := uint64(0)
	eventually(t, fmt.Sprintf("%d more loops of %s", n, p.Name()), func(ctx context.Context) error {
		select {
		case <-p.Done():
			return poll.Give(p.Died())
		default:
		}
		metrics, err := measure.Scrape(ctx, p.URL+"/metrics")
		if err != nil {
			return err
		}
		loops := uint64(0)
		for _, program := range []string{"recommender", "updater"} {
			count, _ := metrics.Observed("vpa_"+program+"_execution_latency_seconds", measure.Labels{"step": "total"})
			loops += count
		}
		if target == 0 {
			target = loops + n
		}
		if loops < target {
			return fmt.Errorf("%d of %d", loops, target)
		}
		return nil
	})
}
