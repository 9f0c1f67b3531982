package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"

	"github.com/prometheus/common/model"

	"github.com/sartor-vpa/sartor/recommender/history"
)

// post sends body to path, like "api/v1/read", and returns the answer if it is a good one (2xx). It waits for its turn
// (--prometheus-qps); the answer must be read within --prometheus-query-timeout and closed. Errors, those of reading the
// answer's body too, are of the kinds that history.Source names, with texts that are the same each time.
func (s *Server) post(ctx context.Context, path string, header http.Header, body []byte) (*http.Response, error) {
	if err := s.limiter.Wait(ctx); err != nil {
		return nil, fmt.Errorf("waiting for --prometheus-qps: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.options.QueryTimeout, errOurTimeout)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base.JoinPath(path).String(), bytes.NewReader(body))
	if err != nil {
		cancel()
		return nil, fmt.Errorf("asking %s: %w", s.name, errNoURL)
	}
	request.Header.Set("User-Agent", "sartor-recommender")
	maps.Copy(request.Header, header)
	response, err := s.client.Do(request)
	if err != nil {
		defer cancel()
		return nil, fmt.Errorf("asking %s: %w", s.name, s.network(ctx, err))
	}
	s.veil.saw(response.Request)
	response.Body = &answer{ReadCloser: response.Body, s: s, ctx: ctx, cancel: cancel}
	if err := s.refusal(response); err != nil {
		response.Body.Close()
		return nil, err
	}
	return response, nil
}

var (
	errOurTimeout = errors.New("no answer within --prometheus-query-timeout")
	errNoURL      = errors.New("its address is no URL")
)

// answer is a response's body: it counts what is read, and ends the request when it is closed.
type answer struct {
	io.ReadCloser
	s      *Server
	ctx    context.Context
	cancel context.CancelFunc
}

func (a *answer) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	a.s.metrics.bytes.Add(float64(n))
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("reading the answer: %w", a.s.network(a.ctx, err))
	}
	return n, err
}

func (a *answer) Close() error {
	defer a.cancel()
	return a.ReadCloser.Close()
}

// network is what to say of an error that is not the server's words.
func (s *Server) network(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errOurTimeout) {
		return fmt.Errorf("%w: %w=%v", history.ErrTooLarge, errOurTimeout, model.Duration(s.options.QueryTimeout))
	}
	return stable(err)
}
