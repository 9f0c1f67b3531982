package webhook

import (
	"github.com/go-json-experiment/json/jsontext"
	"k8s.io/apimachinery/pkg/labels"
)

// podLabels are a pod's labels as they came. A string is made only of a value that is asked for.
type podLabels struct {
	// text has all keys and values, one after the other.
	text []byte
	at   []labelAt
}

// labelAt is where a label is: its key from key to value, and its value from there to end.
type labelAt struct{ key, value, end int }

var _ labels.Labels = (*podLabels)(nil)

func (l *podLabels) reset() { l.text, l.at = l.text[:0], l.at[:0] }

// begin adds a label with no value yet.
func (l *podLabels) begin(key []byte) {
	start := len(l.text)
	l.text = append(l.text, key...)
	l.at = append(l.at, labelAt{start, len(l.text), len(l.text)})
}

// end gives the label that was added last its value.
func (l *podLabels) end(value []byte) {
	l.text = append(l.text, value...)
	l.at[len(l.at)-1].end = len(l.text)
}

// Lookup implements labels.Labels. The last of equal keys counts.
func (l *podLabels) Lookup(label string) (string, bool) {
	for i := len(l.at) - 1; i >= 0; i-- {
		if at := l.at[i]; string(l.text[at.key:at.value]) == label {
			return string(l.text[at.value:at.end]), true
		}
	}
	return "", false
}

// Has implements labels.Labels.
func (l *podLabels) Has(label string) bool {
	_, ok := l.Lookup(label)
	return ok
}

// Get implements labels.Labels.
func (l *podLabels) Get(label string) string {
	value, _ := l.Lookup(label)
	return value
}

// label reads the label with this key.
func (d *desk) label(key []byte) error {
	kept := &d.review.pod.labels
	kept.begin(key)
	text, kind, err := d.Text()
	switch {
	case err != nil:
		return err
	case kind == jsontext.KindString:
		kept.end(text)
	case kind != jsontext.KindNull:
		d.fault("label %s is a JSON %s, and no string", kept.text[kept.at[len(kept.at)-1].key:], kind)
	}
	return nil
}
