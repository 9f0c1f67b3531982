// Package podmetrics reads what containers use now from metrics.k8s.io.
package podmetrics

import (
	"context"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metricsclient "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// Source reads the metrics API. It holds nothing between two calls, so that calls may overlap.
type Source struct {
	client    metricsclient.MetricsV1beta1Interface
	namespace string
}

// Option changes what a Source reads.
type Option func(*Source)

// InNamespace restricts a Source to one namespace; the empty name means all.
func InNamespace(name string) Option { return func(s *Source) { s.namespace = name } }

// New returns a Source that asks through client, for all namespaces unless an option says otherwise.
func New(client metricsclient.MetricsV1beta1Interface, options ...Option) *Source {
	s := &Source{client: client}
	for _, option := range options {
		option(s)
	}
	return s
}

// Round tells what one answer of the API held.
type Round struct {
	// Pods is how many pods the answer held, with or without usable values.
	Pods int
	// Newest is the latest time of a sample that was passed on; zero if there was none.
	Newest time.Time
	// Dropped counts the values that were not passed on. One value is one resource of one container.
	Dropped map[Reason]int
}

// Each calls f for every sample that the API has now, while the answer is being read: nothing of it is
// held. It serves only the last measurement, so that the same sample may come again. What f was called with is valid
// though the answer then breaks off, which is an error. Times are in UTC.
func (s *Source) Each(ctx context.Context, f func(usage.Sample)) (Round, error) {
	// JSON is asked for whatever the client prefers: it is what can be read as it comes.
	body, err := s.client.RESTClient().Get().
		NamespaceIfScoped(s.namespace, s.namespace != metav1.NamespaceAll).Resource("pods").
		SetHeader("Accept", "application/json").
		Stream(ctx)
	if err != nil {
		return Round{}, fmt.Errorf("listing pods of metrics.k8s.io (is metrics-server running?): %w", line{err})
	}
	defer body.Close()
	round, err := decode(body, f)
	if err != nil {
		return round, fmt.Errorf("reading pods of metrics.k8s.io, after %d: %w", round.Pods, line{err})
	}
	return round, nil
}

// maxLine bounds the part of an error that the server wrote, in bytes.
const maxLine = 512

// line is an error that is told in one line: it ends up in the log, and in a condition.
type line struct{ error }

func (l line) Error() string {
	text := strings.Join(strings.Fields(l.error.Error()), " ")
	if len(text) > maxLine {
		text = strings.ToValidUTF8(text[:maxLine], "") + "..."
	}
	return text
}

func (l line) Unwrap() error { return l.error }
