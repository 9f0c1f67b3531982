package server

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/sartor-vpa/sartor/recommender/history"
	"github.com/sartor-vpa/sartor/recommender/history/owners"
)

// maxLinks bounds the answer to one request for owners, in series: some fifty megabytes of them.
const maxLinks = 1 << 18

// links are the series of kube-state-metrics that say who owns whom, and the label that names who is owned.
var links = map[string]struct{ kind, name string }{
	"kube_pod_owner":        {"Pod", "pod"},
	"kube_replicaset_owner": {"ReplicaSet", "replicaset"},
	"kube_job_owner":        {"Job", "job_name"},
}

// decodeLinks reads the answer to a request for series, one by one. Of an answer that is not good nothing is returned.
func decodeLinks(body io.Reader) (*owners.Links, error) {
	bound := &tokenBound{body: body}
	bound.dec = jsontext.NewDecoder(bound)
	r := linkReader{dec: bound.dec, links: &owners.Links{}, names: map[string]string{}}
	if err := r.answer(); err != nil {
		return nil, err
	}
	if err := whether(r.status, r.message, r.warnings, r.partial); err != nil {
		return nil, err
	}
	return r.links, nil
}

// linkReader reads links from an answer, whose fields come in any order.
type linkReader struct {
	dec   *jsontext.Decoder
	links *owners.Links
	count int
	// names holds one string for all that are equal: namespaces and owners come again and again.
	names map[string]string

	status, message string
	warnings        []string
	partial         bool
}

func (r *linkReader) answer() error {
	if kind := r.dec.PeekKind(); kind != jsontext.KindBeginObject {
		_, err := r.dec.ReadToken()
		return cmp.Or(notJSON(err), errors.New("it is no object of Prometheus' API"))
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return notJSON(err)
	}
	for r.dec.PeekKind() == jsontext.KindString {
		key, err := r.dec.ReadToken()
		if err != nil {
			return notJSON(err)
		}
		if err := r.field(key.String()); err != nil {
			return err
		}
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return notJSON(err)
	}
	if _, err := r.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return cmp.Or(notJSON(err), errors.New("something follows it"))
	}
	return nil
}

func (r *linkReader) field(key string) error {
	switch key {
	case "data":
		return r.data()
	case "status":
		return r.value(&r.status)
	case "error":
		return r.value(&r.message)
	case "warnings":
		return r.value(&r.warnings)
	case "isPartial":
		return r.value(&r.partial)
	}
	return notJSON(r.dec.SkipValue())
}

// value reads the next value into one of Go's.
func (r *linkReader) value(to any) error {
	raw, err := r.dec.ReadValue()
	if err != nil {
		return notJSON(err)
	}
	return notJSON(json.Unmarshal(raw, to))
}

// data reads the series.
func (r *linkReader) data() error {
	if r.dec.PeekKind() != jsontext.KindBeginArray {
		return notJSON(r.dec.SkipValue()) // null, where there is an error
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return notJSON(err)
	}
	for {
		switch r.dec.PeekKind() {
		case jsontext.KindEndArray, jsontext.KindInvalid:
			_, err := r.dec.ReadToken()
			return notJSON(err)
		}
		if r.count++; r.count > maxLinks {
			return fmt.Errorf("%w: more than %d owners", history.ErrTooLarge, maxLinks)
		}
		labels := map[string]string{}
		if err := r.value(&labels); err != nil {
			return err
		}
		r.link(labels)
	}
}

// link notes what one series says. Its labels are kube-state-metrics' own, unless Prometheus wrote others over them.
func (r *linkReader) link(labels map[string]string) {
	of, known := links[labels["__name__"]]
	if !known || labels["owner_is_controller"] == "false" {
		return
	}
	own := func(label string) string { return cmp.Or(labels["exported_"+label], labels[label]) }
	namespace, name, ownerKind := own("namespace"), own(of.name), labels["owner_kind"]
	if namespace == "" || name == "" {
		return
	}
	if ownerKind == "<none>" {
		ownerKind = ""
	}
	r.links.Add(of.kind, r.name(namespace), r.name(name), r.name(ownerKind), r.name(labels["owner_name"]))
}

func (r *linkReader) name(s string) string {
	if known, ok := r.names[s]; ok {
		return known
	}
	r.names[s] = s
	return s
}

// notJSON is err as messages show it; nil if err is.
func notJSON(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return fmt.Errorf("it is cut off: %w", io.ErrUnexpectedEOF)
	}
	var of *jsontext.SyntacticError
	if errors.As(err, &of) {
		if read := errors.Unwrap(of.Err); read != nil {
			return read // what ended the answer is in there, too
		}
		return errors.New("it is not the JSON of Prometheus' API")
	}
	return err
}

// maxToken bounds one series of an answer, in bytes; Kubernetes' labels are shorter by far.
const maxToken = 1 << 20

// tokenBound reads the body, and ends it where one value is larger than maxToken: the decoder alone would hold any.
type tokenBound struct {
	body io.Reader
	dec  *jsontext.Decoder
	read int64 // bytes
}

func (b *tokenBound) Read(p []byte) (int, error) {
	if at := b.dec.InputOffset(); b.read-at > maxToken {
		return 0, fmt.Errorf("one value, at byte %d, has more than %d bytes", at, maxToken)
	}
	n, err := b.body.Read(p)
	b.read += int64(n)
	return n, err
}
