package webhook

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sartor-vpa/sartor/pkg/policy"
)

// Decision is what became of one review, and the label that it is counted under.
type Decision string

// Decisions. All but Malformed and TooLarge allow the pod; only Patched changes resources.
const (
	// Patched: the pod got recommended resources.
	Patched Decision = "patched"
	// Unchanged: the pod was as decided already, as when the API server asks again.
	Unchanged Decision = "unchanged"
	// Skipped: there is a recommendation, and no resource of it could be used.
	Skipped Decision = "skipped"
	// NoRecommendation: the controlling VPA recommends nothing for this pod's containers.
	NoRecommendation Decision = "no_recommendation"
	// NoVPA: no VPA controls the pod's topmost controller, or only VPAs in mode Off.
	NoVPA Decision = "no_vpa"
	// NotSelected: the label selector of the pod's topmost controller, which a VPA controls, does not match it.
	NotSelected Decision = "not_selected"
	// NoController: a bare pod, or one whose owners no VPA can name.
	NoController Decision = "no_controller"
	// OptedOut: the pod says sartor.dev/inject: "false".
	OptedOut Decision = "opted_out"
	// NotAPodCreation: a review that the webhook's rules should not have sent.
	NotAPodCreation Decision = "not_a_pod_creation"
	// NotSynced: asked before the caches were filled.
	NotSynced Decision = "not_synced"
	// LookupFailed: the pod's owners could not be read.
	LookupFailed Decision = "lookup_failed"
	// DeadlineExceeded: the time that the API server gave was over.
	DeadlineExceeded Decision = "deadline_exceeded"
	// BadPod: the object of the review is no pod that can be read.
	BadPod Decision = "bad_pod"
	// Panicked: a defect of ours, see the log.
	Panicked Decision = "panic"
	// Malformed: not an AdmissionReview with a UID; answered with a 4xx.
	Malformed Decision = "malformed"
	// TooLarge: a review over 4 MiB; answered with 413.
	TooLarge Decision = "too_large"
)

// allDecisions are counted from the start, so that none is missing from a dashboard.
var allDecisions = [...]Decision{
	Patched, Unchanged, Skipped, NoRecommendation, NoVPA, NotSelected, NoController, OptedOut, NotAPodCreation,
	NotSynced, LookupFailed, DeadlineExceeded, BadPod, Panicked, Malformed, TooLarge,
}

// metrics are what the handler counts.
type metrics struct {
	decisions map[Decision]prometheus.Counter
	bounded   *prometheus.CounterVec
	duration  prometheus.Histogram
}

func newMetrics(registerer prometheus.Registerer) *metrics {
	decisions := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "sartor", Subsystem: "admission", Name: "decisions_total",
		Help: "Admission reviews by what became of them.",
	}, []string{"decision"})
	m := &metrics{
		decisions: map[Decision]prometheus.Counter{},
		bounded: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "sartor", Subsystem: "admission", Name: "bounded_total",
			Help: "Resources of containers that did not get what was recommended, by reason: capped, or skipped and so left as declared.",
		}, []string{"resource", "outcome", "reason"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "sartor", Subsystem: "admission", Name: "duration_seconds",
			Help:    "Time from the first byte read of an admission review to its answer.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}),
	}
	for _, d := range allDecisions {
		m.decisions[d] = decisions.WithLabelValues(string(d))
	}
	registerer.MustRegister(decisions, m.bounded, m.duration)
	return m
}

func (m *metrics) observe(d Decision, took time.Duration) {
	m.decisions[d].Inc()
	m.duration.Observe(took.Seconds())
}

// count counts the steps of which people are told.
func (m *metrics) count(steps []policy.Step) {
	for i := range steps {
		if s := &steps[i]; s.Warns() {
			outcome := "capped"
			if s.Skipped {
				outcome = "skipped"
			}
			m.bounded.WithLabelValues(s.Resource.String(), outcome, s.Reason.String()).Inc()
		}
	}
}
