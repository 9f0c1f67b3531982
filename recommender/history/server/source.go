package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/sartor-vpa/sartor/recommender/history"
)

var _ history.Source = (*Server)(nil)

// Read reads by remote read if the server has it. If it has it no more, query_range takes its place from then on.
func (s *Server) Read(ctx context.Context, q history.Query, each func(history.Usage)) (report history.Report, err error) {
	defer s.veil.cover(&err)
	if v := s.seen.Load(); v.streams {
		report, err = s.readRemote(ctx, q, each)
		s.read(apiRead, report, err)
		if !errors.Is(err, errNoRemoteRead) {
			return report, err
		}
		if v.hidden {
			return report, fmt.Errorf("queries do not find what the filters mean: %w", err)
		}
		next := *v
		next.streams = false
		if s.seen.CompareAndSwap(v, &next) {
			s.metrics.remoteRead.Set(0)
			s.log.Info("History is read by query_range from now on", "server", s.name, "reason", s.veil.over(err.Error()))
		}
	}
	report, err = s.readRange(ctx, q, each)
	s.read(apiRange, report, err)
	return report, err
}
