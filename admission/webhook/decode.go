package webhook

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	reviewVersion = "admission.k8s.io/v1"
	reviewKind    = "AdmissionReview"
)

// review is an AdmissionReview, cut down to what a decision reads. The rest is passed over unread:
//
//	{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
//	  "uid": UID, "operation": "CREATE", "resource": {"group": "", "resource": "pods"}, "subResource": "",
//	  "namespace": NAMESPACE, "object": {
//	    "metadata": {"annotations": {KEY: VALUE}, "labels": {KEY: VALUE}, "ownerReferences": [...]},
//	    "spec": {"containers": [CONTAINER], "initContainers": [CONTAINER], "resources": RESOURCES}}}}
//
// where a CONTAINER is {"name": NAME, "restartPolicy": "Always", "resources": RESOURCES} and RESOURCES are
// {"limits": {"cpu": QUANTITY, "memory": QUANTITY}, "requests": {...}}. Keys may come in any order; the last of
// equal ones counts; null is as good as absent.
type review struct {
	apiVersion, kind string
	request
}

// request is an AdmissionRequest.
type request struct {
	uid, namespace string
	// creates, and pods, say that something is created, and that it is a pod or one of its subresources.
	creates, group, pods, subResource bool
	// fault is why the object is no pod; nil if it is one.
	fault error
	pod   pod
}

func (r *review) reset() {
	r.pod.reset()
	*r = review{request: request{pod: r.pod}}
}

// isPodCreation reports whether a pod is to be created, and not one of its subresources.
func (r *request) isPodCreation() bool { return r.creates && r.pods && !r.group && !r.subResource }

func (d *desk) member(key []byte) (err error) {
	r := &d.review
	switch string(key) {
	case "apiVersion":
		r.apiVersion, err = d.known(reviewVersion)
	case "kind":
		r.kind, err = d.known(reviewKind)
	case "request":
		apiVersion, kind := r.apiVersion, r.kind
		r.reset()
		r.apiVersion, r.kind, r.fault = apiVersion, kind, errNoObject
		_, err = d.Object(d.requestMember)
	default:
		err = d.Skip()
	}
	return err
}

var errNoObject = errors.New("the review has no object")

func (d *desk) requestMember(key []byte) (err error) {
	r := &d.review.request
	switch string(key) {
	case "uid":
		r.uid, err = d.String()
	case "namespace":
		r.namespace, err = d.String()
	case "operation":
		r.creates, err = d.is("CREATE")
	case "subResource":
		r.subResource, err = d.differs("")
	case "resource":
		r.group, r.pods = false, false
		_, err = d.Object(d.resourceMember)
	case "object":
		err = d.object()
	default:
		err = d.Skip()
	}
	return err
}

func (d *desk) resourceMember(key []byte) (err error) {
	switch string(key) {
	case "group":
		d.review.group, err = d.differs("")
	case "resource":
		d.review.pods, err = d.is("pods")
	default:
		err = d.Skip()
	}
	return err
}

// mustObject reads an object, or null. Anything else makes the pod one that is not understood.
func (d *desk) mustObject(field string, member func(key []byte) error) error {
	kind := d.decoder.PeekKind()
	isObject, err := d.Object(member)
	if err == nil && !isObject && kind != jsontext.KindNull {
		d.fault("%s is a JSON %s, and no object", field, kind)
	}
	return err
}

// mustArray reads an array, or null. Anything else makes the pod one that is not understood.
func (d *desk) mustArray(field string, element func() error) error {
	kind := d.decoder.PeekKind()
	isArray, err := d.Array(element)
	if err == nil && !isArray && kind != jsontext.KindNull {
		d.fault("%s is a JSON %s, and no array", field, kind)
	}
	return err
}

// fault notes why the pod is not understood: the first reason.
func (d *desk) fault(format string, args ...any) {
	if d.review.fault == nil {
		d.review.fault = fmt.Errorf(format, args...)
	}
}

// known reads a string; the one that is expected costs nothing.
func (d *desk) known(expected string) (string, error) {
	text, kind, err := d.Text()
	switch {
	case kind != jsontext.KindString:
		return "", err
	case string(text) == expected:
		return expected, err
	}
	return string(text), err
}

// is reads a value and reports whether it is this string.
func (d *desk) is(s string) (bool, error) {
	text, kind, err := d.Text()
	return kind == jsontext.KindString && string(text) == s, err
}

// differs reads a value and reports whether it is another string than s.
func (d *desk) differs(s string) (bool, error) {
	text, kind, err := d.Text()
	return kind == jsontext.KindString && string(text) != s, err
}
