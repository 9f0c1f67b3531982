package server

import (
	"context"
	"fmt"
	"net/url"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/sartor-vpa/sartor/recommender/history"
	"github.com/sartor-vpa/sartor/recommender/history/owners"
)

// Owners asks kube-state-metrics' series who owned the pods of namespaces during span.
func (s *Server) Owners(ctx context.Context, namespaces []string, span history.Interval) (known *owners.Links, err error) {
	defer s.veil.cover(&err)
	v := s.seen.Load()
	if v.namespaces == "" {
		return nil, nil
	}
	defer func() { s.count(apiSeries, err) }()
	parameters, err := s.ownersRequest(v.namespaces, namespaces, span)
	if err != nil {
		return nil, err
	}
	response, err := s.form(ctx, pathSeries, parameters)
	if err != nil {
		return nil, fmt.Errorf("asking for the owners of pods: %w", err)
	}
	defer response.Body.Close()
	known, err = decodeLinks(response.Body)
	if err != nil {
		return nil, fmt.Errorf("the owners of pods, as %s tells: %w", s.name, err)
	}
	return known, nil
}

func (s *Server) ownersRequest(label string, namespaces []string, span history.Interval) (url.Values, error) {
	in, err := oneOf(label, namespaces)
	if err != nil {
		return nil, err
	}
	parameters := s.whole()
	parameters.Set("start", seconds(span.From))
	parameters.Set("end", seconds(span.To))
	for _, metric := range []string{"kube_pod_owner", "kube_replicaset_owner", "kube_job_owner"} {
		matchers := append([]*labels.Matcher{equal(model.MetricNameLabel, metric), in}, s.options.filters()...)
		parameters.Add("match[]", selector(matchers))
	}
	return parameters, nil
}
