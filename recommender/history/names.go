package history

import (
	"fmt"
	"regexp"
)

// What Kubernetes appends to generated names. Neither alphabet has vowels, nor the digits 0, 1 and 3, so
// that shop-api's pods are not taken for shop's. The hash of a pod template has up to ten characters; one
// in five thousand has fewer than seven, and six tell it from words like rc.
const (
	random       = `[bcdfghjklmnpqrstvwxz2456789]{5}`
	templateHash = `[bcdfghjklmnpqrstvwxz2456789]{6,10}`
)

// PodNames returns a regular expression, to be anchored at both ends, for the names of all pods that the
// workload has had: pods that are gone have no owner to ask.
func PodNames(w Workload) string {
	name := regexp.QuoteMeta(w.Name)
	switch w.Kind {
	case "StatefulSet":
		return name + `-[0-9]+`
	case "DaemonSet", "ReplicaSet", "ReplicationController":
		return name + `-` + random
	case "Job":
		// An indexed Job's pods carry their index, of at most six digits.
		return fmt.Sprintf(`%s-([0-9]{1,6}-)?%s`, name, random)
	case "CronJob":
		// A CronJob names its Jobs by the minute they are due, in minutes since 1970.
		return fmt.Sprintf(`%s-[0-9]{8,10}-([0-9]+-)?%s`, name, random)
	}
	// Deployments, and what works like them through ReplicaSets of its own (Argo's Rollout).
	return fmt.Sprintf(`%s-%s-%s`, name, templateHash, random)
}
