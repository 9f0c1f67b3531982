package replay

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

// reading is what a file of that text gives.
func reading(text string) ([]Workload, error) {
	var c CSV
	if err := c.Read("usage/shop.csv", strings.NewReader(text)); err != nil {
		return nil, err
	}
	return c.Workloads()
}

// yearly is a row each year.
func yearly(years int) string {
	var text strings.Builder
	for year := range years {
		fmt.Fprintf(&text, "%d-01-01T00:00:00Z,1,1\n", 2000+year)
	}
	return text.String()
}

const header = "time,cpu_cores,memory_bytes\n"

func TestARowStandsForTheMinutesUntilTheNextAndGapsStayGaps(t *testing.T) {
	got, err := reading(header +
		"2026-03-01T00:00:30Z,0.25,1000\n" + // holds for the five minutes until the next
		"2026-03-01T00:05:00Z,0.1004,2000\n" +
		"2026-03-01T00:10:00Z,,3000.9\n" +
		"2026-03-01T01:00:00+00:00,1,\n" + // fifty minutes later
		"2026-03-01T01:05:00.5Z,2e0,0\n" +
		"2026-03-01T01:07:00Z,0.5,0\n") // two minutes later than the one before
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Equal(t, "default/shop", got[0].String(), "the file's name")
	require.Len(t, got[0].Tracks, 1)
	track := got[0].Tracks[0]
	require.Equal(t, "shop", track.Container)
	require.Equal(t, sunday, track.From)
	require.Len(t, track.CPU, 72)
	require.Len(t, track.Memory, 72)
	for minute, want := range map[int][2]int64{
		0: {250, 1000}, 4: {250, 1000}, 5: {101, 2000}, 9: {101, 2000}, 10: {Unknown, 3000}, 14: {Unknown, 3000},
		15: {Unknown, Unknown}, 59: {Unknown, Unknown}, 60: {1000, Unknown}, 65: {2000, 0}, 66: {2000, 0}, 67: {500, 0}, 71: {500, 0},
	} {
		require.Equal(t, want, [2]int64{int64(track.CPU[minute]), track.Memory[minute]}, minute)
	}
}

func TestRowsOfOneMinuteAreOne(t *testing.T) {
	start := sunday.Unix()
	var text strings.Builder
	text.WriteString(header)
	for i := range 8 { // every 15 seconds: 100m, 200m, 300m, 400m, and again
		fmt.Fprintf(&text, "%d,%.1f,%d\n", start+int64(i)*15, float64(i%4+1)/10, 1000*(i%4+1))
	}
	got, err := reading(text.String())
	require.NoError(t, err)
	require.Equal(t, []int32{250, 250}, got[0].Tracks[0].CPU)
	require.Equal(t, []int64{4000, 4000}, got[0].Tracks[0].Memory)
}

func TestColumnsMayComeInAnyOrderAndNamesMayBeLeftOut(t *testing.T) {
	got, err := reading("\ufeffmemory_bytes, pod ,workload,time,container,namespace\r\n" +
		"1,b,Deployment/shop,1772323200,app,store\r\n" +
		"\r\n" +
		"2,a,Deployment/shop,1772323200.5,,store\r\n" +
		"3,,,1772323200,,\r\n" +
		"4,\"x, y\",Deployment/shop,1772323200,app,store\r\n")
	require.NoError(t, err)
	require.Len(t, got, 2)
	require.Equal(t, "default/shop", got[0].String())
	require.Equal(t, "store/Deployment/shop", got[1].String())
	var names []string
	for _, track := range got[1].Tracks {
		names = append(names, track.Pod+" "+track.Container)
		require.Equal(t, []int32{Unknown}, track.CPU)
	}
	require.Equal(t, []string{"a shop", "b app", "x, y app"}, names)
}

func TestFilesAreReadTogether(t *testing.T) {
	var c CSV
	require.NoError(t, c.Read("a.csv", strings.NewReader(header+"1772323200,1,1\n1772323260,1,1\n")))
	require.NoError(t, c.Read("b.csv", strings.NewReader(header+"1772323200,1,1\n")))
	got, err := c.Workloads()
	require.NoError(t, err)
	require.Len(t, got, 2)
	again, err := c.Workloads()
	require.NoError(t, err)
	require.Empty(t, again, "it is used up")
}

func TestEachLineThatCannotBeReadIsNamedWithTheRemedy(t *testing.T) {
	ok := "2026-03-01T00:00:00Z,1,1\n"
	for name, tc := range map[string]struct{ text, says string }{
		"nothing":            {"", "usage/shop.csv: has no rows: write a header such as time,namespace,"},
		"only a header":      {header, "has no rows"},
		"an odd column":      {"time,cpu\n" + ok, `usage/shop.csv:1: the header has a column "cpu": it may have time, namespace, workload, pod, container, cpu_cores, memory_bytes`},
		"a column twice":     {"time,cpu_cores,time\n", "the header has the column time twice"},
		"no usage":           {"time,pod\n", "shop.csv:1: the header must have time, and cpu_cores or memory_bytes"},
		"no time":            {"cpu_cores\n", "the header must have time"},
		"a cell too few":     {header + ok + "2026-03-01T00:01:00Z,1\n", "shop.csv:3: the row has 2 cells and the header 3"},
		"no time in a row":   {header + ",1,1\n", `shop.csv:2: time "": must be a time such as 2026-03-01T00:00:00Z, or seconds since 1970`},
		"a date":             {header + "2026-03-01,1,1\n", `time "2026-03-01": must be a time such as`},
		"seconds of a trace": {header + "300,1,1\n", `shop.csv:2: time "300": must be in this century`},
		"milliseconds":       {header + "1772323200000,1,1\n", "must be a time such as"},
		"no number":          {header + "1772323200,x,1\n", `shop.csv:2: cpu_cores "x": must be a number of cores from 0 to 2000, such as 0.25, or empty if it is not known`},
		"not a number":       {header + "1772323200,NaN,1\n", `cpu_cores "NaN"`},
		"infinite":           {header + "1772323200,1,+Inf\n", `memory_bytes "+Inf": must be a number of bytes from 0 to 100000000000000, such as 268435456`},
		"negative":           {header + "1772323200,-0.1,1\n", `cpu_cores "-0.1"`},
		"millicores":         {header + "1772323200,2500,1\n", `cpu_cores "2500": must be a number of cores from 0 to 2000`},
		"a quantity":         {header + "1772323200,1,1Gi\n", `memory_bytes "1Gi"`},
		"the past":           {header + ok + ok, `shop.csv:3: time "2026-03-01T00:00:00Z": must be later than the row before it of the same container and pod, 2026-03-01T00:00:00Z: sort the rows`},
		"a name":             {"time,cpu_cores,pod\n1772323200,1,a\x1bb\n", `shop.csv:2: pod "a\x1bb": must be a name: at most 506 characters that can be seen`},
		"a long name":        {"time,cpu_cores,pod\n1772323200,1," + strings.Repeat("a", 507) + "\n", `pod "aaa`},
		"no text":            {header + "\xff\n", "shop.csv:2: the line is not UTF-8 text"},
		"a quote":            {header + "\"1772323200,1,1\n", "shop.csv:2: the quotes do not match"},
		"a long line":        {header + strings.Repeat("a", 5000), "shop.csv:2: the line is longer than 4096 bytes: is it CSV?"},
		"a lifetime":         {header + ok + "2076-03-01T00:00:00Z,1,1\n", `shop.csv:3: time "2076-03-01T00:00:00Z": is 18263 days after the row before it of the same container and pod, 2026-03-01T00:00:00Z: is it right?`},
		"too much":           {header + yearly(60), "more than 20000000 minutes of containers: replay fewer of them"},
		"rows far apart":     {header + ok + "2026-03-01T02:00:00Z,1,1\n", "usage/shop.csv: the rows of a container are 2h0m0s apart: they may be 1h0m0s apart at the most"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := reading(tc.text)
			require.ErrorContains(t, err, tc.says)
			require.Nil(t, got)
		})
	}
}

func TestSeveralBadLinesAreToldAtOnceButNotAll(t *testing.T) {
	_, err := reading(header + "x,1,1\n1772323200,1,1\n" + strings.Repeat("y,1,1\n", 50))
	require.ErrorContains(t, err, `shop.csv:2: time "x"`)
	require.ErrorContains(t, err, `shop.csv:12: time "y"`)
	require.NotContains(t, err.Error(), "shop.csv:13")
	var line *LineError
	require.ErrorAs(t, err, &line)
	require.Equal(t, 2, line.Line)
}

func TestAFileThatCannotBeReadIsNamed(t *testing.T) {
	broken := errors.New("broken")
	var c CSV
	err := c.Read("shop.csv", iotest.ErrReader(broken))
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, "reading shop.csv: broken")
}

// FuzzCSV reads anything. What is read is whole and within bounds, and can be replayed.
func FuzzCSV(f *testing.F) {
	f.Add([]byte(header + "2026-03-01T00:00:00Z,0.25,1000\n2026-03-01T00:05:00Z,,2e9\n"))
	f.Add([]byte("\ufefftime,namespace,workload,pod,container,cpu_cores,memory_bytes\r\n1772323200,a,Deployment/b,c,\"d\",1,\r\n1772323215.5,a,Deployment/b,c,d,3,1\r\n"))
	f.Add([]byte(header + "1772323200,1e3,100000000000000\n1772409600,0,0\n1772409660,0,0\n1772409720,,\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var c CSV
		if err := c.Read("f", strings.NewReader(string(text))); err != nil {
			return
		}
		workloads, err := c.Workloads()
		if err != nil {
			return
		}
		minutes := 0
		for _, w := range workloads {
			for i := range w.Tracks {
				track := &w.Tracks[i]
				if len(track.CPU) == 0 || len(track.CPU) != len(track.Memory) || track.From.Truncate(time.Minute) != track.From {
					t.Fatalf("%d and %d minutes from %s", len(track.CPU), len(track.Memory), track.From)
				}
				minutes += len(track.CPU)
				for m := range track.CPU {
					if track.CPU[m] < Unknown || track.Memory[m] < Unknown {
						t.Fatalf("%d millicores, %d bytes", track.CPU[m], track.Memory[m])
					}
				}
			}
		}
		if minutes > 200_000 {
			return // nothing that this cannot play, but not thousands of times
		}
		r, err := Run(t.Context(), workloads, []Policy{byDefault("base")}, Options{RestartEvery: aDay}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := JSON(&strings.Builder{}, r); err != nil {
			t.Fatal(err) // something is infinite
		}
	})
}
