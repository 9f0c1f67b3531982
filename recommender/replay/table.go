package replay

import (
	"fmt"
	"io"
	"strings"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// Columns is the width that no line of a table exceeds.
const Columns = 120

// Widths of a table's columns: what it is about, and the policy; the others are as wide as their headings and numbers.
const (
	nameWidth   = 30
	policyWidth = 11
)

// column is one measure in a table.
type column struct {
	heading [len(usage.Resources)]string
	width   int
	cell    func(m *Measures, r usage.Resource) string
}

// text is the column's cell; - where nothing was covered.
func (c *column) text(m *Measures, r usage.Resource) string {
	if m.Coverage == 0 {
		return "-"
	}
	return c.cell(m, r)
}

var headings = [...]string{usage.CPU: "CPU (cores)", usage.Memory: "MEMORY (MiB)"}

func both(heading string) [len(usage.Resources)]string {
	return [...]string{usage.CPU: heading, usage.Memory: heading}
}

var tableColumns = []column{
	{both("REQUEST"), 8, func(m *Measures, r usage.Resource) string { return amountText(m.Request, r) }},
	{both("LIMIT"), 8, func(m *Measures, r usage.Resource) string { return amountText(m.Limit, r) }},
	{both("SLACK"), 8, func(m *Measures, r usage.Resource) string { return signedText(&m.SlackMean, r) }},
	{both("P50"), 8, func(m *Measures, r usage.Resource) string { return signedText(m.SlackP50, r) }},
	{both("P95"), 8, func(m *Measures, r usage.Resource) string { return signedText(m.SlackP95, r) }},
	{[...]string{"CORE-H", "GIB-H"}, 9, func(m *Measures, _ usage.Resource) string { return hoursText(m.ExcessHours) }},
	{both("OVERRUN"), 8, func(m *Measures, _ usage.Resource) string { return shareText(&m.Overrun) }},
	{[...]string{">LIMIT", "OOM-DAYS"}, 9, func(m *Measures, r usage.Resource) string {
		if r == usage.CPU || m.AboveLimit == nil {
			return shareText(m.AboveLimit)
		}
		return fmt.Sprintf("%d", m.OOMDays)
	}},
	{both("MOVES"), 6, func(m *Measures, _ usage.Resource) string { return fmt.Sprintf("%.1f", m.ChangesPerDay) }},
}

// table is what is written so far.
type table struct {
	out strings.Builder
}

// Table writes r for people. What the columns mean stands below.
func Table(w io.Writer, r *Report) error {
	t := &table{}
	t.line(headline(r))
	for _, p := range r.Policies {
		t.policy(p)
	}
	for _, kind := range usage.Resources {
		t.resource(r, kind)
	}
	t.line("")
	t.line(legend)
	_, err := io.WriteString(w, t.out.String())
	return err
}

const legend = `REQUEST, LIMIT: of a pod at the end. SLACK, P50, P95: request less usage, on average, and as percentiles of the
minutes. CORE-H, GIB-H: what was reserved beyond usage. OVERRUN: share of the minutes with more usage than the request.
>LIMIT: with more than the limit, which throttles. OOM-DAYS: days with memory above the limit, of each container.
MOVES: of the target by over 10 %, a day. COVER: share of the minutes with a recommendation; the rest is of these.`

// policy writes what a policy is, in as many lines as it takes.
func (t *table) policy(p PolicyReport) {
	line := "  " + padded(printable(p.Name), policyWidth)
	empty := len(line)
	for word := range strings.FieldsSeq(printable(p.Description)) {
		if len(line) > empty && len(line)+1+len(word) > Columns {
			t.line(line)
			line = strings.Repeat(" ", 2+policyWidth)
			empty = len(line)
		}
		line += " " + word
	}
	t.line(line)
}

func headline(r *Report) string {
	return fmt.Sprintf("%s to %s, pods created every %s, %s", clock(r.From), clock(r.To), short(r.RestartEvery), count(len(r.Containers), "container"))
}

// resource writes a table of one resource, if any of it is known.
func (t *table) resource(r *Report, kind usage.Resource) {
	head := padded(headings[kind], nameWidth) + " " + padded("POLICY", policyWidth)
	for _, c := range tableColumns {
		head += fmt.Sprintf("%*s", c.width, c.heading[kind])
	}
	if !r.knows(kind) {
		return
	}
	t.line("")
	t.line(head + " COVER")
	t.rows("TOTAL", r.Totals, kind)
	for i, title := range r.titles() {
		t.rows(title, r.Containers[i].Outcomes, kind)
	}
}

// knows reports whether any usage of the resource was measured.
func (r *Report) knows(kind usage.Resource) bool {
	for i := range r.Totals {
		if r.Totals[i].of(kind) != nil {
			return true
		}
	}
	return false
}

// title is what a container is, in full.
func (c *ContainerReport) title() string {
	return titled(c.Namespace, c.Workload, c.Container)
}

// titled leaves out a container that is called like its workload.
func titled(namespace, workload, container string) string {
	title := namespace + "/" + workload
	if !strings.HasSuffix(title, "/"+container) {
		title += "/" + container
	}
	return printable(title)
}

// kindless is the workload's name without its kind.
func (c *ContainerReport) kindless() string {
	return c.Workload[strings.LastIndexByte(c.Workload, '/')+1:]
}

// titles are what containers are in a table, which is narrow: without kinds, where that leaves no doubt.
func (r *Report) titles() []string {
	type name struct{ namespace, workload string }
	kinds := map[name]string{}
	for i := range r.Containers {
		c := &r.Containers[i]
		short := name{c.Namespace, c.kindless()}
		if other, known := kinds[short]; known && other != c.Workload {
			kinds[short] = "" // several
			continue
		}
		kinds[short] = c.Workload
	}
	titles := make([]string, len(r.Containers))
	for i := range r.Containers {
		c := &r.Containers[i]
		titles[i] = c.title()
		if kinds[name{c.Namespace, c.kindless()}] == c.Workload {
			titles[i] = titled(c.Namespace, c.kindless(), c.Container)
		}
	}
	return titles
}

func (t *table) rows(title string, outcomes []Outcome, kind usage.Resource) {
	for i := range outcomes {
		m := outcomes[i].of(kind)
		if m == nil {
			continue
		}
		line := padded(title, nameWidth) + " " + padded(printable(outcomes[i].Policy), policyWidth)
		for _, c := range tableColumns {
			line += fmt.Sprintf("%*s", c.width, c.text(m, kind))
		}
		t.line(line + fmt.Sprintf("%6s", coverText(m)))
		title = ""
	}
}

func (t *table) line(text string) { t.out.WriteString(strings.TrimRight(text, " ") + "\n") }
