package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sartor-vpa/sartor/recommender/history"
)

// Paths of Prometheus' API, under --prometheus-address.
const (
	pathQuery  = "api/v1/query"
	pathSeries = "api/v1/series"
	pathRead   = "api/v1/read"
)

// The APIs by which metrics count.
const (
	apiRead   = "remote_read"
	apiRange  = "query_range"
	apiQuery  = "query"
	apiSeries = "series"
)

// maxAnswer bounds the answer to an instant query, in bytes: counts by namespace are a hundredth of that.
const maxAnswer = 16 << 20

// errPartial says that an answer lacks what some part of the server did not give. It may the next time.
var errPartial = errors.New("the answer is incomplete")

// whole are parameters with which Thanos answers with all there is, not downsampled, or with an error. Other servers do
// not look at them.
func (s *Server) whole() url.Values {
	return url.Values{"dedup": {"true"}, "partial_response": {"false"}, "max_source_resolution": {"0s"},
		"timeout": {strconv.FormatFloat(s.options.QueryTimeout.Seconds(), 'f', -1, 64) + "s"}}
}

// form posts parameters, because selectors can be longer than URLs may be.
func (s *Server) form(ctx context.Context, path string, parameters url.Values) (*http.Response, error) {
	return s.post(ctx, path, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, []byte(parameters.Encode()))
}

// seconds is a time as the API takes it.
func seconds(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', -1, 64)
}

// row is one element of the answer to an instant query.
type row struct {
	labels map[string]string
	value  float64
}

// query asks for the value of an expression at one time.
func (s *Server) query(ctx context.Context, expression string, at time.Time) (rows []row, err error) {
	defer func() { s.count(apiQuery, err) }()
	parameters := s.whole()
	parameters.Set("query", expression)
	parameters.Set("time", seconds(at))
	response, err := s.form(ctx, pathQuery, parameters)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("%w: the answer of %s to an instant query has more than %d bytes", history.ErrTooLarge, s.name, maxAnswer)
	}
	rows, err = decodeVector(body)
	if err != nil {
		return nil, fmt.Errorf("the answer of %s to an instant query: %w", s.name, err)
	}
	return rows, nil
}

// decodeVector reads the answer to an instant query whose result is a vector.
func decodeVector(body []byte) ([]row, error) {
	var answer struct {
		Status, Error string
		Warnings      []string
		IsPartial     bool
		Data          struct {
			ResultType string
			Result     []struct {
				Metric map[string]string
				Value  []any
			}
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("it is not Prometheus' JSON: %s", steady(err.Error()))
	}
	if err := whether(answer.Status, answer.Error, answer.Warnings, answer.IsPartial); err != nil {
		return nil, err
	}
	if answer.Data.ResultType != "vector" {
		return nil, fmt.Errorf("it is a %q, not a vector", clip(steady(answer.Data.ResultType)))
	}
	rows := make([]row, len(answer.Data.Result))
	for i, one := range answer.Data.Result {
		if len(one.Value) != 2 {
			return nil, errors.New("a value is no pair of time and number")
		}
		text, _ := one.Value[1].(string)
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is no number", clip(steady(text)))
		}
		rows[i] = row{one.Metric, value}
	}
	return rows, nil
}

// whether says whether an answer with status 200 is a whole one, by its fields.
func whether(status, message string, warnings []string, partial bool) error {
	switch {
	case status != "success":
		err := fmt.Errorf("it is an error after all: %s", clip(steady(message)))
		if limits.MatchString(message) {
			return fmt.Errorf("%w: %w", history.ErrTooLarge, err)
		}
		return err
	case partial:
		return errPartial
	case len(warnings) > 0:
		return fmt.Errorf("%w: %s", errPartial, clip(steady(warnings[0])))
	}
	return nil
}

// scalar is the value of a query whose answer is one number, 0 if there is none.
func (s *Server) scalar(ctx context.Context, expression string, at time.Time) (float64, error) {
	rows, err := s.query(ctx, expression, at)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	return rows[0].value, nil
}
