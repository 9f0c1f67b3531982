package guard

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/sartor-vpa/sartor/pkg/quantity"
	"github.com/sartor-vpa/sartor/pkg/tokens"
)

// hold says what a value in a VPA holds.
type hold uint8

const (
	others   hold = iota
	amount        // a quantity
	amounts       // an object whose members are quantities
	topLevel      // a VPA
	unread        // nothing that is looked at
)

// member says what a member holds, by its name. All quantities of a VPA have such names, whatever they are in.
func (h hold) member(name string) hold {
	switch h {
	case topLevel:
		if name == "spec" || name == "status" {
			return others
		}
		return unread
	case amounts:
		return amount
	}
	switch name {
	case "minAllowed", "maxAllowed", "target", "lowerBound", "upperBound", "uncappedTarget":
		return amounts
	case "quantity", "oomBumpUpRatio", "oomMinBumpUp":
		return amount
	}
	return others
}

// quantitiesOf returns an error if a VPA has a quantity that cannot be read, or not in little time: the first one.
func quantitiesOf(vpa []byte) error { return look(vpa, topLevel, nil) }

// quantitiesIn is quantitiesOf for a member of that name in a VPA's spec or status.
func quantitiesIn(value []byte, in, name string) error {
	return look(value, others.member(name), []step{{name: in}, {name: name}})
}

func look(value []byte, h hold, path []step) error {
	w := walk{path: path}
	w.Decoder = jsontext.NewDecoder(bytes.NewBuffer(value), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	w.InMemory = true
	// What is no JSON is none for whoever decodes it, too.
	if err := w.value(h); err != nil && w.found == nil {
		return nil //nolint:nilerr // see above
	}
	return w.found
}

// walk goes through a value up to the first quantity that cannot be read.
type walk struct {
	tokens.Reader
	path  []step
	found error
}

// step leads from a value to one in it: to a member, or, without a name, to an element.
type step struct {
	name  string
	index int
}

func (w *walk) value(h hold) error {
	if h == unread {
		return w.Skip()
	}
	switch w.Decoder.PeekKind() {
	case jsontext.KindBeginObject:
		_, err := w.Object(func(key []byte) error {
			name := string(key)
			return w.within(step{name: name}, h.member(name))
		})
		return err
	case jsontext.KindBeginArray:
		n := -1
		_, err := w.Array(func() error {
			n++
			return w.within(step{index: n}, others)
		})
		return err
	}
	text, kind, err := w.Text()
	if err != nil || h != amount || kind == jsontext.KindNull {
		return err
	}
	if _, err := quantity.Parse(bytes.TrimSpace(text)); err != nil {
		w.found = fmt.Errorf("%s: %q is no quantity that can be read: %w: use one such as 250m or 1Gi", at(w.path), clipped(string(text)), err)
		return w.found
	}
	return nil
}

func (w *walk) within(s step, h hold) error {
	w.path = append(w.path, s)
	err := w.value(h)
	w.path = w.path[:len(w.path)-1]
	return err
}

// at writes a path as the API does: spec.resourcePolicy.containerPolicies[0].minAllowed.cpu.
func at(path []step) string {
	var b strings.Builder
	for _, s := range path {
		switch {
		case s.name == "":
			fmt.Fprintf(&b, "[%d]", s.index)
		case b.Len() == 0:
			b.WriteString(s.name)
		default:
			b.WriteString("." + s.name)
		}
	}
	return b.String()
}

// clipped keeps what somebody wrote readable.
func clipped(text string) string {
	const most = 100
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}
