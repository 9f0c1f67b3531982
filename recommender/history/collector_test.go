package history

import (
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
)

func TestWhatIsMissingIsShownByNamespaceAndDay(t *testing.T) {
	l := NewLoader(nil, Options{Concurrency: 1, Aggregate: aggregate.DefaultOptions()}, time.Now, logr.Discard())
	for _, name := range []string{"shop", "soap"} {
		l.Want(types.NamespacedName{Namespace: "s", Name: name}, window(name, 24*time.Hour))
	}
	w := window("shop", 24*time.Hour)
	w.Known = Interval{w.From, begin.Add(-time.Hour)}
	l.Want(vpa("shop"), w)
	require.NoError(t, testutil.CollectAndCompare(l.Collector(), strings.NewReader(`
# HELP vpa_recommender_history_missing_vpas VPAs that want the history of a namespace on a day (UTC) which is not read yet.
# TYPE vpa_recommender_history_missing_vpas gauge
vpa_recommender_history_missing_vpas{day="2026-02-28",namespace="s"} 1
vpa_recommender_history_missing_vpas{day="2026-03-01",namespace="s"} 2
`)))
}
