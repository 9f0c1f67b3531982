// Package checkpoint turns what is known of a container into the object that upstream stores it in, and back. What
// upstream has no field for is in an annotation. It has no client and no clock.
package checkpoint

import (
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/histogram"
)

// Version is the only version of the format that is read and written; upstream's name for it.
const Version = "v3"

// ErrOtherOwner is wrapped by Decode's error when a checkpoint is not of the VPA that asks: of one that was deleted since, or
// of the same one with another target.
var ErrOtherOwner = errors.New("the checkpoint is another owner's")

// Owner is whose usage a checkpoint holds.
type Owner struct {
	// Namespace and VPA are the VPA's namespace and name.
	Namespace, VPA string
	UID            types.UID
	// Target is the VPA's target, like "apps/Deployment/shop".
	Target string
}

// Coverage is the time of which a checkpoint's histograms hold every sample that there was, live and history together.
type Coverage struct{ From, To time.Time }

// Decoded is what was read from a checkpoint.
type Decoded struct {
	VPA, Container string
	Checkpoint     aggregate.Checkpoint
	Coverage       Coverage
	// Owned is set if the checkpoint says itself that it is the owner's; upstream's says no more than a name.
	Owned bool
	// Saved is when it was saved, in whole seconds. It may lie in the future if a clock was wrong.
	Saved time.Time
}

// Name is that of the object which holds a container's checkpoint.
func Name(vpa, container string) string { return vpa + "-" + container }

// Encode returns the object to store. now is the time for which c was saved.
func Encode(o Owner, container string, c aggregate.Checkpoint, cover Coverage, now time.Time) *vpav1.VerticalPodAutoscalerCheckpoint {
	now = now.UTC().Truncate(time.Second) // what the API keeps of a time
	return &vpav1.VerticalPodAutoscalerCheckpoint{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: o.Namespace, Name: Name(o.VPA, container),
			Annotations: map[string]string{Annotation: encodeNote(o, c, cover, now)},
		},
		Spec: vpav1.VerticalPodAutoscalerCheckpointSpec{VPAObjectName: o.VPA, ContainerName: container},
		Status: vpav1.VerticalPodAutoscalerCheckpointStatus{
			LastUpdateTime:    metav1.NewTime(now),
			Version:           Version,
			CPUHistogram:      toAPI(c.CPU),
			MemoryHistogram:   toAPI(c.Memory),
			FirstSampleStart:  metav1.NewTime(c.First),
			LastSampleStart:   metav1.NewTime(c.Last),
			TotalSamplesCount: c.Samples,
		},
	}
}

// Decode reads an object that this program or upstream's has stored for o. It does not check the histograms; loading them
// does. An error wraps ErrOtherOwner, or says what is not understood of the object.
func Decode(cp *vpav1.VerticalPodAutoscalerCheckpoint, o Owner) (Decoded, error) {
	d := Decoded{
		VPA: cp.Spec.VPAObjectName, Container: cp.Spec.ContainerName, Saved: cp.Status.LastUpdateTime.Time,
		Checkpoint: aggregate.Checkpoint{
			CPU: fromAPI(cp.Status.CPUHistogram), Memory: fromAPI(cp.Status.MemoryHistogram),
			First: cp.Status.FirstSampleStart.Time, Last: cp.Status.LastSampleStart.Time, Samples: cp.Status.TotalSamplesCount,
		},
		Coverage: Coverage{From: cp.Status.FirstSampleStart.Time, To: cp.Status.LastSampleStart.Time},
	}
	if cp.Status.Version != Version {
		return d, fmt.Errorf("checkpoint %s/%s: version %q: only %q is understood", cp.Namespace, cp.Name, cp.Status.Version, Version)
	}
	if d.VPA != o.VPA || cp.Namespace != o.Namespace {
		return d, fmt.Errorf("checkpoint %s/%s is of VPA %q and not of %s/%s: %w", cp.Namespace, cp.Name, d.VPA, o.Namespace, o.VPA, ErrOtherOwner)
	}
	if d.Container == "" {
		return d, fmt.Errorf("checkpoint %s/%s: spec.containerName is empty", cp.Namespace, cp.Name)
	}
	text, ok := cp.Annotations[Annotation]
	if !ok {
		return d, nil // upstream's
	}
	if err := d.takeNote(text, o); err != nil {
		return d, fmt.Errorf("checkpoint %s/%s: annotation %s: %w", cp.Namespace, cp.Name, Annotation, err)
	}
	return d, nil
}

func toAPI(c histogram.Checkpoint) vpav1.HistogramCheckpoint {
	return vpav1.HistogramCheckpoint{ReferenceTimestamp: metav1.NewTime(c.Reference), BucketWeights: c.Weights, TotalWeight: c.Total}
}

func fromAPI(c vpav1.HistogramCheckpoint) histogram.Checkpoint {
	return histogram.Checkpoint{Reference: c.ReferenceTimestamp.Time, Weights: c.BucketWeights, Total: c.TotalWeight}
}
