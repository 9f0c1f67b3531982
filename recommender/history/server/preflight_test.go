package server

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHistoryIsLookedForWhereItEnded(t *testing.T) {
	for name, tc := range map[string]struct {
		ended, want time.Duration
	}{
		"now":                {0, 0},
		"a little ago":       {50 * time.Minute, time.Hour},
		"yesterday":          {20 * time.Hour, 24 * time.Hour},
		"six days ago":       {6 * 24 * time.Hour, 7 * 24 * time.Hour},
		"our clock is ahead": {7 * time.Minute, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			to := noon.Add(-tc.ended)
			s := prepared(t, &standIn{series: running(to.Add(-48*time.Hour), to, "store", "shop-0", "app")})
			require.Equal(t, tc.want, s.seen.Load().ago)
			require.True(t, s.streams.Load())
			require.Equal(t, 30*time.Second, s.scrapeInterval())
			containers, err := s.Containers(context.Background())
			require.NoError(t, err)
			require.Equal(t, map[string]int{"store": 1}, containers)
		})
	}
}

func day(more ...string) []stored {
	return running(noon.Add(-24*time.Hour), noon, "store", "shop-0", "app", more...)
}

func TestWhereThereIsNothingTheErrorSaysWhatThereIs(t *testing.T) {
	renamed := func(metric string, pairs ...string) stored {
		return recorded(noon.Add(-time.Hour), noon, func(time.Duration) float64 { return 1 }, append([]string{"__name__", metric}, pairs...)...)
	}
	for name, tc := range map[string]struct {
		series []stored
		change func(*Options)
		want   string
	}{
		"no such metric": {nil, filtering(""), `has no series of container_memory_working_set_bytes within 1w; check --history-memory-metric="container_memory_working_set_bytes" and --prometheus-address, and whether the kubelets' cAdvisor is scraped`},
		"another environment": {slices.Concat(day("env", "dev"), running(noon.Add(-time.Hour), noon, "a", "b", "c", "env", "it's \"x\"")), filtering("prod"),
			`has series of container_memory_working_set_bytes, but none that match {env="prod"}: env is "dev" or "it's \"x\""; check $K8S_ENVIRONMENT, --prometheus-env-label and --prometheus-matcher. A label that Prometheus adds to what leaves it (external_labels) is not on its own series in queries: leave out that filter, or ask the server that the series are sent to`},
		"no such label":  {day("env", "prod"), filtering("prod", `cluster=~"eu-.+"`), `none that match {env="prod",cluster=~"eu-.+"}: env is "prod", none has a label cluster; check`},
		"another job":    {day("job", "kubelet"), func(o *Options) { o.Job = "cadvisor" }, `none that match {job="cadvisor"}: job is "kubelet"; check`},
		"old names":      {[]stored{renamed("container_memory_working_set_bytes", "namespace", "store", "pod_name", "shop-0", "container_name", "app")}, filtering(""), `has series of container_memory_working_set_bytes, but none that says whose it is: they have pod_name, not pod; set --container-pod-name-label=pod_name; they have container_name, not container; set --container-name-label=container_name`},
		"strange names":  {[]stored{renamed("container_memory_working_set_bytes", "ns", "store", "pod", "shop-0", "container", "app")}, filtering(""), `none has a label namespace; set --container-namespace-label to the one they have`},
		"only pods":      {[]stored{renamed("container_memory_working_set_bytes", "namespace", "store", "pod", "shop-0"), renamed("container_memory_working_set_bytes", "container", "kubelet")}, filtering(""), `none of a container has all of the labels namespace,pod,container`},
		"no CPU":         {day()[1:], filtering(""), `has series of container_memory_working_set_bytes and none of container_cpu_usage_seconds_total; check --history-cpu-metric="container_cpu_usage_seconds_total", and whether the rules of the scrape drop it`},
		"CPU of another": {slices.Concat(day("env", "prod")[1:], day("env", "dev")), filtering("prod"), `none of container_cpu_usage_seconds_total`},
	} {
		t.Run(name, func(t *testing.T) {
			s := asking(t, &standIn{series: tc.series}, tc.change)
			require.ErrorContains(t, s.Prepare(context.Background()), tc.want)
		})
	}
}
