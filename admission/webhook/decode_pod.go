package webhook

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/utils/annotations"

	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/quantity"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// pod is a Pod.
type pod struct {
	// annotations are those that a decision reads; nil if the pod has none at all.
	annotations map[string]string
	// kept is the map for them.
	kept map[string]string
	// labels are all of them.
	labels podLabels
	// owners has the controlling owner, if there is one.
	owners []metav1.OwnerReference
	// asking is what it asks for. has tells by container what of that is there, be it empty.
	asking policy.Pod
	has    []members
	// level is where asking.Level points, if the pod asks for anything as a whole.
	level policy.Resources
}

// members tells which members a container has.
type members struct{ resources, limits, requests bool }

// reset empties p, but for what can be filled again.
func (p *pod) reset() {
	clear(p.kept)
	p.labels.reset()
	*p = pod{
		kept: p.kept, labels: p.labels, owners: p.owners[:0], has: p.has[:0],
		asking: policy.Pod{Containers: p.asking.Containers[:0], Init: p.asking.Init[:0]},
	}
}

// object reads a pod.
func (d *desk) object() error {
	r := &d.review.request
	r.fault = nil
	r.pod.reset()
	if d.isNext(jsontext.KindNull) {
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
		if d.isNext(jsontext.KindBeginObject) {
			if p.kept == nil {
				p.kept = map[string]string{}
			}
			p.annotations = p.kept
		}
		return d.mustObject("metadata.annotations", d.annotation)
	case "labels":
		p.labels.reset()
		return d.mustObject("metadata.labels", d.label)
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
	if err == nil && kind != jsontext.KindString && kind != jsontext.KindNull {
		d.fault("annotation %s is a JSON %s, and no string", name, kind)
	}
	d.review.pod.annotations[name] = string(text)
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
	if bytes.HasPrefix(key, []byte(annotations.StartupCPUBoostAnnotationPrefix)) {
		return string(key), true
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
		if d.isNext(jsontext.KindTrue) {
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
		p.asking.Containers, p.has = p.asking.Containers[:0], p.has[:0]
		return d.mustArray("spec.containers", d.container)
	case "initContainers":
		p.asking.Init = p.asking.Init[:0]
		return d.mustArray("spec.initContainers", d.initContainer)
	case "resources":
		p.asking.Level = nil
		err := d.resources(&p.level, new(members))
		if p.level != (policy.Resources{}) {
			p.asking.Level = &p.level
		}
		return err
	}
	return d.Skip()
}

func (d *desk) container() error {
	p := &d.review.pod
	p.asking.Containers, p.has = append(p.asking.Containers, policy.PodContainer{}), append(p.has, members{})
	c, has := &p.asking.Containers[len(p.asking.Containers)-1], &p.has[len(p.has)-1]
	return d.mustObject("spec.containers[]", func(key []byte) (err error) {
		switch string(key) {
		case "name":
			c.Name, err = d.String()
		case "resources":
			err = d.resources(&c.Now, has)
		default:
			err = d.Skip()
		}
		return err
	})
}

func (d *desk) initContainer() error {
	p := &d.review.pod
	p.asking.Init = append(p.asking.Init, policy.InitContainer{})
	c := &p.asking.Init[len(p.asking.Init)-1]
	return d.mustObject("spec.initContainers[]", func(key []byte) (err error) {
		switch string(key) {
		case "restartPolicy":
			c.Sidecar, err = d.is("Always")
		case "resources":
			err = d.resources(&c.Now, new(members))
		default:
			err = d.Skip()
		}
		return err
	})
}

func (d *desk) resources(r *policy.Resources, has *members) error {
	*r, *has = policy.Resources{}, members{resources: d.isNext(jsontext.KindBeginObject)}
	return d.mustObject("resources", func(key []byte) error {
		switch string(key) {
		case "limits":
			has.limits = d.isNext(jsontext.KindBeginObject)
			return d.amounts(&r.Limits)
		case "requests":
			has.requests = d.isNext(jsontext.KindBeginObject)
			return d.amounts(&r.Requests)
		}
		return d.Skip()
	})
}

func (d *desk) amounts(a *policy.Amounts) error {
	*a = policy.Amounts{}
	return d.mustObject("resources.limits and resources.requests", func(key []byte) (err error) {
		for _, r := range usage.Resources {
			if string(key) == r.String() {
				a[r], err = d.amount(r)
				return err
			}
		}
		return d.Skip()
	})
}

// amount reads a quantity.
func (d *desk) amount(r usage.Resource) (policy.Value, error) {
	text, kind, err := d.Text()
	if err != nil || kind == jsontext.KindNull {
		return policy.Value{}, err
	}
	q, err := quantity.Parse(bytes.TrimSpace(text))
	if err != nil {
		d.fault("%s is %.50q: %w", r, text, err)
		return policy.Value{}, nil
	}
	return policy.ValueOf(r, q), nil
}

func (d *desk) isNext(kind jsontext.Kind) bool { return d.decoder.PeekKind() == kind }
