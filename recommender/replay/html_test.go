package replay

import (
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

func paged(t *testing.T, r *Report) string {
	t.Helper()
	var out strings.Builder
	require.NoError(t, HTML(&out, r))
	return out.String()
}

func TestAPageShowsTablesAndPlots(t *testing.T) {
	r := played(t, store(t), Options{Declared: declaredResources(), Plots: true}, compared()...)
	text := paged(t, r)
	golden(t, "store.html", text)
	require.Equal(t, 6, strings.Count(text, "<svg "), "CPU and memory of three containers")
}

func TestAPageNeedsNothingElse(t *testing.T) {
	text := paged(t, played(t, store(t), Options{Plots: true}, compared()...))
	require.NotRegexp(t, `(?i)(src|href)\s*=|url\(|@import|<script|<link|https?:`, text)
	require.Contains(t, text, `content="default-src 'none'; style-src 'unsafe-inline'"`)
}

func TestNamesAreTextHoweverTheyAreMeant(t *testing.T) {
	const evil = `<script>alert(1)</script>"'><img src=x onerror=y>{{.}}` + "\x1b[2J"
	w := Workload{Namespace: evil, Name: evil, Tracks: []Track{flat(evil, evil, sunday, 2*aDay, 100, 300*mebi)}}
	p := byDefault(evil)
	p.Description = evil
	r := played(t, []Workload{w}, Options{Plots: true}, p)
	text := paged(t, r)
	require.NotContains(t, text, "<script")
	require.NotContains(t, text, "<img")
	require.Equal(t, strings.Count(text, "<title>"), strings.Count(text, "</title>"))

	var out strings.Builder
	require.NoError(t, Table(&out, r))
	require.NotContains(t, out.String(), "\x1b")
	var decoded strings.Builder
	require.NoError(t, JSON(&decoded, r))
	require.NotContains(t, decoded.String(), "<script")
}

// svgs are the plots of a page, as elements.
func svgs(t *testing.T, text string) [][]xml.StartElement {
	t.Helper()
	var all [][]xml.StartElement
	for _, svg := range regexp.MustCompile(`(?s)<svg .*?</svg>`).FindAllString(text, -1) {
		var elements []xml.StartElement
		d := xml.NewDecoder(strings.NewReader(svg))
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err, svg)
			if e, ok := token.(xml.StartElement); ok {
				elements = append(elements, e)
			}
		}
		all = append(all, elements)
	}
	return all
}

func TestWhatIsDrawnIsInsideThePlot(t *testing.T) {
	page := paged(t, played(t, store(t), Options{Declared: declaredResources(), Plots: true}, compared()...))
	plots := svgs(t, page)
	require.Len(t, plots, 6)
	steps := regexp.MustCompile(`([MHV])([0-9.]+)(?: ([0-9.]+))?`)
	for _, plot := range plots {
		drawn := 0
		for _, e := range plot {
			for _, a := range e.Attr {
				if a.Name.Local != "d" {
					continue
				}
				require.Empty(t, steps.ReplaceAllString(a.Value, ""), "only steps")
				for _, m := range steps.FindAllStringSubmatch(a.Value, -1) {
					drawn++
					x, y := m[2], m[3]
					if m[1] == "V" {
						x, y = "", m[2]
					}
					inside(t, x, plotLeft, plotWidth-plotRight)
					inside(t, y, plotTop, plotHeight-plotBottom)
				}
			}
		}
		require.Greater(t, drawn, 4)
	}
}

func inside(t *testing.T, coordinate string, low, high float64) {
	t.Helper()
	if coordinate == "" {
		return
	}
	v, err := strconv.ParseFloat(coordinate, 64)
	require.NoError(t, err)
	require.GreaterOrEqual(t, v, low)
	require.LessOrEqual(t, v, high)
}

func TestALineIsBrokenWhereNothingIsKnown(t *testing.T) {
	x := func(i int) float64 { return float64(10 * i) }
	y := func(v int64) float64 { return float64(100 - v) }
	moments := []moment{{used: 5}, {used: 5}, {used: 8}, {used: Unknown}, {used: Unknown}, {used: 2}, {used: 3}}
	require.Equal(t, "M0.0 95.0H20.0V92.0H30.0M50.0 98.0H60.0V97.0H70.0", path(moments, x, y, func(m *moment) int64 { return m.used }))
	require.Empty(t, path(moments[3:5], x, y, func(m *moment) int64 { return m.used }))
}

func TestALongTimeIsAFewPointsAndKeepsItsPeaks(t *testing.T) {
	track := flat("p", "app", sunday, 60*aDay, 100, 300*mebi)
	track.set(sunday.Add(30*aDay+time.Hour), 1, 7000, 900*mebi)
	r := played(t, []Workload{{Namespace: "n", Name: "w", Tracks: []Track{track}}}, Options{Plots: true}, byDefault("base"))
	moments := r.Containers[0].plotted[usage.CPU]
	require.LessOrEqual(t, len(moments), plotPoints)
	most := int64(0)
	for _, m := range moments {
		most = max(most, m.used)
	}
	require.Equal(t, int64(7000), most)
	require.LessOrEqual(t, strings.Count(paged(t, r), "<text"), 2*(3+plotDays))
}

func TestOfVeryManyContainersTheWorstAreShown(t *testing.T) {
	var all []Workload
	for i := range maxPlotted + 20 {
		cpu := int32(100)
		if i == 7 || i == 100 {
			cpu = 3000
		}
		all = append(all, Workload{Namespace: "n", Name: "w" + strconv.Itoa(1000+i), Tracks: []Track{flat("p", "app", sunday, 2*aDay, cpu, 300*mebi)}})
	}
	leaks := &all[maxPlotted+19].Tracks[0]
	leaks.set(sunday.Add(2*aDay-time.Hour), 60, 100, 100<<30)
	text := paged(t, played(t, all, Options{Plots: true}, byDefault("base")))
	require.Equal(t, 2*maxPlotted, strings.Count(text, "<svg "))
	require.Contains(t, text, "20 more containers not shown")
	for name, shown := range map[string]bool{"w1007": true, "w1100": true, "w1119": true, "w1000": true, "w1099": false, "w1118": false} {
		require.Equal(t, shown, strings.Contains(text, "n/"+name+"/app"), name)
	}
}

func TestWhereNothingIsKnownNothingIsShown(t *testing.T) {
	w := []Workload{{Namespace: "n", Name: "w", Tracks: []Track{flat("p", "app", sunday, aDay/2, 100, Unknown)}}}
	r := played(t, w, Options{Plots: true}, byDefault("base"))
	text := paged(t, r)
	require.NotContains(t, text, "MEMORY")
	require.Contains(t, text, "<td>0%</td>")
	var out strings.Builder
	require.NoError(t, Table(&out, r))
	require.NotContains(t, out.String(), "MEMORY")
	require.Regexp(t, `n/w/app +base +- +- +- +- +- +- +- +- +- +0%`, out.String())
}
