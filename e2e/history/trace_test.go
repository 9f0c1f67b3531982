package history

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestATraceHoldsEachRowAndRepeats(t *testing.T) {
	tr, err := parseTrace(strings.NewReader("seconds,cpu_percent,memory_percent\n0,25,50\n300,50,12.5\n900,100,0\n"))
	require.NoError(t, err)
	require.Equal(t, 20*time.Minute, tr.Length)
	for at, cores := range map[time.Duration]float64{
		-20 * time.Minute:                  1,
		-15*time.Minute - time.Millisecond: 1,
		-15 * time.Minute:                  2,
		-10 * time.Minute:                  2, // the row at 600 is missing: the one before holds
		-5 * time.Minute:                   4,
		-time.Millisecond:                  4,
		0:                                  1, // again from the start
		-21 * time.Minute:                  4,
	} {
		require.InDelta(t, cores, tr.CPU(0, at), 1e-9, "%s", at)
	}
	require.InDelta(t, 4<<30, tr.Memory(0, -20*time.Minute), 1)
	require.InDelta(t, 1<<30, tr.Memory(0, -15*time.Minute), 1)
}

func TestATraceWithoutMemoryHasNoMemoryLoad(t *testing.T) {
	tr, err := parseTrace(strings.NewReader("seconds,cpu_percent\n0,25\n"))
	require.NoError(t, err)
	require.Nil(t, tr.Memory)
}

func TestABadTraceIsNamedByFileLineAndValue(t *testing.T) {
	const head = "seconds,cpu_percent,memory_percent\n"
	for _, c := range []struct{ text, want string }{
		{"", "header: EOF"},
		{"time,cpu\n", `line 1: header "time,cpu"`},
		{head, "no rows"},
		{head + "0,1,2\n300,x,2\n", `line 3: cpu_percent "x"`},
		{head + "0,1,-2\n", `line 2: memory_percent "-2"`},
		{head + "0,NaN,2\n", `line 2: cpu_percent "NaN"`},
		{head + "0,1,2\n0,1,2\n", `line 3: seconds "0"`},
		{head + "0,1,2\n301,1,2\n", `line 3: seconds "301"`},
		{head + "300,1,2\n", `line 2: seconds "300"`},
		{head + "0,1,2\n3000000,1,2\n", `9999 rows are missing`},
		{head + "0,1\n", "line 2: wrong number of fields"},
	} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "bad.csv"), []byte(c.text), 0o600))
		_, err := LoadTraces(dir)
		require.ErrorContains(t, err, c.want)
		require.ErrorContains(t, err, "bad.csv")
	}
}

func TestTracesAreNamedByTheirPath(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "aws"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "aws", "one.csv"), []byte("seconds,cpu_percent\n0,1\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "README.md"), []byte("not a trace"), 0o600))
	t.Setenv(TracesVar, dir)
	traces, ok, err := TracesFromEnv()
	require.NoError(t, err)
	require.True(t, ok)
	require.Len(t, traces, 1)
	require.Equal(t, "aws/one", traces[0].Name)
}

func TestWithoutAFolderThereAreNoTraces(t *testing.T) {
	t.Setenv(TracesVar, "")
	_, ok, err := TracesFromEnv()
	require.NoError(t, err)
	require.False(t, ok)

	t.Setenv(TracesVar, t.TempDir())
	_, ok, err = TracesFromEnv()
	require.True(t, ok)
	require.ErrorContains(t, err, "$"+TracesVar+": load traces: no *.csv below")
}

func TestRealTracesLoad(t *testing.T) {
	traces, ok, err := TracesFromEnv()
	if !ok {
		t.Skipf("$%s does not name a folder with real traces", TracesVar)
	}
	require.NoError(t, err)
	for _, tr := range traces {
		require.GreaterOrEqual(t, tr.Length, DefaultSpan, tr.Name)
		require.LessOrEqual(t, tr.CPU(0, -time.Hour), 4.0, tr.Name)
	}
}
