// Package tokens reads JSON as it comes, for those who need little of much: members by their keys, elements one after
// the other, and whatever else there is skipped unread.
package tokens

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// Reader reads values from Decoder. What comes in another type than was asked for is skipped and told.
type Reader struct {
	Decoder *jsontext.Decoder
	// InMemory says that the decoder has all of its input in memory: then a value is skipped in one piece, which is
	// faster and would hold it otherwise.
	InMemory bool
	// unquoted is where strings with escapes are written.
	unquoted []byte
}

// Object calls member with each key of the object that comes next; member reads the key's value. A value that is no object
// is skipped, and false returned. key is valid until member reads.
func (r *Reader) Object(member func(key []byte) error) (bool, error) {
	if r.Decoder.PeekKind() != jsontext.KindBeginObject {
		return false, r.Skip()
	}
	if _, err := r.Decoder.ReadToken(); err != nil {
		return false, err
	}
	for r.Decoder.PeekKind() == jsontext.KindString {
		key, _, err := r.Text()
		if err != nil {
			return false, err
		}
		if err := member(key); err != nil {
			return false, err
		}
	}
	_, err := r.Decoder.ReadToken()
	return true, err
}

// Array calls element where each element of the array that comes next begins; element reads it. A value that is no array
// is skipped, and false returned.
func (r *Reader) Array(element func() error) (bool, error) {
	if r.Decoder.PeekKind() != jsontext.KindBeginArray {
		return false, r.Skip()
	}
	if _, err := r.Decoder.ReadToken(); err != nil {
		return false, err
	}
	for {
		switch r.Decoder.PeekKind() {
		case jsontext.KindEndArray, jsontext.KindInvalid:
			_, err := r.Decoder.ReadToken()
			return true, err
		}
		if err := element(); err != nil {
			return false, err
		}
	}
}

// Text reads the string or the number that comes next, without its quotes, and its kind. Any other value is skipped. What is
// returned is valid until the next read.
func (r *Reader) Text() ([]byte, jsontext.Kind, error) {
	kind := r.Decoder.PeekKind()
	if kind != jsontext.KindString && kind != jsontext.KindNumber {
		return nil, kind, r.Skip()
	}
	raw, err := r.Decoder.ReadValue()
	if err != nil || kind == jsontext.KindNumber {
		return raw, kind, err
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], kind, nil
	}
	r.unquoted, err = jsontext.AppendUnquote(r.unquoted[:0], raw)
	return r.unquoted, kind, err
}

// String reads the string that comes next; anything else is "".
func (r *Reader) String() (string, error) {
	text, kind, err := r.Text()
	if kind != jsontext.KindString {
		return "", err
	}
	return string(text), err
}

// Skip passes over the value that comes next.
func (r *Reader) Skip() error {
	if r.InMemory {
		_, err := r.Decoder.ReadValue()
		return err
	}
	return r.Decoder.SkipValue()
}
