package loop

import (
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
)

// Explanation is how the recommendation of a VPA comes about, for people and for programs.
type Explanation struct {
	// At is when it was asked for.
	At time.Time `json:"at"`
	// Live is set when the running recommender answered. Else what it learnt since its last checkpoint is not known.
	Live       bool   `json:"live"`
	Namespace  string `json:"namespace"`
	VPA        string `json:"vpa"`
	Target     string `json:"target"`
	UpdateMode string `json:"updateMode"`
	// Pods is how many started pods the target has.
	Pods    int                `json:"pods"`
	History HistoryExplanation `json:"history"`
	// Inheritance is nil for a VPA that is no candidate.
	Inheritance *InheritanceExplanation `json:"inheritance,omitempty"`
	// HPAs are those that scale the target on CPU or memory.
	HPAs string `json:"hpas,omitempty"`
	// Containers are those of the target's pods, or without pods all that were seen, and those that something is
	// published for; by name.
	Containers []ContainerExplanation `json:"containers"`
	// Conditions are those of the VPA's status.
	Conditions []vpav1.VerticalPodAutoscalerCondition `json:"conditions,omitempty"`
}

// HistoryExplanation is how much of the past is known, and where from.
type HistoryExplanation struct {
	// State is how far the reading of Prometheus has come: one of none, reading, failing and loaded.
	State string `json:"state"`
	// Error is why it fails, Missing which days are not read.
	Error   string `json:"error,omitempty"`
	Missing string `json:"missing,omitempty"`
	Samples int    `json:"samples"`
	// Resolution is how far apart averages of CPU are, in minutes, and Covered for how many percent of the minutes since
	// First there were samples; zero if nothing was read.
	Resolution float64   `json:"resolutionMinutes,omitempty"`
	First      time.Time `json:"first,omitzero"`
	Covered    int       `json:"coveredPercent,omitempty"`
	// Checkpoints is set when checkpoints were loaded. LastCheckpoint is when the last one was saved, by this process
	// or an earlier one; zero if none is known of.
	Checkpoints    bool      `json:"checkpoints"`
	LastCheckpoint time.Time `json:"lastCheckpoint,omitzero"`
	// Since is when this process began to count live samples, CoveredFrom where what it knows begins.
	Since       time.Time `json:"since"`
	CoveredFrom time.Time `json:"coveredFrom"`
}

// InheritanceExplanation is from whom a candidate takes values, or why it does not.
type InheritanceExplanation struct {
	// Primary is the VPA that it inherits from, Mode is primary or max, Containers says which container has whose
	// values: "shop-rc from shop".
	Primary    string `json:"primary,omitempty"`
	Mode       string `json:"mode,omitempty"`
	Containers string `json:"containers,omitempty"`
	// Reason is why nothing is inherited, Invalid which annotations make no sense.
	Reason  string `json:"reason,omitempty"`
	Invalid string `json:"invalid,omitempty"`
}

// ContainerExplanation is how the values of one container come about.
type ContainerExplanation struct {
	Name string `json:"name"`
	// Source says where the values come from, in words; empty if there are none.
	Source string `json:"source,omitempty"`
	// InheritedFrom is VPA/CONTAINER of the primary that the values come from; empty if they are its own.
	InheritedFrom string `json:"inheritedFrom,omitempty"`
	// Held is set when the values are the published ones, until more is known.
	Held bool `json:"held"`
	// FirstSample and LastSample are of its own CPU usage, whatever it inherits.
	FirstSample time.Time `json:"firstSample,omitzero"`
	LastSample  time.Time `json:"lastSample,omitzero"`
	Samples     int       `json:"samples"`
	// Confidence is in days.
	Confidence float64 `json:"confidence"`
	// Resources are CPU and memory, in this order.
	Resources []ResourceExplanation `json:"resources"`
}

// ResourceExplanation is the way of one value, in the order in which the steps are taken. A step that was not taken
// is nil.
type ResourceExplanation struct {
	Resource string `json:"resource"`
	// Missing says why nothing is recommended; empty if something is.
	Missing string `json:"missing,omitempty"`
	// Percentile is a share of the samples' weight, Margin a share of the percentile. Basis says both in words.
	Percentile float64 `json:"percentile"`
	Margin     float64 `json:"margin"`
	Basis      string  `json:"basis"`
	// Usage is the percentile of the container's own usage; Own has the margin and the minimum, too. Nil without
	// samples.
	Usage *resource.Quantity `json:"usage,omitempty"`
	Own   *resource.Quantity `json:"own,omitempty"`
	// Minimum is its share of the pod's minimum.
	Minimum resource.Quantity `json:"minimum"`
	// Uncapped is Own, or what is inherited or held in its place, rounded.
	Uncapped   *resource.Quantity `json:"uncappedTarget,omitempty"`
	MinAllowed *resource.Quantity `json:"minAllowed,omitempty"`
	MaxAllowed *resource.Quantity `json:"maxAllowed,omitempty"`
	// Bound says what moved the target away from the uncapped one; empty if nothing did.
	Bound      string             `json:"boundBy,omitempty"`
	LowerBound *resource.Quantity `json:"lowerBound,omitempty"`
	Target     *resource.Quantity `json:"target,omitempty"`
	UpperBound *resource.Quantity `json:"upperBound,omitempty"`
	// Limit is what the webhook sets on the next pod; nil where it sets none.
	Limit *resource.Quantity `json:"limit,omitempty"`
	// Warnings are what the webhook is going to say of it when it sets the next pod's requests and limits.
	Warnings []string `json:"warnings,omitempty"`
	// Published is the target in the VPA's status, which differs until it is written. A target that is within 1 % of
	// it is not written, and is shown as it was published.
	Published *resource.Quantity `json:"published,omitempty"`
}

// UnknownVPAError says that a VPA cannot be explained because it is not worked on here.
type UnknownVPAError struct {
	VPA types.NamespacedName
	// Exists is set when there is, or may be, a VPA of that name, which somebody else works on.
	Exists bool
}

func (e *UnknownVPAError) Error() string {
	if e.Exists {
		return "VPA " + e.VPA.String() + " is not this recommender's: its spec.recommenders names another one, its namespace is left out, or another replica works on its shard"
	}
	return "there is no VPA " + e.VPA.String() + " that this recommender works on: see kubectl get vpa -n " + e.VPA.Namespace + " for those that there are"
}
