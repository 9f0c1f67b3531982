package podmetrics

import (
	"bytes"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// object calls member with each key of the object that comes next; member reads the key's value. A value that is no object
// is skipped, and false returned. key is valid until member reads.
func (l *list) object(member func(key []byte) error) (bool, error) {
	if l.dec.PeekKind() != jsontext.KindBeginObject {
		return false, l.dec.SkipValue()
	}
	if _, err := l.dec.ReadToken(); err != nil {
		return false, err
	}
	for l.dec.PeekKind() == jsontext.KindString {
		key, _, err := l.text()
		if err != nil {
			return false, err
		}
		if err := member(key); err != nil {
			return false, err
		}
	}
	_, err := l.dec.ReadToken()
	return true, err
}

// array calls element where each element of the array that comes next begins; element reads it. A value that is no array
// is skipped.
func (l *list) array(element func() error) error {
	if l.dec.PeekKind() != jsontext.KindBeginArray {
		return l.dec.SkipValue()
	}
	if _, err := l.dec.ReadToken(); err != nil {
		return err
	}
	for {
		switch l.dec.PeekKind() {
		case jsontext.KindEndArray, jsontext.KindInvalid:
			_, err := l.dec.ReadToken()
			return err
		}
		if err := element(); err != nil {
			return err
		}
	}
}

// text reads the string or the number that comes next, without its quotes, and its kind. Any other value is skipped. What is
// returned is valid until the next read.
func (l *list) text() ([]byte, jsontext.Kind, error) {
	kind := l.dec.PeekKind()
	if kind != jsontext.KindString && kind != jsontext.KindNumber {
		return nil, kind, l.dec.SkipValue()
	}
	raw, err := l.dec.ReadValue()
	if err != nil || kind == jsontext.KindNumber {
		return raw, kind, err
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], kind, nil
	}
	l.unquoted, err = jsontext.AppendUnquote(l.unquoted[:0], raw)
	return l.unquoted, kind, err
}

// string reads the string that comes next; anything else is "".
func (l *list) string() (string, error) {
	text, kind, err := l.text()
	if kind != jsontext.KindString {
		return "", err
	}
	return string(text), err
}

// name is string for names that come again and again.
func (l *list) name() (string, error) {
	text, kind, err := l.text()
	if kind != jsontext.KindString {
		return "", err
	}
	return l.names.of(text), err
}

// maxNames bounds names: more than any cluster has namespaces and names of containers, 10 MB at most.
const maxNames = 1 << 15

// names holds one string for all that are equal.
type names map[string]string

func (n names) of(text []byte) string {
	if name, ok := n[string(text)]; ok {
		return name
	}
	name := string(text)
	if len(name) <= maxName && len(n) < maxNames {
		n[name] = name
	}
	return name
}

// guard reads the body, and ends it where one token is larger than maxToken: the decoder alone would hold any.
type guard struct {
	body io.Reader
	dec  *jsontext.Decoder
	read int64 // bytes
}

func (g *guard) Read(p []byte) (int, error) {
	if at := g.dec.InputOffset(); g.read-at > maxToken {
		return 0, fmt.Errorf("one value, at byte %d, is larger than %d bytes", at, maxToken)
	}
	n, err := g.body.Read(p)
	g.read += int64(n)
	return n, err
}
