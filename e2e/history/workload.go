package history

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kinds that a Workload may have. The kind shapes pod names, and who owns the pods.
const (
	Deployment  = "Deployment"
	StatefulSet = "StatefulSet"
	DaemonSet   = "DaemonSet"
	ReplicaSet  = "ReplicaSet"
	Job         = "Job"
	CronJob     = "CronJob"
)

var kinds = []string{Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, CronJob}

// Workload is one controller whose pods left usage behind.
type Workload struct {
	Env, Namespace, Name string
	// Kind is one of the constants above.
	Kind string
	// Replicas is the number of pods at any time, at least 1.
	Replicas   int
	Containers []Container
	// Age is how long before End the workload was created; 0: before the span began.
	Age time.Duration
	// Rollout is how often the pod template changes: at least a minute, or 0 for never. StatefulSets' pods keep
	// their names, all others get new ones; containers start again in both. A CronJob begins a Job that often, and
	// so must have it; a Job must not.
	Rollout time.Duration
	// Lasting is for how long a CronJob's pods run; 0: until the next ones.
	Lasting time.Duration
	// Restarts is how often all containers of a pod restart in place, as when its node reboots: at least a
	// minute, or 0 for never.
	Restarts time.Duration
	Scrape   Scrape
}

// Container is one container of a pod and what it uses. Both loads are required.
type Container struct {
	Name string
	// CPU is in cores.
	CPU Load
	// Memory is the working set, in bytes.
	Memory Load
}

// Scrape says in what odd but common way a workload is scraped. The zero value is kube-prometheus' way.
type Scrape struct {
	// Twice: a second job reads the same pods a little later, so that every series is there twice.
	Twice bool
	// DropIDs: the labels id and name are dropped, as many do to have fewer series. Only then is a restart
	// in place a counter reset inside one series; otherwise it begins a new series.
	DropIDs bool
	// Faults are what is wrong with what is scraped.
	Faults Faults
}

// In returns w as it runs in another environment: same names, factor times the usage.
func (w Workload) In(env string, factor float64) Workload {
	w.Env = env
	w.Containers = slices.Clone(w.Containers)
	for i, c := range w.Containers {
		w.Containers[i].CPU = Scale(c.CPU, factor)
		w.Containers[i].Memory = Scale(c.Memory, factor)
	}
	return w
}

func (w Workload) validate() error {
	switch {
	case w.Env == "" || w.Namespace == "" || w.Name == "":
		return errors.New("the fields Env, Namespace and Name are all required")
	case !slices.Contains(kinds, w.Kind):
		return fmt.Errorf("the field Kind is %q: must be one of %s", w.Kind, strings.Join(kinds, ", "))
	case w.Replicas < 1:
		return fmt.Errorf("the field Replicas is %d: must be at least 1", w.Replicas)
	case w.Age < 0:
		return fmt.Errorf("the field Age is %s: must not be negative", w.Age)
	case w.Rollout != 0 && w.Rollout < time.Minute:
		return fmt.Errorf("the field Rollout is %s: must be 0 or at least a minute", w.Rollout)
	case w.Kind == CronJob && w.Rollout == 0:
		return errors.New("the field Rollout is 0: a CronJob begins a Job that often")
	case w.Kind == Job && w.Rollout != 0:
		return fmt.Errorf("the field Rollout is %s: a Job runs once, set it to 0", w.Rollout)
	case w.Lasting < 0 || w.Lasting > w.Rollout || w.Lasting > 0 && w.Kind != CronJob:
		return fmt.Errorf("the field Lasting is %s: must be 0, or for a CronJob at most Rollout (%s)", w.Lasting, w.Rollout)
	case w.Restarts != 0 && w.Restarts < time.Minute:
		return fmt.Errorf("the field Restarts is %s: must be 0 or at least a minute", w.Restarts)
	case len(w.Containers) == 0:
		return errors.New("has no containers")
	}
	seen := map[string]bool{pauseContainer: true}
	for _, c := range w.Containers {
		if c.Name == "" || seen[c.Name] {
			return fmt.Errorf("container %q: names must be set, differ, and not be %s", c.Name, pauseContainer)
		}
		if c.CPU == nil || c.Memory == nil {
			return fmt.Errorf("container %q: needs a CPU and a Memory load; Steady will do for a trace without memory", c.Name)
		}
		seen[c.Name] = true
	}
	return nil
}
