package node

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/history"
	"github.com/sartor-vpa/sartor/e2e/story"
)

// recorded are days of the shop's, up to now, in this environment and in another one, which used ten times as much.
func recorded() history.Recording {
	const mib = 1 << 20
	shop := history.Workload{
		Namespace: story.Namespace, Name: story.Stable, Kind: history.Deployment, Replicas: 1, Rollout: 24 * time.Hour,
		Containers: []history.Container{
			{Name: story.Stable, CPU: history.Steady(0.24, 0.05), Memory: history.Steady(500*mib, 0.05)},
			{Name: story.Sidecar, CPU: history.Steady(0.005, 0.1), Memory: history.Steady(20*mib, 0.05)},
		},
	}
	return history.Recording{
		End: time.Now(), Span: 3 * 24 * time.Hour,
		Workloads: []history.Workload{shop.In(story.Environment, 1), shop.In("dev", 10)},
	}
}

// stored is one series in Prometheus, as it was scraped.
type stored struct {
	Metric map[string]string
	Values []reading
}

// reading is one of its samples.
type reading struct {
	at    time.Time
	value float64
}

// UnmarshalJSON reads [seconds since 1970, "value"].
func (r *reading) UnmarshalJSON(text []byte) error {
	var seconds float64
	var value string
	if err := json.Unmarshal(text, &[]any{&seconds, &value}); err != nil {
		return err
	}
	r.at = time.UnixMilli(int64(seconds * 1000))
	var err error
	r.value, err = strconv.ParseFloat(value, 64)
	return err
}

// scraped are the series that the selector matches, with all samples of the hour before that time.
func (s *scene) scraped(ctx context.Context, selector string, until time.Time) ([]stored, error) {
	query := url.Values{"query": {selector + "[1h]"}, "time": {until.UTC().Format(time.RFC3339)}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.cluster.PrometheusURL()+"/api/v1/query?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var answer struct {
		Error string
		Data  struct{ Result []stored }
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, err
	}
	if answer.Error != "" {
		return nil, fmt.Errorf("prometheus: %s", answer.Error)
	}
	return answer.Data.Result, nil
}

// usage selects what an app's containers used, by a metric of the real node's cAdvisor.
func (s *scene) usage(metric, app string) string {
	return fmt.Sprintf(`%s{env=%q,job=%q,namespace=%q,pod=~"%s-[a-z0-9]{6,10}-[a-z0-9]{5}",container!=""}`,
		metric, story.Environment, cluster.KubeletJob, s.namespace, app)
}

// minutes is for how many minutes cAdvisor told of an app's containers until then, each container's counted by itself: a minute
// of which any run of the container shows a third.
func (s *scene) minutes(ctx context.Context, app string, until time.Time) (int, error) {
	// What is scraped after that tells of the time before it.
	series, err := s.scraped(ctx, s.usage("container_cpu_usage_seconds_total", app), time.Now())
	if err != nil {
		return 0, err
	}
	known := map[minute]bool{}
	for _, one := range series {
		for _, at := range shown(one.Values) {
			if at.Before(until) {
				known[minute{one.Metric["pod"], one.Metric["container"], at}] = true
			}
		}
	}
	return len(known), nil
}

// minute is one of a container's.
type minute struct {
	pod, container string
	at             time.Time
}

// shown are the minutes of which readings, in the order of time, show a third.
func shown(run []reading) []time.Time {
	covered := map[time.Time]time.Duration{}
	for i := 1; i < len(run); i++ {
		for at, end := run[i-1].at, run[i].at; at.Before(end); {
			next := at.Truncate(time.Minute).Add(time.Minute)
			if next.After(end) {
				next = end
			}
			covered[at.Truncate(time.Minute)] += next.Sub(at)
			at = next
		}
	}
	maps.DeleteFunc(covered, func(_ time.Time, length time.Duration) bool { return length < 20*time.Second })
	return slices.Collect(maps.Keys(covered))
}

// recordedMinutes is for how many minutes it was recorded what the shop used in this environment, each container's counted by
// itself. At the ends of each of its pods one may be too little to count, as it may be live.
func recordedMinutes(r history.Recording) int {
	runs := map[minute][]reading{}
	for sample := range r.Samples(r.Workloads[0]) {
		of := minute{pod: sample.Pod, container: sample.Container}
		runs[of] = append(runs[of], reading{sample.Time, sample.CPU})
	}
	n := 0
	for _, run := range runs {
		n += len(shown(run))
	}
	return n
}

// most is the largest memory of any of an app's containers that cAdvisor told of until then, in bytes.
func (s *scene) most(ctx context.Context, app string, until time.Time) (float64, error) {
	series, err := s.scraped(ctx, s.usage("container_memory_working_set_bytes", app), until)
	most := 0.0
	for _, one := range series {
		for _, r := range one.Values {
			most = max(most, r.value)
		}
	}
	return most, err
}
