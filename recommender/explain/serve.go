package explain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/sartor-vpa/sartor/recommender/loop"
)

// Path is where a Server is, beside /metrics.
const Path = "/explain"

// patience is how long an answer may take. The loop answers between two parts of its work, of which the longest, a
// round over ten thousand VPAs or a batch of writes, takes seconds.
const patience = 10 * time.Second

// Explainer explains VPAs: a started loop.
type Explainer interface {
	Explain(context.Context, types.NamespacedName) (*loop.Explanation, error)
}

var _ Explainer = (*loop.Loop)(nil)

// Server answers GET Path?vpa=NAMESPACE/NAME with what Loop explains, as JSON: 404 for a VPA that it does not work on,
// 422 for one whose targetRef makes no sense, 503 if it does not answer now. Loop must be set before it serves.
type Server struct{ Loop Explainer }

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, r.Method+" is not for this: it can only be read", http.StatusMethodNotAllowed)
		return
	}
	name, err := ParseName(r.URL.Query().Get("vpa"))
	if err != nil {
		http.Error(w, "the parameter vpa "+err.Error()+": "+Path+"?vpa=store/shop", http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	e, err := s.Loop.Explain(ctx, name)
	var text bytes.Buffer
	if err == nil {
		err = JSON(&text, e)
	}
	if err != nil {
		http.Error(w, err.Error(), statusOf(err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = text.WriteTo(w) // who asked has gone, if this fails
}

func statusOf(err error) int {
	var unknown *loop.UnknownVPAError
	switch {
	case errors.As(err, &unknown):
		return http.StatusNotFound
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return http.StatusServiceUnavailable
	}
	return http.StatusUnprocessableEntity
}

// JSON writes e for programs.
func JSON(w io.Writer, e *loop.Explanation) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(e)
}

// ParseName reads NAMESPACE/NAME. Its error completes a sentence.
func ParseName(s string) (types.NamespacedName, error) {
	namespace, name, found := strings.Cut(s, "/")
	if !found || len(validation.IsDNS1123Label(namespace)) > 0 || len(validation.IsDNS1123Subdomain(name)) > 0 {
		return types.NamespacedName{}, fmt.Errorf("must be NAMESPACE/NAME of a VPA and not %.100q", s)
	}
	return types.NamespacedName{Namespace: namespace, Name: name}, nil
}
