package podmetrics

import (
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// name reads the name that comes next, one of those that come again and again; anything else is "".
func (l *list) name() (string, error) {
	text, kind, err := l.Text()
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
