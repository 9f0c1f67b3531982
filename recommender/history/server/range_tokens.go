package server

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

func wrongType(what string) error {
	return fmt.Errorf("%s is not of the type of Prometheus' API", what)
}

// object calls member with each key of the object that comes next; member reads the key's value.
func (m *matrix) object(what string, member func(key string) error) error {
	if token, err := m.dec.ReadToken(); err != nil {
		return notJSON(err)
	} else if token.Kind() != jsontext.KindBeginObject {
		return wrongType(what)
	}
	for m.dec.PeekKind() == jsontext.KindString {
		key, err := m.dec.ReadToken()
		if err != nil {
			return notJSON(err)
		}
		if err := member(key.String()); err != nil {
			return err
		}
	}
	_, err := m.dec.ReadToken()
	return notJSON(err)
}

// array calls element where each element of the array that comes next begins; element reads it.
func (m *matrix) array(what string, element func() error) error {
	if token, err := m.dec.ReadToken(); err != nil {
		return notJSON(err)
	} else if token.Kind() != jsontext.KindBeginArray {
		return wrongType(what)
	}
	for {
		switch m.dec.PeekKind() {
		case jsontext.KindEndArray, jsontext.KindInvalid:
			_, err := m.dec.ReadToken()
			return notJSON(err)
		}
		if err := element(); err != nil {
			return err
		}
	}
}

// text reads the string that comes next.
func (m *matrix) text(what string) (string, error) {
	token, err := m.dec.ReadToken()
	if err != nil {
		return "", notJSON(err)
	}
	if token.Kind() != jsontext.KindString {
		return "", wrongType(what)
	}
	return token.String(), nil
}

var errPair = errors.New("a value is no pair of a time and a number as text")

// eachPair calls f for each pair of raw, which is JSON: [[SECONDS, "VALUE"], ...]. It looks at nothing but that, because
// there are tens of millions of them.
func eachPair(raw []byte, f func(seconds, value float64)) error {
	rest, ok := after(raw, '[')
	if !ok {
		return errPair
	}
	for first := true; ; first = false {
		if end, ok := after(rest, ']'); ok && len(end) == 0 {
			return nil
		}
		if rest, ok = after(rest, ','); ok == first {
			return errPair
		}
		var seconds, value float64
		var err error
		if seconds, value, rest, err = pair(rest); err != nil {
			return err
		}
		f(seconds, value)
	}
}

// pair reads one of them, and returns what is behind it.
func pair(raw []byte) (seconds, value float64, rest []byte, err error) {
	rest, ok := after(raw, '[')
	comma := bytes.IndexByte(rest, ',')
	if !ok || comma < 0 {
		return 0, 0, nil, errPair
	}
	if seconds, err = number(bytes.TrimSpace(rest[:comma])); err != nil {
		return 0, 0, nil, errPair
	}
	rest, ok = after(rest[comma+1:], '"')
	quote := bytes.IndexByte(rest, '"')
	if !ok || quote < 0 {
		return 0, 0, nil, errPair
	}
	if value, err = number(rest[:quote]); err != nil {
		return 0, 0, nil, errPair
	}
	if rest, ok = after(rest[quote+1:], ']'); !ok {
		return 0, 0, nil, errPair
	}
	return seconds, value, rest, nil
}

// number reads a number. Most are times and bytes: whole, and with few digits.
func number(text []byte) (float64, error) {
	whole := int64(0)
	for _, c := range text {
		if c < '0' || c > '9' || whole >= 1e15 {
			return strconv.ParseFloat(string(text), 64)
		}
		whole = whole*10 + int64(c-'0')
	}
	if len(text) == 0 {
		return 0, errPair
	}
	return float64(whole), nil
}

// after returns what follows a character, which may follow white space; false, and all of raw, if it is another.
func after(raw []byte, c byte) ([]byte, bool) {
	for i, b := range raw {
		switch b {
		case c:
			return raw[i+1:], true
		case ' ', '\t', '\r', '\n':
		default:
			return raw, false
		}
	}
	return raw, false
}
