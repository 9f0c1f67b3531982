package server

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/prometheus/common/model"

	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/history"
)

const (
	pathRange = "api/v1/query_range"
	// unknownInterval is assumed to be between two scrapes where that is not known: Prometheus' default.
	unknownInterval = time.Minute
	// windowUnit is what the window of a rate is rounded up to.
	windowUnit = 30 * time.Second
)

// readRange reads by two range queries, where a server has no streamed remote read. It costs the server more, and its
// resolution is the step's.
func (s *Server) readRange(ctx context.Context, q history.Query, each func(history.Usage)) (history.Report, error) {
	shard := newShard(q, &s.options)
	defer shard.free()
	for _, resource := range usage.Resources {
		if err := s.readMatrix(ctx, shard, resource); err != nil {
			return history.Report{}, fmt.Errorf("querying %s of %s: %w", resource, s.name, err)
		}
	}
	shard.hand(each)
	return shard.report(s.options.Resolution), nil
}

func (s *Server) readMatrix(ctx context.Context, shard *shard, resource usage.Resource) error {
	parameters, err := s.rangeParameters(resource, shard.query)
	if err != nil {
		return err
	}
	response, err := s.form(ctx, pathRange, parameters)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return shard.matrix(response.Body, resource, s.options.Resolution, s.options.Labels)
}

// rangeParameters ask for the value of each step, at its end. Steps are counted from 1970, so that a day has the same ones
// for whoever asks, servers that align or cache them too. The first may begin before the interval, and the last end after
// it; what they say of other minutes is cut off.
func (s *Server) rangeParameters(resource usage.Resource, q history.Query) (url.Values, error) {
	expression, err := s.expression(resource, q)
	if err != nil {
		return nil, err
	}
	step := s.options.Resolution
	shift := time.Duration(0)
	if resource == usage.CPU {
		shift = shiftOf(q.To, step)
	}
	first := q.From.Add(-shift).Truncate(step).Add(shift + step)
	last := q.To.Add(-shift).Add(step - 1).Truncate(step).Add(shift)
	parameters := s.whole()
	parameters.Set("query", expression)
	parameters.Set("start", seconds(first))
	parameters.Set("end", seconds(last))
	parameters.Set("step", model.Duration(step).String())
	return parameters, nil
}

// shiftOf is by how many whole minutes the steps of an interval are later than multiples of the step. Each day has another,
// because work that is done every five minutes by the clock would else be seen always, or never. An interval that does not
// end with a day ends with a step: what comes after it may not have happened yet.
func shiftOf(end time.Time, step time.Duration) time.Duration {
	const prime = 7 // it divides no number of minutes that divides a day, so that all shifts take their turn
	const perDay = 24 * 60
	minutes := end.Unix() / 60
	if minutes%perDay == 0 {
		minutes = minutes / perDay * prime
	}
	return time.Duration(minutes%int64(step/time.Minute)) * time.Minute
}

// expression is a query for each container's average use of CPU until an instant, or its largest use of memory over a step.
// Several series of one container (two servers scrape the same node) are one: the largest.
//
// CPU is averaged over a minute or two, as live metrics are, and stands for its step: averages over five minutes would level
// bursts, and percentiles are of what is used at a time. Where there is a scrape a minute, two of them make the average.
func (s *Server) expression(resource usage.Resource, q history.Query) (string, error) {
	matchers, err := s.options.matchers(resource, q.Namespaces, q.Pods)
	if err != nil {
		return "", err
	}
	over, window := "max_over_time", s.options.Resolution
	if resource == usage.CPU {
		over, window = "rate", s.rateWindow()
		if s.scrapeInterval() >= sparse {
			over = "irate"
		}
	}
	by := names(s.options.Labels.Namespace, s.options.Labels.Pod, s.options.Labels.Container)
	return fmt.Sprintf("max by (%s) (%s(%s[%s]))", by, over, selector(matchers), model.Duration(window)), nil
}

// rateWindow is over which time a rate is taken: time enough for two scrapes, though one may be late.
func (s *Server) rateWindow() time.Duration {
	interval := s.scrapeInterval()
	if interval <= 0 {
		return max(s.options.Resolution, unknownInterval*5/2)
	}
	return (interval*5/2 + windowUnit - 1).Truncate(windowUnit)
}
