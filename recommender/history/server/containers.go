package server

import (
	"context"
	"fmt"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// Containers is how many containers run now, by namespace; nil where that cannot be known: where the filters match in remote
// read alone, or they are more than the server counts.
func (s *Server) Containers(ctx context.Context) (containers map[string]int, err error) {
	defer s.veil.cover(&err)
	v := s.seen.Load()
	if v.hidden {
		return nil, nil
	}
	memory, err := s.options.matchers(usage.Memory, nil, "")
	if err != nil {
		return nil, err
	}
	of := s.options.Labels
	// Twice, because a container that two servers scrape is one.
	rows, err := s.query(ctx, fmt.Sprintf("count by (%s) (count by (%s) (%s))",
		names(of.Namespace), names(of.Namespace, of.Pod, of.Container), selector(memory)), s.now().Add(-v.ago))
	if isLimit(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("counting containers: %w", err)
	}
	containers = make(map[string]int, len(rows))
	for _, r := range rows {
		containers[r.labels[of.Namespace]] = int(min(max(r.value, 0), 1<<30))
	}
	return containers, nil
}
