package guard

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apijson "k8s.io/apimachinery/pkg/util/json" // as clients decode: names of fields are told apart by case
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
)

// unreadable is the annotation that says what could not be read of a VPA. No API server takes an annotation of that name,
// so that nobody can have written it.
const unreadable = "/unreadable"

// Unreadable returns why a VPA's spec came without a part of what is in it, with the field, its value and the remedy; nil
// if it is complete. Such a VPA comes without a recommendation, too, so that nobody acts on it.
func Unreadable(vpa *vpav1.VerticalPodAutoscaler) error {
	if said := vpa.Annotations[unreadable]; strings.HasPrefix(said, "spec.") {
		return errors.New(said)
	}
	return nil
}

// UnreadableStatus is Unreadable for the status, which comes without the fields that cannot be read.
func UnreadableStatus(vpa *vpav1.VerticalPodAutoscaler) error {
	if said := vpa.Annotations[unreadable]; strings.HasPrefix(said, "status.") {
		return errors.New(said)
	}
	return nil
}

// kind is a kind of object that is guarded against.
type kind struct {
	name string
	// readable reports whether an object can be decoded, and in little time.
	readable func(object []byte) bool
	// repaired returns what can be read of an object.
	repaired func(*parts) any
}

var (
	vpas        = kind{name: "VerticalPodAutoscaler", readable: readableVPA, repaired: repairedVPA}
	checkpoints = kind{name: "VerticalPodAutoscalerCheckpoint", readable: readableCheckpoint, repaired: repairedCheckpoint}
)

// parts are an object whose spec and status are not decoded.
type parts struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        metav1.ObjectMeta          `json:"metadata"`
	Spec            map[string]json.RawMessage `json:"spec"`
	Status          map[string]json.RawMessage `json:"status"`
}

// guard returns an object as it is if it can be decoded, or is of another kind; else what can be read of it.
func (k *kind) guard(object []byte) []byte {
	if k.readable(object) {
		return object
	}
	var p parts
	if err := apijson.Unmarshal(object, &p); err != nil || p.Kind != k.name {
		return object
	}
	repaired, err := json.Marshal(k.repaired(&p))
	if err != nil {
		return object
	}
	return repaired
}

func readableVPA(object []byte) bool {
	return quantitiesOf(object) == nil && apijson.Unmarshal(object, &vpav1.VerticalPodAutoscaler{}) == nil
}

func repairedVPA(p *parts) any {
	vpa := &vpav1.VerticalPodAutoscaler{TypeMeta: p.TypeMeta, ObjectMeta: p.Metadata}
	problem := take(p.Status, "status", &vpa.Status)
	if inSpec := take(p.Spec, "spec", &vpa.Spec); inSpec != nil {
		problem, vpa.Status.Recommendation = inSpec, nil
	}
	if problem != nil {
		metav1.SetMetaDataAnnotation(&vpa.ObjectMeta, unreadable, problem.Error())
	}
	return vpa
}

func readableCheckpoint(object []byte) bool {
	return apijson.Unmarshal(object, &vpav1.VerticalPodAutoscalerCheckpoint{}) == nil
}

// repairedCheckpoint leaves out the whole status: with a part of what it knew a checkpoint would tell something else.
func repairedCheckpoint(p *parts) any {
	checkpoint := &vpav1.VerticalPodAutoscalerCheckpoint{TypeMeta: p.TypeMeta, ObjectMeta: p.Metadata}
	_ = take(p.Spec, "spec", &checkpoint.Spec) // whose it is; without that it is nobody's
	return checkpoint
}

// take decodes those members into `into` that can be decoded, and returns the first problem, by name.
func take[T any](members map[string]json.RawMessage, at string, into *T) (first error) {
	for _, name := range slices.Sorted(maps.Keys(members)) {
		err := quantitiesIn(members[name], at, name)
		if err == nil {
			err = takeOne(name, members[name], at, into)
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// takeOne decodes one member into `into`, all of it or nothing.
func takeOne[T any](name string, value json.RawMessage, at string, into *T) error {
	object, err := json.Marshal(map[string]json.RawMessage{name: value})
	if err == nil {
		var trial T
		if err = apijson.Unmarshal(object, &trial); err == nil {
			err = apijson.Unmarshal(object, into)
		}
	}
	if err != nil {
		return fmt.Errorf("%s.%s cannot be read: %s: write what kubectl explain vpa.%s.%s says", at, name, clipped(err.Error()), at, name)
	}
	return nil
}
