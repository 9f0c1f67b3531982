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
	first := q.From.Truncate(step).Add(step)
	last := q.To.Add(step - 1).Truncate(step)
	parameters := s.whole()
	parameters.Set("query", expression)
	parameters.Set("start", seconds(first))
	parameters.Set("end", seconds(last))
	parameters.Set("step", model.Duration(step).String())
	return parameters, nil
}

// expression is a query for each container's average use of CPU, or its largest use of memory, over the time until an
// instant. Several series of one container (two servers scrape the same node) are one: the largest.
func (s *Server) expression(resource usage.Resource, q history.Query) (string, error) {
	matchers, err := s.options.matchers(resource, q.Namespaces, q.Pods)
	if err != nil {
		return "", err
	}
	over, window := "max_over_time", s.options.Resolution
	if resource == usage.CPU {
		over, window = "rate", s.rateWindow()
	}
	by := names(s.options.Labels.Namespace, s.options.Labels.Pod, s.options.Labels.Container)
	return fmt.Sprintf("max by (%s) (%s(%s[%s]))", by, over, selector(matchers), model.Duration(window)), nil
}

// rateWindow is over which time a rate is taken: a step, and time enough for two scrapes, though one may be late.
func (s *Server) rateWindow() time.Duration {
	interval := s.scrapeInterval()
	if interval <= 0 {
		interval = unknownInterval
	}
	enough := interval * 5 / 2
	return max(s.options.Resolution, (enough + windowUnit - 1).Truncate(windowUnit))
}
