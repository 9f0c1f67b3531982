package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// served is the leaf in use, and whether API servers trust it. It may be read at any time.
type served struct {
	leaf    atomic.Pointer[tls.Certificate]
	trusted atomic.Bool // by the webhook configuration, as it was last seen
	// told is when API servers will have been told to trust it, in Unix nanoseconds.
	told atomic.Int64
	// configuration is the name of it, for messages.
	configuration string
}

// Certificate returns the current leaf, for tls.Config.GetCertificate.
func (s *served) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if leaf := s.leaf.Load(); leaf != nil {
		return leaf, nil
	}
	return nil, errors.New("no serving certificate yet")
}

// replace serves leaf from now on.
func (s *served) replace(leaf *tls.Certificate, trusted bool) {
	// Trust goes first and comes last: who asks in between is told of no leaf that is not trusted.
	if !trusted {
		s.trusted.Store(false)
	}
	s.leaf.Store(leaf)
	s.trusted.Store(trusted)
}

// Ready returns nil if API servers can call the webhook at this time, else why they cannot.
func (s *served) Ready(now time.Time) error {
	if err := s.usable(now); err != nil {
		return err
	}
	if now.UnixNano() < s.told.Load() {
		return fmt.Errorf("webhook configuration %s was just told to trust the serving certificate; API servers have to hear of it", s.configuration)
	}
	return nil
}

// usable returns nil if the leaf is valid, and trusted where that is published. Shortly before its end is too late,
// as the clock of who calls may be ahead.
func (s *served) usable(now time.Time) error {
	leaf := s.leaf.Load()
	switch {
	case leaf == nil:
		return errors.New("no serving certificate yet, see the log")
	case now.Before(leaf.Leaf.NotBefore) || now.After(leaf.Leaf.NotAfter.Add(-margin(leaf.Leaf))):
		return fmt.Errorf("the serving certificate is valid from %s to %s only", leaf.Leaf.NotBefore.UTC().Format(time.RFC3339), leaf.Leaf.NotAfter.UTC().Format(time.RFC3339))
	case !s.trusted.Load():
		return fmt.Errorf("webhook configuration %s does not trust the serving certificate", s.configuration)
	}
	return nil
}

// register registers the metrics; clock is time.Now.
func (s *served) register(registerer prometheus.Registerer, clock func() time.Time) {
	gauge := func(name, help string, value func() float64) prometheus.GaugeFunc {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "sartor", Subsystem: "admission", Name: name, Help: help}, value)
	}
	registerer.MustRegister(
		gauge("certificate_expiry_timestamp_seconds", "When the serving certificate ends, in Unix seconds; 0 while there is none.", func() float64 {
			if leaf := s.leaf.Load(); leaf != nil {
				return float64(leaf.Leaf.NotAfter.Unix())
			}
			return 0
		}),
		gauge("certificate_usable", "1 while the serving certificate is valid and the webhook configuration trusts it, else 0.", func() float64 {
			if s.usable(clock()) == nil {
				return 1
			}
			return 0
		}),
	)
}

// margin is for how long at its end a certificate does not count: an hour, or less if it lives but hours.
func margin(c *x509.Certificate) time.Duration { return min(skew, c.NotAfter.Sub(c.NotBefore)/10) }
