package replay

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// A plot's size, the margins around what is drawn, and what is left for that, in the units of its viewBox.
const (
	plotWidth, plotHeight = 1100, 190
	plotLeft, plotRight   = 64, 8
	plotTop, plotBottom   = 8, 22
	drawnWidth            = float64(plotWidth - plotLeft - plotRight)
	drawnHeight           = float64(plotHeight - plotTop - plotBottom)
)

const (
	// plotPoints is how many points a line has at the most: two units for each.
	plotPoints = 500
	// plotDays is how many days are named at the most.
	plotDays = 12
	// mostLimit is how many times what else is drawn the limits may be: others would leave a flat line of usage.
	mostLimit = 2.5
)

// plot is usage, requests and limits over time, as SVG has it.
type plot struct {
	Width, Height int
	Label         string
	Rules         []plotRule
	Lines         []plotLine
}

// plotRule is a line of the grid, and what is written beside it.
type plotRule struct{ X1, Y1, X2, Y2, TextX, TextY, Anchor, Text string }

// plotLine is what is drawn: a path and its class.
type plotLine struct{ Class, D string }

// moment is some looks as one point; amounts of 0 are not drawn.
type moment struct {
	used int64
	// given are those of each policy.
	given []given
}

type given struct{ target, request, limit int64 }

// newPlot draws one resource of a container; nil if nothing was kept of it.
func newPlot(c *ContainerReport, r usage.Resource) *plot {
	moments := c.plotted[r]
	if len(moments) == 0 {
		return nil
	}
	highest := highestOf(moments)
	unit, _ := unitOf(r)
	p := &plot{Width: plotWidth, Height: plotHeight, Label: fmt.Sprintf("%s of %s", headings[r], c.title())}
	p.levels(float64(highest)/unit, r)
	p.days(c.begins, c.lasts)
	x := func(i int) float64 { return plotLeft + drawnWidth*float64(i)/float64(len(moments)) }
	y := func(v int64) float64 {
		return plotTop + drawnHeight*(1-min(1, float64(v)/float64(highest)))
	}
	p.Lines = append(p.Lines, plotLine{"used", path(moments, x, y, func(m *moment) int64 { return m.used })})
	for i := range c.Outcomes {
		for _, one := range []struct {
			class string
			value func(*given) int64
		}{
			{"target", func(g *given) int64 { return g.target }},
			{"request", func(g *given) int64 { return g.request }},
			{"limit", func(g *given) int64 { return g.limit }},
		} {
			p.Lines = append(p.Lines, plotLine{fmt.Sprintf("%s p%d", one.class, i%colours), path(moments, x, y, func(m *moment) int64 {
				if v := one.value(&m.given[i]); v > 0 && v <= highest {
					return v
				}
				return Unknown
			})})
		}
	}
	return p
}

// momentsOf makes few points of many looks: the largest usage, and what pods had at the end.
func momentsOf(looks [][]look, r usage.Resource) []moment {
	n := len(looks[0])
	each := (n + plotPoints - 1) / plotPoints
	var moments []moment
	for first := 0; first < n; first += each {
		end := min(n, first+each)
		m := moment{used: Unknown}
		for i := first; i < end; i++ {
			m.used = max(m.used, looks[0][i].used[r])
		}
		for _, of := range looks {
			m.given = append(m.given, of[end-1].given(r))
		}
		moments = append(moments, m)
	}
	return moments
}

// given is what there was of one resource; 0 for nothing.
func (l *look) given(r usage.Resource) given {
	var g given
	if t := l.targets[r]; t.known {
		g.target = int64(t.amount)
	}
	if a := l.asks[r]; a.known {
		g.request, g.limit = int64(a.request), int64(a.limit)
	}
	return g
}

// highestOf is the top of the plot: above usage and requests, and above limits, too, unless these are far away.
func highestOf(moments []moment) int64 {
	var most, limit int64
	for i := range moments {
		most = max(most, moments[i].used)
		for _, g := range moments[i].given {
			most, limit = max(most, g.target, g.request), max(limit, g.limit)
		}
	}
	if float64(limit) <= mostLimit*float64(most) {
		most = max(most, limit)
	}
	return max(1, most+most/20)
}

// levels are the horizontal rules.
func (p *plot) levels(highest float64, r usage.Resource) {
	for i := range 3 {
		part := float64(i) / 2
		y, v := plotTop+drawnHeight*(1-part), highest*part
		p.Rules = append(p.Rules, plotRule{
			X1: number1(plotLeft), X2: number1(plotWidth - plotRight), Y1: number1(y), Y2: number1(y),
			TextX: number1(plotLeft - 6), TextY: number1(y + 4), Anchor: "end", Text: signedText(&v, r),
		})
	}
}

// days are the vertical rules, at midnights.
func (p *plot) days(from time.Time, length time.Duration) {
	const day = 24 * time.Hour
	every := (int(length/day)/plotDays + 1)
	at := from.Truncate(day)
	if at.Before(from) {
		at = at.Add(day)
	}
	for ; at.Before(from.Add(length)); at = at.Add(time.Duration(every) * day) {
		x := plotLeft + drawnWidth*float64(at.Sub(from))/float64(length)
		p.Rules = append(p.Rules, plotRule{
			X1: number1(x), X2: number1(x), Y1: number1(plotTop), Y2: number1(plotTop + drawnHeight),
			TextX: number1(x + 3), TextY: number1(plotHeight - 6), Anchor: "start", Text: at.UTC().Format("Jan 2"),
		})
	}
}

// path draws values as steps; it is broken where they are Unknown.
func path(moments []moment, x func(int) float64, y func(int64) float64, value func(*moment) int64) string {
	var d strings.Builder
	last := int64(Unknown)
	for i := range moments {
		v := value(&moments[i])
		switch {
		case v < 0 && last >= 0:
			d.WriteString("H" + number1(x(i)))
		case v < 0 || v == last:
		case last < 0:
			d.WriteString("M" + number1(x(i)) + " " + number1(y(v)))
		default:
			d.WriteString("H" + number1(x(i)) + "V" + number1(y(v)))
		}
		last = v
	}
	if last >= 0 {
		d.WriteString("H" + number1(x(len(moments))))
	}
	return d.String()
}

// number1 is a coordinate to a tenth.
func number1(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }
