package podmetrics

import (
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/sartor-vpa/sartor/pkg/tokens"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

const (
	listKind = "PodMetricsList"
	// maxToken bounds one name or string, in bytes: the reader holds one at a time. Nothing in etcd is larger.
	maxToken = 1 << 20
)

// list reads a PodMetricsList as it comes. What is known of it at a time is one pod.
//
//	{"kind": "PodMetricsList", "items": [
//	  {"metadata": {"name": POD, "namespace": NAMESPACE}, "timestamp": RFC3339,
//	   "containers": [{"name": NAME, "usage": {"cpu": QUANTITY, "memory": QUANTITY}}]}]}
//
// Keys may come in any order; unknown ones are skipped; the last of equal ones counts. What is not of the type
// that the API promises is left out, and what depended on it is dropped: one bad pod does not cost the others.
type list struct {
	tokens.Reader
	f     func(usage.Sample)
	names names
	pod   pod
	round Round

	kind, message string
}

// decode calls f for every sample of the PodMetricsList that body holds.
func decode(body io.Reader, f func(usage.Sample)) (Round, error) {
	guard := &guard{body: body}
	// Finding equal keys would mean to hold all keys of an object, however many there are.
	guard.dec = jsontext.NewDecoder(guard, jsontext.AllowDuplicateNames(true))
	l := &list{Reader: tokens.Reader{Decoder: guard.dec}, f: f, names: names{}, round: Round{Dropped: map[Reason]int{}}}
	err := l.read()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return l.round, err
}

// read reads all of the answer.
func (l *list) read() error {
	isObject, err := l.Object(l.member)
	if err != nil {
		return err
	}
	if !isObject {
		return errors.New("the answer is no object")
	}
	if err := l.checkKind(); err != nil {
		return err
	}
	if _, err := l.Decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("more follows where the answer should end")
	}
	return nil
}

func (l *list) member(key []byte) (err error) {
	switch string(key) {
	case "kind":
		l.kind, err = l.String()
	case "message":
		l.message, err = l.String()
	case "items":
		if err := l.checkKind(); err != nil {
			return err
		}
		_, err = l.Array(l.item)
	default:
		err = l.Skip()
	}
	return err
}

// checkKind fails if the server is known to have sent something else, most often a Status.
func (l *list) checkKind() error {
	if l.kind == "" || l.kind == listKind {
		return nil
	}
	return fmt.Errorf("the server sent a %s instead of a %s: %q", l.kind, listKind, l.message)
}

func (l *list) item() error {
	l.round.Pods++
	l.pod.reset()
	if _, err := l.Object(l.podMember); err != nil {
		return err
	}
	l.pod.flush(&l.round, l.f)
	return nil
}

func (l *list) podMember(key []byte) (err error) {
	switch string(key) {
	case "metadata":
		_, err = l.Object(l.metaMember)
	case "timestamp":
		err = l.timestamp()
	case "containers":
		l.pod.containers = l.pod.containers[:0]
		_, err = l.Array(l.container)
	default:
		err = l.Skip()
	}
	return err
}

func (l *list) metaMember(key []byte) (err error) {
	switch string(key) {
	case "name":
		l.pod.name, err = l.String()
	case "namespace":
		l.pod.namespace, err = l.name()
	default:
		err = l.Skip()
	}
	return err
}

func (l *list) timestamp() error {
	text, _, err := l.Text()
	if err == nil {
		l.pod.time = parseTime(text)
	}
	return err
}

func (l *list) container() error {
	l.pod.containers = append(l.pod.containers, container{})
	_, err := l.Object(l.containerMember)
	l.pod.bound(&l.round)
	return err
}

func (l *list) containerMember(key []byte) (err error) {
	c := l.pod.last()
	switch string(key) {
	case "name":
		c.name, err = l.name()
	case "usage":
		c.values = [len(usage.Resources)]value{}
		_, err = l.Object(l.usageMember)
	default:
		err = l.Skip()
	}
	return err
}

func (l *list) usageMember(key []byte) error {
	for _, r := range usage.Resources {
		if string(key) == r.String() {
			return l.quantity(r)
		}
	}
	return l.Skip()
}

func (l *list) quantity(r usage.Resource) error {
	v := value{set: true, fault: NotANumber}
	text, kind, err := l.Text()
	if err != nil {
		return err
	}
	if kind == jsontext.KindString || kind == jsontext.KindNumber {
		v.amount, v.fault = amount(text, r)
	}
	l.pod.last().values[r] = v
	return nil
}
