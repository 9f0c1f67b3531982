package replay

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// Report is what a replay found. It is the same for the same input, and JSON writes it.
type Report struct {
	// From and To are when the first measured workload begins and the last ends (UTC).
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// RestartEvery and WarmUp are the options', such as 24h0m0s.
	RestartEvery string `json:"restartEvery"`
	WarmUp       string `json:"warmUp"`
	// Policies are those that were compared, in their order, in which everything that follows is, too.
	Policies []PolicyReport `json:"policies"`
	Totals   []Outcome      `json:"totals"`
	// Containers are sorted by namespace, workload and name.
	Containers []ContainerReport `json:"containers"`

	totals []outcome
}

// PolicyReport is what a policy is called and made of.
type PolicyReport struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

// ContainerReport is how one container of a workload fared.
type ContainerReport struct {
	Namespace string `json:"namespace"`
	Workload  string `json:"workload"`
	Container string `json:"container"`
	// Pods is how many pods with it there were.
	Pods     int       `json:"pods"`
	Outcomes []Outcome `json:"outcomes"`

	// plotted is what there is to plot of each resource, if plots are wanted; it begins and lasts as said.
	plotted [len(usage.Resources)][]moment
	begins  time.Time
	lasts   time.Duration
}

// Outcome is how a container, or all of them, fared under a policy.
type Outcome struct {
	Policy string `json:"policy"`
	// CPU and Memory are nil where no usage of the resource is known.
	CPU    *Measures `json:"cpu,omitempty"`
	Memory *Measures `json:"memory,omitempty"`
}

// of returns the measures of a resource, nil if there are none.
func (o *Outcome) of(r usage.Resource) *Measures {
	if r == usage.CPU {
		return o.CPU
	}
	return o.Memory
}

func newReport(policies []Policy, o Options) *Report {
	r := &Report{RestartEvery: o.RestartEvery.String(), WarmUp: o.WarmUp.String(), totals: make([]outcome, len(policies))}
	for i := range policies {
		r.Policies = append(r.Policies, PolicyReport{Name: policies[i].Name, Description: policies[i].Description})
	}
	return r
}

// add takes what came of a workload's containers, by policy and container.
func (r *Report) add(outcomes [][]outcome, w *Workload) {
	s := newScene(w, &Options{})
	if len(s.containers) == 0 {
		return
	}
	if from := s.from.UTC(); r.From.IsZero() || from.Before(r.From) {
		r.From = from
	}
	if to := s.to.UTC(); to.After(r.To) {
		r.To = to
	}
	for i, name := range s.containers {
		c := ContainerReport{Namespace: w.Namespace, Workload: w.Name, Container: name, Pods: s.pods[i]}
		var looks [][]look
		for p := range outcomes {
			one := &outcomes[p][i]
			c.Outcomes = append(c.Outcomes, one.report(r.Policies[p].Name, false))
			looks = append(looks, one.looks)
			for kind := range one.tallies {
				r.totals[p].tallies[kind].merge(&one.tallies[kind])
			}
		}
		c.keep(looks)
		r.Containers = append(r.Containers, c)
	}
}

// keep makes the looks of each policy into what is plotted: they are too many to be kept of all containers.
func (c *ContainerReport) keep(looks [][]look) {
	if len(looks) == 0 || len(looks[0]) == 0 {
		return
	}
	c.begins, c.lasts = looks[0][0].at, time.Duration(len(looks[0]))*Look
	for _, r := range usage.Resources {
		c.plotted[r] = momentsOf(looks, r)
	}
}

// total adds up what was added.
func (r *Report) total() {
	for p := range r.totals {
		r.Totals = append(r.Totals, r.totals[p].report(r.Policies[p].Name, true))
	}
}

func (o *outcome) report(name string, total bool) Outcome {
	out := Outcome{Policy: name}
	for _, r := range usage.Resources {
		t := &o.tallies[r]
		if t.minutes == 0 {
			continue
		}
		m := t.measures(r, total)
		if r == usage.CPU {
			out.CPU = &m
		} else {
			out.Memory = &m
		}
	}
	return out
}

// JSON writes r with every measure as exact as it is.
func JSON(w io.Writer, r *Report) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the report as JSON: %w", err)
	}
	_, err = w.Write(append(text, '\n'))
	return err
}
