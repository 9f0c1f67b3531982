package checkpoint

import (
	"encoding/json"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// Annotation is the key of what upstream's checkpoints have no field for, as JSON.
const Annotation = "sartor.dev/checkpoint"

// maxAnnotation is the size in bytes above which an annotation is not read: what the API server allows all of an object's.
const maxAnnotation = 256 << 10

// note is the annotation.
type note struct {
	// Updated is the status's lastUpdateTime. Upstream writes the status alone and leaves the annotation as it was; it says
	// nothing then.
	Updated metav1.Time      `json:"lastUpdateTime"`
	UID     types.UID        `json:"uid"`
	Target  string           `json:"target"`
	From    metav1.MicroTime `json:"from"`
	To      metav1.MicroTime `json:"to"`
	Running []running        `json:"running,omitempty"`
	// Unlisted is how many running windows there are beside these.
	Unlisted int `json:"unlisted,omitempty"`
}

// running is an aggregate.Running. Times are in nanoseconds since 1970, 0 for none; amounts are in bytes.
type running struct {
	Pod        string       `json:"pod"`
	LastCPU    int64        `json:"cpu,omitempty"`
	LastMemory int64        `json:"memory,omitempty"`
	End        int64        `json:"end,omitempty"`
	Peak       usage.Amount `json:"peak,omitempty"`
	OOMPeak    usage.Amount `json:"oom,omitempty"`
	Open       bool         `json:"open,omitempty"`
}

func encodeNote(o Owner, c aggregate.Checkpoint, cover Coverage, now time.Time) string {
	n := note{
		Updated: metav1.NewTime(now), UID: o.UID, Target: o.Target,
		From: metav1.NewMicroTime(cover.From), To: metav1.NewMicroTime(cover.To), Unlisted: c.Unlisted,
	}
	for _, r := range c.Running {
		n.Running = append(n.Running, running{
			Pod: r.Pod, LastCPU: nanos(r.LastCPU), LastMemory: nanos(r.LastMemory), End: nanos(r.End),
			Peak: r.Peak, OOMPeak: r.OOMPeak, Open: r.Open,
		})
	}
	text, _ := json.Marshal(n) // strings, numbers and the API's times: there is nothing in it that could fail
	return string(text)
}

// takeNote fills d from the annotation if that is of the same save as the status.
func (d *Decoded) takeNote(text string, o Owner) error {
	if len(text) > maxAnnotation {
		return fmt.Errorf("%d bytes: must be at most %d", len(text), maxAnnotation)
	}
	var n note
	if err := json.Unmarshal([]byte(text), &n); err != nil {
		return fmt.Errorf("must be as this program writes it: %w", err)
	}
	if !n.Updated.Time.Equal(d.Saved) {
		return nil
	}
	if n.UID != o.UID {
		return fmt.Errorf("uid %q is not %q: %w", n.UID, o.UID, ErrOtherOwner)
	}
	if n.Target != o.Target {
		return fmt.Errorf("target %q is not %q: %w", n.Target, o.Target, ErrOtherOwner)
	}
	if n.To.Time.Before(n.From.Time) {
		return fmt.Errorf("to %s: must not be before from %s", n.To, n.From)
	}
	d.Coverage, d.Owned = Coverage{From: n.From.Time, To: n.To.Time}, true
	d.Checkpoint.Unlisted = n.Unlisted
	for _, r := range n.Running {
		d.Checkpoint.Running = append(d.Checkpoint.Running, aggregate.Running{
			Pod: r.Pod, LastCPU: at(r.LastCPU), LastMemory: at(r.LastMemory), End: at(r.End),
			Peak: r.Peak, OOMPeak: r.OOMPeak, Open: r.Open,
		})
	}
	return nil
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func at(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos).UTC()
}
