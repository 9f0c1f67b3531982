package replay

import (
	"cmp"
	_ "embed" // for the page
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

//go:embed page.gohtml
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// maxPlotted is how many containers are plotted: each takes some 40 kilobytes.
const maxPlotted = 100

// colours is how many the page has for policies; more share them.
const colours = 6

// view is what the page shows.
type view struct {
	Headline, Legend string
	Policies         []viewPolicy
	Totals           []viewTable
	Containers       []viewContainer
	// LeftOut says how many containers are not plotted; empty if all are.
	LeftOut string
}

type viewPolicy struct {
	PolicyReport
	Class int
}

type viewTable struct {
	Head []string
	Rows [][]string
}

type viewContainer struct {
	Title, Pods string
	Parts       []viewPart
}

// viewPart is one resource of a container.
type viewPart struct {
	Table viewTable
	// Plot is nil where nothing was kept to plot.
	Plot *plot
}

// HTML writes r as one page that needs nothing else. It has plots if r was made with Options.Plots.
func HTML(w io.Writer, r *Report) error {
	v := view{Headline: headline(r), Legend: legend}
	for i, p := range r.Policies {
		v.Policies = append(v.Policies, viewPolicy{p, i % colours})
	}
	for _, kind := range usage.Resources {
		if r.knows(kind) {
			v.Totals = append(v.Totals, tableOf(r.Totals, kind))
		}
	}
	plotted := r.toPlot()
	for i := range r.Containers {
		if !slices.Contains(plotted, i) {
			continue
		}
		v.Containers = append(v.Containers, r.Containers[i].view())
	}
	if n := len(r.Containers) - len(plotted); n > 0 {
		v.LeftOut = fmt.Sprintf("%s not shown: those that have most OOM days and reserve most CPU under the first policy are.", count(n, "more container"))
	}
	return page.Execute(w, v)
}

// toPlot returns the containers that are worth a plot, by index.
func (r *Report) toPlot() []int {
	all := make([]int, len(r.Containers))
	for i := range all {
		all[i] = i
	}
	if len(all) <= maxPlotted {
		return all
	}
	worth := func(i int) (oomDays int, reserved float64) {
		first := &r.Containers[i].Outcomes[0]
		if first.Memory != nil {
			oomDays = first.Memory.OOMDays
		}
		if first.CPU != nil {
			reserved = first.CPU.ReservedHours
		}
		return oomDays, reserved
	}
	slices.SortStableFunc(all, func(a, b int) int {
		x, hoursX := worth(a)
		y, hoursY := worth(b)
		return cmp.Or(cmp.Compare(y, x), cmp.Compare(hoursY, hoursX))
	})
	return all[:maxPlotted]
}

func (c *ContainerReport) view() viewContainer {
	v := viewContainer{Title: c.title(), Pods: count(c.Pods, "pod")}
	for _, kind := range usage.Resources {
		if !slices.ContainsFunc(c.Outcomes, func(o Outcome) bool { return o.of(kind) != nil }) {
			continue
		}
		v.Parts = append(v.Parts, viewPart{Table: tableOf(c.Outcomes, kind), Plot: newPlot(c, kind)})
	}
	return v
}

// tableOf is the measures of one resource, with the cells of the table for people.
func tableOf(outcomes []Outcome, kind usage.Resource) viewTable {
	t := viewTable{Head: []string{headings[kind]}}
	for _, c := range tableColumns {
		t.Head = append(t.Head, c.heading[kind])
	}
	t.Head = append(t.Head, "COVER")
	for i := range outcomes {
		m := outcomes[i].of(kind)
		if m == nil {
			continue
		}
		row := []string{outcomes[i].Policy}
		for _, c := range tableColumns {
			row = append(row, c.text(m, kind))
		}
		t.Rows = append(t.Rows, append(row, coverText(m)))
	}
	return t
}

func coverText(m *Measures) string { return fmt.Sprintf("%.0f%%", math.Floor(100*m.Coverage)) }
