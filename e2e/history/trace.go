package history

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// TracesVar names the folder with real traces. They are other people's data and not part of this project.
const TracesVar = "SARTOR_TRACES"

// The machine that a trace's percentages are of.
const (
	traceCores  = 4
	traceMemory = 8 << 30 // bytes
)

// traceStep is how long a trace's row holds.
const traceStep = 5 * time.Minute

// Trace is real usage. Its last row ends at the recording's End; what is longer than the trace repeats it.
type Trace struct {
	// Name is the file's path below the folder, without its suffix: "google/1329653148".
	Name string
	// Length is how long the trace lasts before it repeats.
	Length time.Duration
	CPU    Load
	// Memory is nil when the file does not say.
	Memory Load
}

// TracesFromEnv loads the folder that $SARTOR_TRACES names; ok is false when the variable is not set.
// A relative path is relative to the working directory, which "go test" sets to the package's: use absolute ones.
func TracesFromEnv() (traces []Trace, ok bool, err error) {
	dir := os.Getenv(TracesVar)
	if dir == "" {
		return nil, false, nil
	}
	traces, err = LoadTraces(dir)
	if err != nil {
		return nil, true, fmt.Errorf("$%s: %w", TracesVar, err)
	}
	return traces, true, nil
}

// LoadTraces reads every *.csv below dir, in order of their names. Columns are seconds, cpu_percent and,
// where known, memory_percent; rows are 5 minutes apart, and a value holds over rows that are missing.
func LoadTraces(dir string) ([]Trace, error) {
	var out []Trace
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(path) != ".csv" {
			return err
		}
		t, err := loadTrace(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		t.Name = strings.TrimSuffix(filepath.ToSlash(name), ".csv")
		out = append(out, t)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load traces: %w", err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("load traces: no *.csv below %s: name the folder that holds them", dir)
	}
	return out, nil
}

func loadTrace(path string) (Trace, error) {
	f, err := os.Open(path)
	if err != nil {
		return Trace{}, err
	}
	defer f.Close()
	t, err := parseTrace(f)
	if err != nil {
		return Trace{}, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

var traceColumns = []string{"seconds", "cpu_percent", "memory_percent"}

func parseTrace(in io.Reader) (Trace, error) {
	r := csv.NewReader(in) // it holds every row to the number of columns of the first
	header, err := r.Read()
	if err != nil {
		return Trace{}, fmt.Errorf("header: %w: want %s", err, strings.Join(traceColumns, ","))
	}
	if n := len(header); n < 2 || n > 3 || !slices.Equal(header, traceColumns[:n]) {
		return Trace{}, fmt.Errorf("line 1: header %q: want %s, the last of them optional", strings.Join(header, ","), strings.Join(traceColumns, ","))
	}
	columns := make([][]float64, len(header)-1)
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Trace{}, err // names the line
		}
		if err := addRow(columns, row); err != nil {
			line, _ := r.FieldPos(0)
			return Trace{}, fmt.Errorf("line %d: %w", line, err)
		}
	}
	if len(columns[0]) == 0 {
		return Trace{}, errors.New("has no rows after its header")
	}
	t := Trace{Length: time.Duration(len(columns[0])) * traceStep, CPU: steps(columns[0], traceCores)}
	if len(columns) > 1 {
		t.Memory = steps(columns[1], traceMemory)
	}
	return t, nil
}

// addRow appends a row's percentages, after as many copies of the row before as are missing in between.
func addRow(columns [][]float64, row []string) error {
	seconds, err := strconv.ParseInt(row[0], 10, 64)
	step := int64(traceStep / time.Second)
	at := int64(len(columns[0]))
	if err != nil || seconds%step != 0 || seconds/step < at || (at == 0 && seconds != 0) {
		return fmt.Errorf("seconds %q: want multiples of %d that begin at 0 and increase", row[0], step)
	}
	// A gap of more than a day is a mistake in the file, and no reason to fill memory.
	if missing := seconds/step - at; missing > int64(24*time.Hour/traceStep) {
		return fmt.Errorf("seconds %q: %d rows are missing before it", row[0], missing)
	}
	for i := range columns {
		v, err := strconv.ParseFloat(row[i+1], 64)
		if err != nil || v < 0 || math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%s %q: want a number, 0 or more", traceColumns[i+1], row[i+1])
		}
		for int64(len(columns[i])) < seconds/step {
			columns[i] = append(columns[i], columns[i][len(columns[i])-1])
		}
		columns[i] = append(columns[i], v)
	}
	return nil
}

// steps is a Load that plays percentages of whole, the last one up to End.
func steps(percent []float64, whole float64) Load {
	n := int64(len(percent))
	return func(_ uint64, t time.Duration) float64 {
		i := floorDiv(t, traceStep) % n
		if i < 0 {
			i += n
		}
		return percent[i] / 100 * whole
	}
}
