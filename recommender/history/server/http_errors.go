package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sartor-vpa/sartor/recommender/history"
)

const (
	// maxWords bounds what an error shows of a server's words: it ends up in a condition. In bytes.
	maxWords = 256
	// maxRefusal bounds what is read of an answer that is an error, in bytes.
	maxRefusal = 64 << 10
)

// limits are words of servers that give less than was asked for, with whichever status.
var limits = regexp.MustCompile(`(?i)` + strings.Join([]string{
	// Prometheus, and what is built from its engine
	`too many samples`, `maximum resolution of`, `exceeded sample limit`, `query timed out`, `deadline ?exceeded`,
	// Thanos
	`exceeded \w+ limit`, `limit \S+ (violated|exceeded)`,
	// Mimir and Cortex
	`the query hit the `, `query exceeded the maximum`, `exceeds the limit`, `err-(mimir|cortex)-(max|query-too)-`, `max-fetched-`,
	// VictoriaMetrics
	`-search\.max`, `matching timeseries exceeds`, `too many points`, `too long query`, `too big`, `cannot (process|select) more than`,
	`not enough memory for processing`, `timeout exceeded`,
}, "|"))

// busy are words of servers that have too many requests at a time.
var busy = regexp.MustCompile(`(?i)maxConcurrentRequests|too many (outstanding|concurrent) `)

// refusal is why an answer is none; nil if it is one.
func (s *Server) refusal(r *http.Response) error {
	page := isPage(r.Header.Get("Content-Type"))
	if r.StatusCode/100 == 2 && !page {
		return nil
	}
	text := "it answered with a web page, not with Prometheus' API; check --prometheus-address, and the authentication where a proxy stands before the server"
	var said string
	if !page {
		// What cannot be read of it is not missed: the status is known.
		raw, _ := io.ReadAll(io.LimitReader(r.Body, maxRefusal))
		said = words(raw)
		text = clip(said)
	}
	err := errors.New(strings.TrimSuffix(fmt.Sprintf("%s answered %d %s: %s", s.name, r.StatusCode, http.StatusText(r.StatusCode), text), ": "))
	return s.classified(r, err, said)
}

// classified is err as what helps, by the status and what the server said.
func (s *Server) classified(r *http.Response, err error, said string) error {
	status := r.StatusCode
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return fmt.Errorf("%w: %w", history.ErrDenied, err)
	case status == http.StatusTooManyRequests || status/100 == 5 && busy.MatchString(said):
		return &history.BusyError{After: retryAfter(r.Header.Get("Retry-After"), s.now()), Err: err}
	case status == http.StatusRequestEntityTooLarge || status == http.StatusGatewayTimeout || status/100 >= 4 && limits.MatchString(said):
		return fmt.Errorf("%w: %w", history.ErrTooLarge, err)
	case status == http.StatusServiceUnavailable:
		return &history.BusyError{After: retryAfter(r.Header.Get("Retry-After"), s.now()), Err: err}
	}
	return &statusError{status, err}
}

// statusError is an answer that is neither good nor of a kind that history.Source names.
type statusError struct {
	status int
	error
}

func (e *statusError) Unwrap() error { return e.error }

func isPage(contentType string) bool {
	kind, _, _ := mime.ParseMediaType(contentType)
	return kind == "text/html" || kind == "application/xhtml+xml"
}

// words are what a server says of an error, in one line: the error of Prometheus' API, or the text as it is.
func words(body []byte) string {
	var api struct {
		ErrorType, Error, Message string
	}
	text := string(body)
	if json.Unmarshal(body, &api) == nil && api.Error+api.Message != "" {
		text = api.Error
		if text == "" {
			text = api.Message
		}
	}
	return steady(text)
}

// clip is s in at most maxWords bytes of whole characters.
func clip(s string) string {
	if len(s) <= maxWords {
		return s
	}
	return strings.ToValidUTF8(s[:maxWords-len("…")], "") + "…"
}

// passing are parts of messages that differ each time that the same thing fails, and what takes their place.
var passing = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`\S+:\d+->`), ""},                                                                           // our own port
	{regexp.MustCompile(`query="(?:[^"\\]|\\.)*"`), "query=…"},                                                      // our own, which VictoriaMetrics repeats before its words
	{regexp.MustCompile(`failed to parse Location header "(?:[^"\\]|\\.)*": .*`), "it redirects to what is no URL"}, // which may repeat what was sent
	{regexp.MustCompile(`stream ID \d+; `), ""},                                                                     // HTTP/2
	{regexp.MustCompile(`LastStreamID=\d+`), "LastStreamID=…"},                                                      // HTTP/2
	{regexp.MustCompile(`current time \S+ is `), "it is "},                                                          // a certificate
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*`), "…"},                                             // a time
	{regexp.MustCompile(`\b\d{10,}(\.\d+)?\b`), "…"},                                                                // one, too
	{regexp.MustCompile(`(?i)\b(trace|request|span)[-_ ]?id[=:" ]+[-\w]+`), "${1} id …"},                            // theirs
}

// steady is s on one line, without what differs each time.
func steady(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "")), " ")
	for _, p := range passing {
		s = p.what.ReplaceAllString(s, p.with)
	}
	return s
}

// networkError is err with a text that is the same each time.
type networkError struct {
	text string
	err  error
}

func (e *networkError) Error() string { return e.text }
func (e *networkError) Unwrap() error { return e.err }

// stable gives err a text that is the same each time. It leaves out the URL, which the caller names.
func stable(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err
	}
	return &networkError{clip(steady(err.Error())), err}
}

// retryAfter is for how long a server wants to be left alone: seconds or a date (RFC 9110), 0 if it does not say, and a
// day at most.
func retryAfter(header string, now time.Time) time.Duration {
	var after time.Duration
	if seconds, err := strconv.ParseUint(strings.TrimSpace(header), 10, 64); err == nil {
		after = time.Duration(min(seconds, 86400)) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		after = at.Sub(now)
	}
	return min(max(after, 0), 24*time.Hour)
}
