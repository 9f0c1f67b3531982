// Package webhook answers the API server's reviews of new pods: it finds the VPA that controls a pod
// and patches what the pod asks for.
//
// It stands in the path of every pod creation, so it never rejects a pod and never fails one: what
// cannot be decided is allowed as it was declared, and counted by reason.
package webhook

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/target"
)

// Owners finds the topmost controller of a pod; target.Resolver does.
type Owners interface {
	Topmost(ctx context.Context, namespace string, owners []metav1.OwnerReference) (target.Controller, bool, error)
}

// VPAs knows the VPA that controls a workload's pods, nil for none; Index does.
type VPAs interface {
	Controlling(target.Controller) *Control
}

// LimitRanges knows what a namespace's LimitRanges allow; Ranges does.
type LimitRanges interface {
	Of(namespace string) *policy.Ranges
}

// ResourceQuotas knows what a namespace's ResourceQuotas leave; Quotas does.
type ResourceQuotas interface {
	Of(namespace string) []policy.Quota
}

// Config is what a Handler stands on. All of it is required, but for Quotas.
type Config struct {
	Owners      Owners
	VPAs        VPAs
	LimitRanges LimitRanges
	// Quotas is who warns of quotas that are too small; nil: nobody does.
	Quotas ResourceQuotas
	// Synced reports whether all of these know the cluster yet.
	Synced     func() bool
	Log        logr.Logger
	Registerer prometheus.Registerer
}

// Handler answers AdmissionReviews of pods. It is safe for concurrent use.
type Handler struct {
	owners  Owners
	vpas    VPAs
	ranges  LimitRanges
	quotas  ResourceQuotas
	synced  func() bool
	log     logr.Logger
	metrics *metrics
}

var _ http.Handler = (*Handler)(nil)

// NewHandler returns a Handler whose metrics are registered with c.Registerer; it panics if they
// are registered there already.
func NewHandler(c Config) *Handler {
	if c.Quotas == nil {
		c.Quotas = NewQuotas()
	}
	return &Handler{
		owners: c.Owners, vpas: c.VPAs, ranges: c.LimitRanges, quotas: c.Quotas, synced: c.Synced, log: c.Log, metrics: newMetrics(c.Registerer),
	}
}

// ServeHTTP implements http.Handler. A review with a UID is always answered with allowed: true;
// anything else with a 4xx, which the API server ignores as the webhook's failurePolicy says.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	d := borrow()
	defer d.giveBack()
	if refused := d.receive(w, r); refused != nil {
		h.log.V(1).Info("a request was refused", "status", refused.status, "problem", refused.Error(), "from", r.RemoteAddr)
		http.Error(w, refused.Error(), refused.status)
		h.metrics.observe(refused.decision, time.Since(start))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), budget(r.URL.Query().Get("timeout")))
	defer cancel()
	out := h.safely(ctx, d)
	if err := d.answer(w, &out); err != nil {
		h.log.V(1).Info("an answer was lost", "problem", err.Error())
	}
	h.metrics.count(out.steps)
	h.metrics.observe(out.decision, time.Since(start))
}

// safely decides, and turns a panic into a pod that is left alone.
func (h *Handler) safely(ctx context.Context, d *desk) (out outcome) {
	r := &d.review.request
	defer func() {
		if cause := recover(); cause != nil {
			h.log.Error(fmt.Errorf("panic: %v", cause), "a review panicked; the pod was left as declared",
				"namespace", r.namespace, "uid", r.uid, "stack", string(debug.Stack()))
			out = outcome{decision: Panicked, warnings: []string{"sartor: internal error, the pod's resources are left as declared"}}
		}
	}()
	out = h.decide(ctx, d)
	if out.err != nil {
		h.log.Error(out.err, "a pod was left as declared", "namespace", r.namespace, "uid", r.uid, "decision", out.decision)
	} else {
		h.log.V(1).Info("reviewed", "namespace", r.namespace, "uid", r.uid, "decision", out.decision)
	}
	return out
}

const (
	// defaultTimeout is what the API server gives a webhook that does not say.
	defaultTimeout = 10 * time.Second
	// maxTimeout is the longest that a webhook may ask for.
	maxTimeout = 30 * time.Second
	// headroom is kept for the way back of the answer.
	headroom = 100 * time.Millisecond
)

// budget returns the time that a decision may take, given the ?timeout= that the API server sends.
func budget(timeout string) time.Duration {
	given, err := time.ParseDuration(timeout)
	if err != nil || given <= 0 {
		given = defaultTimeout
	}
	given = min(given, maxTimeout)
	return given - min(headroom, given/2)
}
