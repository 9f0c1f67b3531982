package guard

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// filter is an answer's body with its objects guarded. Of a list it holds one object at a time.
type filter struct {
	body io.ReadCloser
	dec  *jsontext.Decoder
	kind *kind
	// watch says that events come, one after the other, and not one object or list.
	watch bool

	at place
	// held are the members that came of an object before it is known to be a list.
	held []byte
	// out is what waits to be read, and err what comes after it.
	out bytes.Buffer
	err error
}

// place is where in a body a filter is.
type place uint8

const (
	between place = iota // top-level values
	inObject
	firstItem
	nextItem
	afterItems // in a list
)

func newFilter(body io.ReadCloser, k *kind, watch bool) *filter {
	// The API server writes each name once, and whoever decodes looks again.
	return &filter{body: body, dec: jsontext.NewDecoder(body, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)), kind: k, watch: watch}
}

// Close implements io.Closer.
func (f *filter) Close() error { return f.body.Close() }

// Read implements io.Reader. It waits for no more than the next value.
func (f *filter) Read(p []byte) (int, error) {
	for f.out.Len() == 0 && f.err == nil {
		f.err = f.step()
	}
	if f.out.Len() == 0 {
		return 0, f.err
	}
	return f.out.Read(p)
}

// step reads the next piece. It is an io.EOF only where a body may end.
func (f *filter) step() error {
	switch f.at {
	case between:
		return f.begin()
	case firstItem, nextItem:
		return f.item()
	}
	return f.member()
}

func (f *filter) begin() error {
	if f.watch || f.dec.PeekKind() != jsontext.KindBeginObject {
		value, err := f.dec.ReadValue()
		if err != nil {
			return err
		}
		if f.watch {
			value = f.event(value)
		}
		f.out.Write(value)
		return f.out.WriteByte('\n')
	}
	_, err := f.dec.ReadToken()
	f.at, f.held = inObject, append(f.held[:0], '{')
	return err
}

func (f *filter) member() error {
	if f.dec.PeekKind() == jsontext.KindEndObject {
		return f.end()
	}
	name, err := f.dec.ReadValue()
	if err != nil {
		return unexpected(err)
	}
	if f.held[len(f.held)-1] != '{' {
		f.held = append(f.held, ',')
	}
	isItems := string(name) == `"items"`
	f.held = append(append(f.held, name...), ':')
	if f.at == inObject && isItems && f.dec.PeekKind() == jsontext.KindBeginArray {
		_, err = f.dec.ReadToken()
		f.out.Write(append(f.held, '['))
		f.at, f.held = firstItem, f.held[:0]
		return unexpected(err)
	}
	value, err := f.dec.ReadValue()
	f.held = append(f.held, value...)
	return unexpected(err)
}

func (f *filter) item() error {
	if f.dec.PeekKind() == jsontext.KindEndArray {
		_, err := f.dec.ReadToken()
		f.at, f.held = afterItems, append(f.held[:0], ']')
		return unexpected(err)
	}
	value, err := f.dec.ReadValue()
	if err != nil {
		return unexpected(err)
	}
	if f.at == nextItem {
		f.out.WriteByte(',')
	}
	f.at = nextItem
	f.out.Write(f.kind.guard(value))
	return nil
}

// end ends a top-level object. If it was no list it is what is guarded.
func (f *filter) end() error {
	_, err := f.dec.ReadToken()
	f.held = append(f.held, '}')
	if f.at == inObject {
		f.held = f.kind.guard(f.held)
	}
	f.out.Write(f.held)
	f.at = between
	if err == nil {
		err = f.out.WriteByte('\n')
	}
	return unexpected(err)
}

// event returns an event of a watch with its object guarded.
func (f *filter) event(event []byte) []byte {
	var parts struct {
		Type   json.RawMessage `json:"type"`
		Object json.RawMessage `json:"object"`
	}
	if err := json.Unmarshal(event, &parts); err != nil || len(parts.Object) == 0 {
		return event
	}
	object := f.kind.guard(parts.Object)
	if bytes.Equal(object, parts.Object) {
		return event
	}
	parts.Object = object
	changed, err := json.Marshal(parts)
	if err != nil {
		return event
	}
	return changed
}

// unexpected is the error for a body that ends where it must not.
func unexpected(err error) error {
	if err == io.EOF { //nolint:errorlint // a decoder returns it bare
		return io.ErrUnexpectedEOF
	}
	return err
}
