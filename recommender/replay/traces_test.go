package replay

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tracesVar names the folder with recorded usage, which is not part of this repository.
const tracesVar = "SARTOR_TRACES"

// traces are the recorded jobs as files that ReadCSV takes, on a machine of 4 cores and 8 GiB; the test is skipped without them.
func traces(t testing.TB) map[string]string {
	t.Helper()
	folder := os.Getenv(tracesVar)
	if folder == "" {
		t.Skipf("$%s is not set", tracesVar)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*", "*.csv"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	all := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		rows, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
		require.NoError(t, err)
		var out strings.Builder
		out.WriteString("time,cpu_cores,memory_bytes\n")
		for _, row := range rows[1:] {
			seconds, err := strconv.Atoi(row[0])
			require.NoError(t, err)
			memory := ""
			if len(row) > 2 {
				memory = fmt.Sprintf("%.0f", percent(t, row[2])*(8<<30))
			}
			fmt.Fprintf(&out, "%d,%.6f,%s\n", sunday.Unix()+int64(seconds), percent(t, row[1])*4, memory)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".csv")] = out.String()
	}
	return all
}

// sunday is when recorded usage is played as if it began.
var sunday = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func percent(t testing.TB, text string) float64 {
	v, err := strconv.ParseFloat(text, 64)
	require.NoError(t, err)
	return v / 100
}

func tracedWorkloads(t testing.TB) []Workload {
	var read CSV
	for name, text := range traces(t) {
		require.NoError(t, read.Read(name+".csv", strings.NewReader(text)))
	}
	workloads, err := read.Workloads()
	require.NoError(t, err)
	return workloads
}
