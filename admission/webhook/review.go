package webhook

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/sartor-vpa/sartor/pkg/tokens"
)

const (
	// maxBody is the largest review that is read, in bytes. The API server takes objects of up to 3 MiB
	// and wraps one of them.
	maxBody = 4 << 20
	// maxKept is the largest buffer that is kept for the next review, in bytes: some times what pods with
	// many sidecars take.
	maxKept = 128 << 10
)

// httpError is a request that no answer can be given to, since there is no UID to put into one.
type httpError struct {
	status   int
	decision Decision
	err      error
}

func (e *httpError) Error() string { return e.err.Error() }
func (e *httpError) Unwrap() error { return e.err }

func refuse(status int, d Decision, format string, args ...any) *httpError {
	return &httpError{status, d, fmt.Errorf(format, args...)}
}

// desk is where one review is worked on: what is read, what is decided, and what is answered. It is
// lent, so that a review costs next to no memory of its own.
type desk struct {
	body    bytes.Buffer
	decoder jsontext.Decoder
	tokens.Reader
	review review
	paper  paper
}

var desks = sync.Pool{New: func() any { return new(desk) }}

func borrow() *desk { return desks.Get().(*desk) }

// giveBack ends the use of all that was read and made on d.
func (d *desk) giveBack() {
	if d.body.Cap() <= maxKept && d.paper.size() <= maxKept {
		desks.Put(d)
	}
}

// receive reads the review that r posts into d.review. It can be answered: it has a UID.
func (d *desk) receive(w http.ResponseWriter, r *http.Request) *httpError {
	if r.Method != http.MethodPost {
		return refuse(http.StatusMethodNotAllowed, Malformed, "method %s: reviews are posted", r.Method)
	}
	d.body.Reset()
	if r.ContentLength > 0 && r.ContentLength <= maxBody {
		d.body.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	if _, err := d.body.ReadFrom(http.MaxBytesReader(w, r.Body, maxBody)); err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return refuse(http.StatusRequestEntityTooLarge, TooLarge, "the review is over %d bytes", maxBody)
		}
		return refuse(http.StatusBadRequest, Malformed, "reading the review: %w", err)
	}
	if err := d.decode(); err != nil {
		return refuse(http.StatusBadRequest, Malformed, "decoding the review: %w", err)
	}
	return d.review.check()
}

// decode reads d.body.
func (d *desk) decode() error {
	d.review.reset()
	// Finding equal keys would mean to hold all keys of an object. The last one counts.
	d.decoder.Reset(&d.body, jsontext.AllowDuplicateNames(true))
	d.Decoder, d.InMemory = &d.decoder, true
	isObject, err := d.Object(d.member)
	if err != nil {
		return err
	}
	if !isObject {
		return errors.New("it is no object")
	}
	if _, err := d.decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("more follows where it should end")
	}
	return nil
}

// check returns why the review cannot be answered; nil if it can.
func (r *review) check() *httpError {
	switch {
	case r.apiVersion != reviewVersion || r.kind != reviewKind:
		return refuse(http.StatusBadRequest, Malformed, "%q of %q: only %s of %s is understood", r.kind, r.apiVersion, reviewKind, reviewVersion)
	case r.uid == "":
		return refuse(http.StatusBadRequest, Malformed, "the review has no request with a uid")
	}
	return nil
}
