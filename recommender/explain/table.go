// Package explain shows an Explanation to people, and carries it from a running recommender to who asks for it.
package explain

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/sartor-vpa/sartor/recommender/loop"
)

// Columns is the width that no line of a table exceeds, but for a word that is longer.
const Columns = 100

// label and column are the widths of a table's first column and of those of CPU and memory.
const label, column = 24, 28

// Table writes e for people: memory in MiB, rounded up, and times in UTC.
func Table(w io.Writer, e *loop.Explanation) error {
	t := &table{}
	t.row("VPA", e.Namespace+"/"+e.VPA)
	t.row("Target", fmt.Sprintf("%s, %s", e.Target, count(e.Pods, "started pod")))
	t.row("Update mode", e.UpdateMode)
	t.row("As of", asOf(e))
	t.row("History", history(&e.History, e.Live))
	if e.Inheritance != nil {
		t.row("Inherits", inheritance(e.Inheritance))
	}
	if e.HPAs != "" {
		t.row("HPAs", e.HPAs)
	}
	if len(e.Containers) == 0 {
		t.row("Containers", "none is known: there are no pods, and nothing of any was seen")
	}
	for i := range e.Containers {
		t.container(&e.Containers[i], e.At)
	}
	if len(e.Conditions) > 0 {
		t.line("")
		t.line("Conditions")
	}
	for _, c := range e.Conditions {
		for _, line := range wrap(fmt.Sprintf("%s=%s, %s", c.Type, c.Status, c.Reason), Columns-2) {
			t.line("  " + line)
		}
		for _, line := range wrap(c.Message, Columns-6) {
			t.line("      " + line)
		}
	}
	_, err := io.WriteString(w, t.out.String())
	return err
}

// asOf says how new what is told is.
func asOf(e *loop.Explanation) string {
	last := e.History.LastCheckpoint
	switch {
	case e.Live:
		return clock(e.At) + ", by the running recommender"
	case last.IsZero():
		return "no checkpoint: only what is published is known; --live asks the running recommender"
	}
	return fmt.Sprintf("the last checkpoint, %s (%s); --live asks the running recommender", clock(last), ago(e.At, last))
}

// history says what is known of the past. Whether Prometheus was read is known to the running recommender alone.
func history(h *loop.HistoryExplanation, live bool) string {
	since := "what is known begins at " + clock(h.CoveredFrom)
	switch {
	case !live && h.Checkpoints:
		return since
	case !live:
		return "not known without the running recommender"
	case h.State == "none" && h.Checkpoints:
		return "live metrics, after checkpoints; " + since
	case h.State == "none":
		return "live metrics alone; " + since
	case h.State == "loaded":
		return fmt.Sprintf("%d samples read from Prometheus%s, then live metrics; %s", h.Samples, quality(h), since)
	case h.State == "failing":
		return "reading Prometheus fails and is tried again: " + h.Error + missing(h)
	}
	return "Prometheus is being read" + missing(h)
}

// missing says which days are still to be read, while others are.
func missing(h *loop.HistoryExplanation) string {
	if h.Missing == "" || h.Samples == 0 {
		return ""
	}
	return fmt.Sprintf("; %d samples so far, missing are %s", h.Samples, h.Missing)
}

// quality says what is known of history that was read.
func quality(h *loop.HistoryExplanation) string {
	if h.Samples == 0 {
		return ""
	}
	return fmt.Sprintf(" (CPU every %gm, %d%% of the minutes since %s)", h.Resolution, h.Covered, clock(h.First))
}

func inheritance(in *loop.InheritanceExplanation) string {
	var said []string
	switch {
	case in.Reason != "":
		said = append(said, in.Reason)
	case in.Mode == "max":
		said = append(said, fmt.Sprintf("the larger of VPA %s's and its own: %s", in.Primary, in.Containers))
	case in.Primary != "":
		said = append(said, fmt.Sprintf("from VPA %s: %s", in.Primary, in.Containers))
	}
	if in.Invalid != "" {
		said = append(said, "not understood: "+in.Invalid)
	}
	return strings.Join(said, "; ")
}

// table is what is written so far.
type table struct{ out strings.Builder }

func (t *table) line(text string) { t.out.WriteString(strings.TrimRight(text, " ") + "\n") }

// row writes a label and, beside it, text in as many lines as it takes.
func (t *table) row(name, text string) {
	for _, line := range wrap(text, Columns-label) {
		t.line(fmt.Sprintf("%-*s%s", label, name, line))
		name = ""
	}
}

// pair writes a label and what belongs to CPU and to memory.
func (t *table) pair(name string, both [2]string) {
	left, right := wrap(both[0], column-2), wrap(both[1], Columns-label-column)
	for i := range max(len(left), len(right)) {
		t.line(fmt.Sprintf("%-*s%-*s%s", label, name, column, at(left, i), at(right, i)))
		name = ""
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

func (t *table) container(c *loop.ContainerExplanation, now time.Time) {
	t.line("")
	t.line("Container " + strings.Join(wrap(c.Name, Columns), " "))
	if c.Source == "" {
		t.row("  source", "none: nothing is recommended")
	} else {
		t.row("  source", c.Source)
	}
	if c.Samples == 0 {
		t.row("  own samples", "none")
	} else {
		t.row("  own samples", fmt.Sprintf("%d of CPU, from %s to %s (%s), confidence %.2f days", c.Samples, clock(c.FirstSample), clock(c.LastSample), ago(now, c.LastSample), c.Confidence))
	}
	t.line("")
	t.pair("", [2]string{"CPU", "MEMORY"})
	for _, s := range steps {
		cells, told := [2]string{"-", "-"}, false
		for i := range c.Resources {
			r := &c.Resources[i]
			if cell := s.cell(r, c); cell != "" {
				cells[kind(r)], told = cell, true
			}
		}
		if told {
			t.pair("  "+s.name, cells)
		}
	}
}

// clock is an instant to the minute.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// ago is how long before now that was, in the largest unit that fits.
func ago(now, then time.Time) string {
	switch d := now.Sub(then); {
	case d < time.Minute:
		return "just now"
	case d < 2*time.Hour:
		return count(int(d/time.Minute), "minute") + " ago"
	case d < 48*time.Hour:
		return count(int(d/time.Hour), "hour") + " ago"
	default:
		return count(int(d/(24*time.Hour)), "day") + " ago"
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// wrap breaks text into lines of at most width columns, between words. What is no letter that can be seen becomes a
// space: conditions are anybody's who may write a status.
func wrap(text string, width int) []string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
	lines := []string{""}
	for word := range strings.FieldsSeq(text) {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = word
		case len(*last)+1+len(word) <= width:
			*last += " " + word
		default:
			lines = append(lines, word)
		}
	}
	return lines
}
