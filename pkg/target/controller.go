// Package target finds the workload that a pod belongs to, and the VPA that controls that workload.
//
// A VPA controls the pods whose topmost controller is its targetRef. Labels alone never suffice: a
// release candidate may well carry the labels of its primary. But the pods of an operator's resource
// may be of several kinds, of which its selector takes one; so pods that do not match are not patched.
package target

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
)

// Controller names a workload. It is comparable, and without a version: apps/v1 and apps/v1beta1
// are two ways to see the same Deployment.
type Controller struct {
	Group, Kind, Namespace, Name string
}

// String returns, for example, "Deployment store/shop".
func (c Controller) String() string {
	return c.Kind + " " + c.Namespace + "/" + c.Name
}

// wellKnown are the controllers that Kubernetes itself has, and the version that their metadata is
// read in.
var wellKnown = map[schema.GroupKind]string{
	{Group: "apps", Kind: "DaemonSet"}:         "v1",
	{Group: "apps", Kind: "Deployment"}:        "v1",
	{Group: "apps", Kind: "ReplicaSet"}:        "v1",
	{Group: "apps", Kind: "StatefulSet"}:       "v1",
	{Group: "", Kind: "ReplicationController"}: "v1",
	{Group: "batch", Kind: "CronJob"}:          "v1",
	{Group: "batch", Kind: "Job"}:              "v1",
}

// legacyGroup is where the kinds of apps lived first; clusters still hold VPAs that say so.
const legacyGroup = "extensions"

// canonical returns the group and kind that a reference means. Upstream goes by the kind alone for
// what Kubernetes itself has; here the group may be left out or be the old one, but another group's
// Job (Volcano has one) is another kind.
func canonical(group, kind string) schema.GroupKind {
	gk := schema.GroupKind{Group: group, Kind: kind}
	if _, ok := wellKnown[gk]; ok || group != "" && group != legacyGroup {
		return gk
	}
	for known := range wellKnown {
		if known.Kind == kind && (group == "" || known.Group == "apps") {
			return known
		}
	}
	return gk
}

// Of returns the workload that the VPA's targetRef names. Errors name the field, its value and what
// to write instead.
func Of(vpa *vpav1.VerticalPodAutoscaler) (Controller, error) {
	ref := vpa.Spec.TargetRef
	switch {
	case ref == nil:
		return Controller{}, errors.New("spec.targetRef is missing: give the apiVersion, kind and name of a workload")
	case ref.Kind == "":
		return Controller{}, errors.New("spec.targetRef.kind is empty: give the kind of a workload, such as Deployment")
	case ref.Name == "":
		return Controller{}, errors.New("spec.targetRef.name is empty: give the name of a workload in the VPA's namespace")
	}
	gv, err := schema.ParseGroupVersion(ref.APIVersion)
	if err != nil {
		return Controller{}, fmt.Errorf("spec.targetRef.apiVersion %q: give GROUP/VERSION, such as apps/v1: %w", ref.APIVersion, err)
	}
	gk := canonical(gv.Group, ref.Kind)
	if _, ok := wellKnown[gk]; !ok && ref.APIVersion == "" {
		return Controller{}, fmt.Errorf("spec.targetRef.apiVersion is empty: give the GROUP/VERSION of kind %s", ref.Kind)
	}
	return Controller{Group: gk.Group, Kind: gk.Kind, Namespace: vpa.Namespace, Name: ref.Name}, nil
}

// Controlling returns the one of the VPAs on a target that controls it: as upstream, the oldest,
// then the first by name. It is nil for no VPAs. Callers leave out those that cannot control, such
// as VPAs in mode Off where pods are patched.
func Controlling(vpas []*vpav1.VerticalPodAutoscaler) *vpav1.VerticalPodAutoscaler {
	var controlling *vpav1.VerticalPodAutoscaler
	for _, vpa := range vpas {
		if controlling == nil || Compare(vpa, controlling) < 0 {
			controlling = vpa
		}
	}
	return controlling
}

// Compare orders the VPAs of a namespace as Controlling does: whoever comes first controls. It is 0 for one and the same.
func Compare(a, b *vpav1.VerticalPodAutoscaler) int {
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
}

// UpdateMode returns the VPA's update mode; Recreate, as upstream, where it says none.
func UpdateMode(vpa *vpav1.VerticalPodAutoscaler) vpav1.UpdateMode {
	policy := vpa.Spec.UpdatePolicy
	if policy == nil || policy.UpdateMode == nil || *policy.UpdateMode == "" {
		return vpav1.UpdateModeRecreate
	}
	return *policy.UpdateMode
}

// controllerRef returns the owner that manages an object with these owners; nil if nobody does.
func controllerRef(owners []metav1.OwnerReference) *metav1.OwnerReference {
	for i := range owners {
		if owners[i].Controller != nil && *owners[i].Controller {
			return &owners[i]
		}
	}
	return nil
}
