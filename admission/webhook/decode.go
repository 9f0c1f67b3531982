package webhook

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/utils/annotations"

	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/quantity"
	"github.com/sartor-vpa/sartor/pkg/usage"
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
//	    "metadata": {"annotations": {KEY: VALUE}, "ownerReferences": [...]},
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

// pod is a Pod.
type pod struct {
	// annotations are those that a decision reads; nil if the pod has none at all.
	annotations map[string]string
	// kept is the map for them.
	kept map[string]string
	// owners has the controlling owner, if there is one.
	owners                     []metav1.OwnerReference
	containers, initContainers []container
	resources                  resources
}

type container struct {
	name string
	// sidecar is set for an init container that runs as long as the pod.
	sidecar   bool
	resources resources
}

// resources are those of a container or of a pod. What exists may be empty.
type resources struct {
	exists           bool
	limits, requests list
}

type list struct {
	exists  bool
	amounts [len(usage.Resources)]amount
}

// amount is a resource that a list may name.
type amount struct {
	set bool
	resource.Quantity
}

func (r *review) reset() {
	p := &r.pod
	clear(p.kept)
	*r = review{request: request{pod: pod{kept: p.kept, owners: p.owners[:0], containers: p.containers[:0], initContainers: p.initContainers[:0]}}}
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

// object reads a pod.
func (d *desk) object() error {
	r := &d.review.request
	r.fault = nil
	clear(r.pod.kept)
	r.pod = pod{kept: r.pod.kept, owners: r.pod.owners[:0], containers: r.pod.containers[:0], initContainers: r.pod.initContainers[:0]}
	if d.decoder.PeekKind() == jsontext.KindNull {
		r.fault = errNoObject
	}
	return d.mustObject("object", d.objectMember)
}

func (d *desk) objectMember(key []byte) error {
	switch string(key) {
	case "metadata":
		return d.mustObject("metadata", d.metaMember)
	case "spec":
		return d.mustObject("spec", d.specMember)
	}
	return d.Skip()
}

func (d *desk) metaMember(key []byte) error {
	p := &d.review.pod
	switch string(key) {
	case "annotations":
		clear(p.kept)
		p.annotations = nil
		if d.decoder.PeekKind() == jsontext.KindBeginObject {
			if p.kept == nil {
				p.kept = map[string]string{}
			}
			p.annotations = p.kept
		}
		return d.mustObject("metadata.annotations", d.annotation)
	case "ownerReferences":
		p.owners = p.owners[:0]
		return d.mustArray("metadata.ownerReferences", d.owner)
	}
	return d.Skip()
}

// annotation reads the annotation with this key, if it is one that decisions know.
func (d *desk) annotation(key []byte) error {
	name, ok := knownAnnotation(key)
	if !ok {
		return d.Skip()
	}
	text, kind, err := d.Text()
	if err == nil && kind == jsontext.KindString {
		d.review.pod.annotations[name] = string(text)
	}
	return err
}

// knownAnnotation returns the key of an annotation that a decision reads.
func knownAnnotation(key []byte) (string, bool) {
	for _, known := range [...]string{
		InjectAnnotation, policy.DeclaredAnnotation, policy.UpdatesAnnotation, policy.LimitRangerAnnotation, annotations.VpaObservedContainersLabel,
	} {
		if string(key) == known {
			return known, true
		}
	}
	return "", false
}

// owner reads an owner, and keeps it if it is the one that controls the pod.
func (d *desk) owner() error {
	p := &d.review.pod
	p.owners = append(p.owners, metav1.OwnerReference{})
	if err := d.mustObject("metadata.ownerReferences[]", d.ownerMember); err != nil {
		return err
	}
	if last := len(p.owners) - 1; p.owners[last].Controller == nil || last > 0 {
		p.owners = p.owners[:last]
	}
	return nil
}

var yes = true

func (d *desk) ownerMember(key []byte) (err error) {
	o := &d.review.pod.owners[len(d.review.pod.owners)-1]
	switch string(key) {
	case "apiVersion":
		o.APIVersion, err = d.known("apps/v1")
	case "kind":
		o.Kind, err = d.known("ReplicaSet")
	case "name":
		o.Name, err = d.String()
	case "uid":
		var uid string
		uid, err = d.String()
		o.UID = types.UID(uid)
	case "controller":
		o.Controller = nil
		if d.decoder.PeekKind() == jsontext.KindTrue {
			o.Controller = &yes
		}
		err = d.Skip()
	default:
		err = d.Skip()
	}
	return err
}

func (d *desk) specMember(key []byte) error {
	p := &d.review.pod
	switch string(key) {
	case "containers":
		p.containers = p.containers[:0]
		return d.mustArray("spec.containers", func() error { return d.container(&p.containers) })
	case "initContainers":
		p.initContainers = p.initContainers[:0]
		return d.mustArray("spec.initContainers", func() error { return d.container(&p.initContainers) })
	case "resources":
		return d.resources(&p.resources)
	}
	return d.Skip()
}

// container reads a container onto the end of all.
func (d *desk) container(all *[]container) error {
	*all = append(*all, container{})
	c := &(*all)[len(*all)-1]
	return d.mustObject("spec.containers[]", func(key []byte) (err error) {
		switch string(key) {
		case "name":
			c.name, err = d.String()
		case "restartPolicy":
			c.sidecar, err = d.is("Always")
		case "resources":
			err = d.resources(&c.resources)
		default:
			err = d.Skip()
		}
		return err
	})
}

func (d *desk) resources(r *resources) error {
	*r = resources{exists: d.decoder.PeekKind() == jsontext.KindBeginObject}
	return d.mustObject("resources", func(key []byte) error {
		switch string(key) {
		case "limits":
			return d.list(&r.limits)
		case "requests":
			return d.list(&r.requests)
		}
		return d.Skip()
	})
}

func (d *desk) list(l *list) error {
	*l = list{exists: d.decoder.PeekKind() == jsontext.KindBeginObject}
	return d.mustObject("resources.limits and resources.requests", func(key []byte) error {
		for _, r := range usage.Resources {
			if string(key) == r.String() {
				return d.amount(&l.amounts[r])
			}
		}
		return d.Skip()
	})
}

// amount reads a quantity.
func (d *desk) amount(a *amount) error {
	*a = amount{}
	text, kind, err := d.Text()
	if err != nil || kind == jsontext.KindNull {
		return err
	}
	q, err := quantity.Parse(bytes.TrimSpace(text))
	if err != nil {
		d.fault("a quantity is %.50q: %w", text, err)
		return nil
	}
	*a = amount{set: true, Quantity: q}
	return nil
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
