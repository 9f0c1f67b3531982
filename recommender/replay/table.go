package replay

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

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

var titles = [...]string{usage.CPU: "CPU (cores)", usage.Memory: "MEMORY (MiB)"}

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
	for word := range strings.FieldsSeq(printable(p.Flags)) {
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
	head := padded(titles[kind], nameWidth) + " " + padded("POLICY", policyWidth)
	for _, c := range tableColumns {
		head += fmt.Sprintf("%*s", c.width, c.heading[kind])
	}
	if !r.knows(kind) {
		return
	}
	t.line("")
	t.line(head + " COVER")
	t.rows("TOTAL", r.Totals, kind)
	for i := range r.Containers {
		c := &r.Containers[i]
		t.rows(c.title(), c.Outcomes, kind)
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

// title is what people know a container by; its name stands there only where it is not the workload's.
func (c *ContainerReport) title() string {
	title := c.Namespace + "/" + c.Workload
	if !strings.HasSuffix(title, "/"+c.Container) {
		title += "/" + c.Container
	}
	return printable(title)
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

// padded makes text so many characters wide, by leaving out its middle if it has to.
func padded(text string, width int) string {
	n := utf8.RuneCountInString(text)
	if n <= width {
		return text + strings.Repeat(" ", width-n)
	}
	runes := []rune(text)
	half := (width - 1) / 2
	return string(runes[:width-1-half]) + "…" + string(runes[n-half:])
}

// printable is text that cannot move a terminal's cursor.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}

// amountText is cores, or bytes in MiB; - for none.
func amountText(v float64, r usage.Resource) string {
	if v == 0 {
		return "-"
	}
	return signedText(&v, r)
}

func signedText(v *float64, r usage.Resource) string {
	switch {
	case v == nil:
		return "-"
	case r == usage.CPU:
		return plain("%.3f", *v)
	}
	return plain("%.0f", *v/(1<<20))
}

func hoursText(v float64) string { return plain("%.1f", v) }

func shareText(v *float64) string {
	if v == nil {
		return "-"
	}
	if *v > 0 && *v < 0.0001 {
		return "<0.01%"
	}
	return fmt.Sprintf("%.2f%%", 100**v)
}

// plain is a number without a sign where it is 0 as it is written.
func plain(format string, v float64) string {
	text := fmt.Sprintf(format, v)
	if strings.Trim(text, "-0.") == "" {
		return strings.TrimPrefix(text, "-")
	}
	return text
}

// clock is an instant to the minute.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// short is a duration without zeros at its end.
func short(duration string) string {
	for _, zeros := range []string{"h0m0s", "m0s"} {
		if whole, ok := strings.CutSuffix(duration, zeros); ok {
			return whole + zeros[:1]
		}
	}
	return duration
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
