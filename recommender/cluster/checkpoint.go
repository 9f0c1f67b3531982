package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sartor-vpa/sartor/pkg/mirror"
)

// maxRestarts is how often Checkpoints begins again. A list that takes longer than the API server
// keeps its pages, five minutes, will not be quicker the next time.
const maxRestarts = 3

// Checkpoints calls f with each checkpoint, as the API server has them now, in pages: they are never
// held all at once. f may keep what it gets. A list that outlives its pages begins again, and f
// gets the same checkpoints again.
func (c *Cluster) Checkpoints(ctx context.Context, f func(*vpav1.VerticalPodAutoscalerCheckpoint)) error {
	list := &vpav1.VerticalPodAutoscalerCheckpointList{}
	for restarts := 0; ; {
		next := list.Continue
		list = &vpav1.VerticalPodAutoscalerCheckpointList{}
		err := c.reader.List(ctx, list, client.InNamespace(c.options.Namespace), client.Limit(mirror.PageSize), client.Continue(next))
		switch {
		case next != "" && restarts < maxRestarts && apierrors.IsResourceExpired(err):
			restarts++
			list.Continue = ""
			continue
		case err != nil:
			return fmt.Errorf("listing checkpoints: %w", err)
		}
		for i := range list.Items {
			if cp := &list.Items[i]; c.options.sees(cp.Namespace) {
				cp.ManagedFields = nil
				f(cp)
			}
		}
		if list.Continue == "" {
			return nil
		}
	}
}

// WriteCheckpoint makes spec, status and each annotation of cp those of the checkpoint of that
// name, whole, and creates it where there is none. Other annotations stay, and labels. cp is not changed.
func (c *Cluster) WriteCheckpoint(ctx context.Context, cp *vpav1.VerticalPodAutoscalerCheckpoint) error {
	err := c.patchCheckpoint(ctx, cp, false)
	if apierrors.IsInvalid(err) && len(cp.Annotations) > 0 {
		// Most likely it has no annotations yet, as upstream's have none.
		err = c.patchCheckpoint(ctx, cp, true)
	}
	if apierrors.IsNotFound(err) {
		err = c.client.Create(ctx, cp.DeepCopy())
	}
	if err != nil {
		return fmt.Errorf("writing checkpoint %s/%s: %w", cp.Namespace, cp.Name, err)
	}
	return nil
}

// patchCheckpoint replaces what is ours in a checkpoint; bare says that it has no annotations.
func (c *Cluster) patchCheckpoint(ctx context.Context, cp *vpav1.VerticalPodAutoscalerCheckpoint, bare bool) error {
	patch, err := checkpointPatch(cp, bare)
	if err != nil {
		return err
	}
	// Of the answer only the metadata is wanted.
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(vpav1.SchemeGroupVersion.WithKind("VerticalPodAutoscalerCheckpoint"))
	object.Namespace, object.Name = cp.Namespace, cp.Name
	return c.client.Patch(ctx, object, client.RawPatch(types.JSONPatchType, patch))
}

// operation is one of a JSON patch (RFC 6902).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// checkpointPatch returns a JSON patch, because a merge patch would leave buckets in the status that
// are empty now. Its "add" is "replace" where there is something to be replaced, and does no harm
// where there is not.
//
// A bare checkpoint gets its annotations in one piece. That fails, as it must, if somebody has given
// it one since: the test says so.
func checkpointPatch(cp *vpav1.VerticalPodAutoscalerCheckpoint, bare bool) ([]byte, error) {
	operations := []operation{{Op: "add", Path: "/spec", Value: cp.Spec}, {Op: "add", Path: "/status", Value: cp.Status}}
	if bare {
		operations = append(operations,
			operation{Op: "test", Path: "/metadata/annotations"},
			operation{Op: "add", Path: "/metadata/annotations", Value: cp.Annotations})
	} else {
		for _, key := range slices.Sorted(maps.Keys(cp.Annotations)) {
			operations = append(operations, operation{Op: "add", Path: "/metadata/annotations/" + escape.Replace(key), Value: cp.Annotations[key]})
		}
	}
	patch, err := json.Marshal(operations)
	if err != nil {
		return nil, fmt.Errorf("encoding the patch: %w", err)
	}
	return patch, nil
}

// escape makes a key a part of a JSON pointer (RFC 6901).
var escape = strings.NewReplacer("~", "~0", "/", "~1")

// DeleteCheckpoint deletes a checkpoint. That there is none is no error.
func (c *Cluster) DeleteCheckpoint(ctx context.Context, name types.NamespacedName) error {
	cp := &vpav1.VerticalPodAutoscalerCheckpoint{}
	cp.Namespace, cp.Name = name.Namespace, name.Name
	if err := client.IgnoreNotFound(c.client.Delete(ctx, cp)); err != nil {
		return fmt.Errorf("deleting checkpoint %s: %w", name, err)
	}
	return nil
}
