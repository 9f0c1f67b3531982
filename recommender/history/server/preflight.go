package server

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/history"
)

// lookBack is how long ago series of ours are looked for, one after the other: history is wanted, too, if a server has
// received nothing for a while, or its clock is behind ours.
var lookBack = [...]time.Duration{0, time.Hour, 6 * time.Hour, 24 * time.Hour, 3 * 24 * time.Hour, 7 * 24 * time.Hour}

// view is what was found of a server.
type view struct {
	// ago is how long before now the server has series of ours.
	ago time.Duration
	// streams: history is read by streamed remote read.
	streams bool
	// hidden: the filters match in remote read alone, because Prometheus adds the label only to what leaves it.
	hidden bool
	// namespaces is kube-state-metrics' label of the namespace that it tells of; empty: the server has no such series.
	namespaces string
}

// Prepare finds out what the server offers, and whether it has any series under the filters.
func (s *Server) Prepare(ctx context.Context) (err error) {
	defer s.veil.cover(&err)
	v, err := s.look(ctx)
	if err != nil {
		return fmt.Errorf("looking for history: %w", err)
	}
	if !v.hidden {
		s.lookAround(ctx, &v)
	}
	s.seen.Store(&v)
	s.metrics.remoteRead.Set(map[bool]float64{true: 1}[v.streams])
	s.say("found", "History is there", "server", s.name, "filters", texts(s.options.filters()), "endedAgo", v.ago,
		"remoteRead", v.streams, "kubeStateMetrics", v.namespaces != "")
	return nil
}

// look finds the newest series of ours, and chooses how to read them.
func (s *Server) look(ctx context.Context) (view, error) {
	now := s.now()
	memory, err := s.options.matchers(usage.Memory, nil, "")
	if err != nil {
		return view{}, err
	}
	ago, count, err := s.newest(ctx, now, memory)
	if err != nil {
		return view{}, err
	}
	if count == 0 {
		return s.lookBehind(ctx, now)
	}
	at := now.Add(-ago)
	s.metrics.series.WithLabelValues(usage.Memory.String()).Set(count)
	if err := s.lookAtCPU(ctx, at, &s.options); err != nil {
		return view{}, err
	}
	streams, err := s.tryRemoteRead(ctx, at)
	return view{ago: ago, streams: streams}, err
}

// lookAtCPU makes sure that there is CPU usage, too.
func (s *Server) lookAtCPU(ctx context.Context, at time.Time, o *Options) error {
	cpu, err := o.matchers(usage.CPU, nil, "")
	if err != nil {
		return err
	}
	count, err := s.howMany(ctx, cpu, at)
	if err != nil {
		return err
	}
	s.metrics.series.WithLabelValues(usage.CPU.String()).Set(count)
	if count == 0 {
		return fmt.Errorf("%s has series of %s and none of %s; check --history-cpu-metric=%q, and whether the rules of the scrape drop it",
			s.name, s.options.MemoryMetric, s.options.CPUMetric, s.options.CPUMetric)
	}
	return nil
}

// newest is how long ago there were series that match, and how many; none are 0.
func (s *Server) newest(ctx context.Context, now time.Time, matchers []*labels.Matcher) (ago time.Duration, count float64, err error) {
	for _, ago := range lookBack {
		count, err := s.howMany(ctx, matchers, now.Add(-ago))
		if err != nil || count > 0 {
			return ago, count, err
		}
	}
	return 0, 0, nil
}

// howMany is how many series match at a time. Where they are more than the server counts, they are infinitely many: history
// can be read, in parts.
func (s *Server) howMany(ctx context.Context, matchers []*labels.Matcher, at time.Time) (float64, error) {
	count, err := s.scalar(ctx, "count("+selector(matchers)+")", at)
	if isLimit(err) {
		return math.Inf(1), nil
	}
	return count, err
}

// isLimit reports whether the server could have given an answer if it were smaller, and said so.
func isLimit(err error) bool {
	return errors.Is(err, history.ErrTooLarge) && !errors.Is(err, errOurTimeout)
}

// aMoment is how long it may take to find out what is only good to know. Who wants history waits for it.
const aMoment = time.Minute

// lookAround finds out what is good to know. History can be read without it.
func (s *Server) lookAround(ctx context.Context, v *view) {
	ctx, cancel := context.WithTimeout(ctx, aMoment)
	defer cancel()
	at := s.now().Add(-v.ago)
	for _, one := range []struct {
		what string
		find func(context.Context, *view, time.Time) error
	}{
		{"kube-state-metrics", s.findOwners},
		{"the scrape interval", s.findInterval},
		{"others of the same names", s.findOthers},
	} {
		if err := one.find(ctx, v, at); err != nil {
			s.say(one.what, "Not all could be found out about history, which is read without it", "what", one.what, "reason", s.veil.over(err.Error()))
		}
	}
}

// findOwners looks for kube-state-metrics. Its namespace and pod are called exported_ where Prometheus wrote its own over them.
func (s *Server) findOwners(ctx context.Context, v *view, at time.Time) error {
	for _, label := range []string{"exported_namespace", "namespace"} {
		count, err := s.scalar(ctx, "count("+selector(append([]*labels.Matcher{equal(model.MetricNameLabel, "kube_pod_owner"), unequal(label, "")}, s.options.filters()...))+")", at)
		if err != nil {
			return err
		}
		if count > 0 {
			v.namespaces = label
			return nil
		}
	}
	return nil
}

// findInterval finds out the usual time between two values of a series, of those that are not new.
func (s *Server) findInterval(ctx context.Context, _ *view, at time.Time) error {
	const over = 10 * time.Minute
	memory, err := s.options.matchers(usage.Memory, nil, "")
	if err != nil {
		return err
	}
	usual, err := s.scalar(ctx, fmt.Sprintf("quantile(0.5,count_over_time(%s[10m]) and %s offset 10m)", selector(memory), selector(memory)), at)
	if err != nil {
		return err
	}
	if usual >= 1 && !math.IsInf(usual, 0) {
		s.interval.Store(int64((time.Duration(float64(over) / usual)).Round(time.Second)))
	}
	return nil
}
