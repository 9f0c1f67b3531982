package certs

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Keys of the Secret.
const (
	certificateKey     = "ca.crt" // the authority that signs; further certificates in it are trusted as well
	keyKey             = "ca.key"
	nextCertificateKey = "next.crt" // the one that will sign; absent but for the time of a rotation
	nextKeyKey         = "next.key"
	retiredKey         = "retired.crt" // those that signed; each with a header that says until when it is trusted
)

const (
	// untilHeader of a retired certificate is an RFC 3339 time.
	untilHeader = "Trusted-Until"
	// overlap is for how long an authority that does not sign any more is trusted: as long as leaves of its
	// live, by the clock that is furthest ahead, counted by the one that is furthest behind.
	overlap = leafLife + 2*skew
	// grace is for how much longer it is left where it is published, so that replicas whose clocks differ do
	// not undo each other's writes.
	grace = 2 * skew
	// settle is how long a new authority has to be published before a leaf of it takes the place of one that
	// works: API servers watch the webhook configuration, and some see a change later than others.
	settle = time.Minute
	// propagation is how long a replica whose leaf nobody trusted is not ready after it was published: that long it
	// takes for most API servers to see it. To wait longer would only mean that nobody is called.
	propagation = 2 * time.Second
)

// state is what the Secret holds: a rotation goes from current alone, over current and next, both published, to
// the new current and the old one, retired.
type state struct {
	current *Authority // nil in an empty Secret
	next    *Authority // nil but for the time of a rotation
	retired []retired
}

type retired struct {
	certificate *x509.Certificate
	until       time.Time
}

// parseState reads the data of the Secret. Anything that makes no sense is an error, for all of it.
func parseState(data map[string][]byte) (state, error) {
	var s state
	var err, nextErr error
	if len(data[certificateKey])+len(data[keyKey]) > 0 {
		s.current, err = ParseAuthority(data[certificateKey], data[keyKey])
	}
	if len(data[nextCertificateKey])+len(data[nextKeyKey]) > 0 {
		if s.next, nextErr = ParseAuthority(data[nextCertificateKey], data[nextKeyKey]); nextErr != nil {
			nextErr = fmt.Errorf("%s and %s: %w", nextCertificateKey, nextKeyKey, nextErr)
		}
	}
	retired, retiredErr := parseRetired(data[retiredKey])
	if err := errors.Join(err, nextErr, retiredErr); err != nil {
		return state{}, err
	}
	s.retired = retired
	return s, nil
}

func parseRetired(text []byte) ([]retired, error) {
	var all []retired
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", retiredKey, err)
		}
		until, err := time.Parse(time.RFC3339, block.Headers[untilHeader])
		if err != nil {
			return nil, fmt.Errorf("%s: header %s: %w", retiredKey, untilHeader, err)
		}
		all = append(all, retired{certificate, until})
	}
	return all, nil
}

// into writes s into the data of the Secret. What else is there stays.
func (s state) into(data map[string][]byte) {
	for _, part := range []struct {
		authority        *Authority
		certificate, key string
	}{{s.current, certificateKey, keyKey}, {s.next, nextCertificateKey, nextKeyKey}} {
		delete(data, part.certificate)
		delete(data, part.key)
		if part.authority != nil {
			data[part.certificate], data[part.key] = part.authority.certificates.pem(), part.authority.keyPEM
		}
	}
	delete(data, retiredKey)
	var text []byte
	for _, r := range s.retired {
		text = append(text, pem.EncodeToMemory(&pem.Block{
			Type: "CERTIFICATE", Bytes: r.certificate.Raw, Headers: map[string]string{untilHeader: r.until.UTC().Format(time.RFC3339)},
		})...)
	}
	if text != nil {
		data[retiredKey] = text
	}
}

// known are all certificates that s knows of.
func (s state) known() bundle {
	var all bundle
	for _, authority := range []*Authority{s.current, s.next} {
		if authority != nil {
			all = all.with(authority.certificates...)
		}
	}
	for _, r := range s.retired {
		all = all.with(r.certificate)
	}
	return all
}

// wanted is what is to be published at now, where published is: never less than what may have signed a leaf that
// still lives.
func (s state) wanted(now time.Time, published bundle) bundle {
	var all bundle
	for _, authority := range []*Authority{s.current, s.next} {
		if authority != nil {
			all = all.with(authority.certificates...)
		}
	}
	for _, r := range s.retired {
		if now.Before(r.until) || now.Before(r.until.Add(grace)) && published.has(r.certificate) {
			all = all.with(r.certificate)
		}
	}
	return all
}

// view is what a replica sees when it decides what the Secret shall hold.
type view struct {
	now time.Time
	// published is what any of our entries trusts.
	published bundle
	// settled reports whether all of them have trusted the authority for long enough.
	settled func(*Authority) bool
	// mine is the authority that this replica used last, nil for none.
	mine *Authority
	// rotate is set if somebody asks for a new authority.
	rotate bool
}

// turn returns what the Secret shall hold, and what is new in words for the log; none if nothing is.
func (s state) turn(v view) (state, []string, error) {
	out := state{current: s.current, next: s.next, retired: slices.Clone(s.retired)}
	var news []string
	if out.current == nil {
		if err := out.begin(v); err != nil {
			return s, nil, err
		}
		news = append(news, "certificate authority written")
	}
	for _, certificate := range v.published {
		if !out.known().has(certificate) && v.now.Before(certificate.NotAfter) {
			out.retire(v.now, certificate)
			news = append(news, "an authority that is published and was not known is trusted until its leaves have ended")
		}
	}
	if out.next != nil && out.next.due(v.now) {
		out.next = nil // nobody published it for months
	}
	if out.next == nil && (v.rotate || out.current.due(v.now)) {
		next, err := NewAuthority(v.now)
		if err != nil {
			return s, nil, err
		}
		out.next = next
		news = append(news, "the next certificate authority was made; it is published before it signs")
	}
	if out.next != nil && (v.settled(out.next) || out.current.ended(v.now)) {
		out.retire(v.now, out.current.certificates...)
		out.current, out.next = out.next, nil
		news = append(news, "the next certificate authority signs from now on")
	}
	before := len(out.retired)
	out.retired = slices.DeleteFunc(out.retired, func(r retired) bool {
		return !v.now.Before(r.until.Add(grace)) && !v.published.has(r.certificate)
	})
	if len(out.retired) < before {
		news = append(news, "a retired certificate authority was forgotten")
	}
	return out, news, nil
}

// begin fills an empty state: with the authority that is in use if there is one.
func (s *state) begin(v view) error {
	if v.mine != nil && !v.mine.due(v.now) {
		s.current = v.mine
		return nil
	}
	authority, err := NewAuthority(v.now)
	s.current = authority
	return err
}

func (s *state) retire(now time.Time, certificates ...*x509.Certificate) {
	for _, certificate := range certificates {
		s.retired = append(s.retired, retired{certificate, now.Add(overlap)})
	}
}
