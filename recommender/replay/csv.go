package replay

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of what is read, so that a mistaken file is refused and does not fill memory.
const (
	maxLine     = 4096
	maxProblems = 10
	// maxMinutes is how many minutes all tracks may have together, gaps included: a thousand containers for two weeks.
	maxMinutes = 20_000_000
	// maxGap is how many minutes rows of one track may be apart: more than a year is a mistake.
	maxGap = 400 * 24 * 60
	// maxStep is how far apart rows may be, as history may: beyond it they say little of what a minute used.
	maxStep = time.Hour
)

// The columns of a file. One of time, and of CPU or memory, has to be there.
const (
	columnTime      = "time"
	columnNamespace = "namespace"
	columnWorkload  = "workload"
	columnPod       = "pod"
	columnContainer = "container"
	columnCPU       = "cpu_cores"
	columnMemory    = "memory_bytes"
)

var columns = []string{columnTime, columnNamespace, columnWorkload, columnPod, columnContainer, columnCPU, columnMemory}

// LineError says what is wrong with one line of a file.
type LineError struct {
	File string
	Line int
	// Column is empty where it is the line as a whole.
	Column, Value string
	// Must is the remedy.
	Must string
}

func (e *LineError) Error() string {
	if e.Column == "" {
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Must)
	}
	return fmt.Sprintf("%s:%d: %s %q: %s", e.File, e.Line, e.Column, clipped(e.Value), e.Must)
}

func clipped(text string) string {
	if len(text) > 80 {
		return strings.ToValidUTF8(text[:80], "") + "..."
	}
	return text
}

// CSV collects what files say. The zero value has read nothing.
type CSV struct {
	tracks  map[trackKey]*rows
	minutes int
}

type trackKey struct{ namespace, workload, pod, container string }

// Read reads a file in this form, whose columns may come in any order:
//
//	time,namespace,workload,pod,container,cpu_cores,memory_bytes
//	2026-03-01T00:00:00Z,store,Deployment/shop,shop-5x2kq,app,0.25,268435456
//
// time is when the measurement begins, in RFC 3339 or in seconds since 1970. What was measured holds until the next row of the
// same container of the same pod, but no longer than such rows usually are apart in the file, which is an hour at most: so
// gaps stay gaps. Rows of one minute are one: CPU is averaged, memory the largest. They come in the order of time, container by container
// or mixed. An empty cell is not known. Left out, namespace is default, workload the file's name, pod one pod, and container
// the workload's name.
//
// The error has every line that cannot be read, up to ten; then nothing of the file is to be used.
func (c *CSV) Read(file string, from io.Reader) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, maxLine), maxLine)
	f := csvFile{csv: c, name: file, steps: map[time.Duration]int{}}
	var problems []error
	for lines.Scan() && len(problems) < maxProblems {
		f.line++
		text := strings.TrimSuffix(lines.Text(), "\r")
		if f.line == 1 {
			text = strings.TrimPrefix(text, "\ufeff")
		}
		if strings.TrimSpace(text) == "" {
			continue
		}
		if err := f.take(text); err != nil {
			problems = append(problems, err)
			if f.columns == nil || errors.Is(err, errTooMuch) {
				break
			}
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		problems = append(problems, &LineError{File: file, Line: f.line + 1, Must: fmt.Sprintf("the line is longer than %d bytes: is it CSV?", maxLine)})
	} else if err != nil {
		problems = append(problems, fmt.Errorf("reading %s: %w", file, err))
	}
	if len(problems) == 0 && f.rows == 0 {
		problems = append(problems, fmt.Errorf("%s: has no rows: write a header such as %s, and a row for each measurement", file, strings.Join(columns, ",")))
	}
	return errors.Join(problems...)
}

// csvFile is a file that is being read.
type csvFile struct {
	csv  *CSV
	name string
	line int
	rows int
	// columns are the names in the header, nil before it.
	columns []string
	// steps counts how far apart minutes with rows of one track are.
	steps map[time.Duration]int
	// last is the track that the last row was of.
	lastKey trackKey
	last    *rows
}

func (f *csvFile) problem(column, value, must string) error {
	return &LineError{File: f.name, Line: f.line, Column: column, Value: value, Must: must}
}

// take takes a line that is not empty.
func (f *csvFile) take(text string) error {
	if !utf8.ValidString(text) {
		return f.problem("", "", "the line is not UTF-8 text")
	}
	cells := strings.Split(text, ",")
	if strings.Contains(text, `"`) {
		var err error
		if cells, err = csv.NewReader(strings.NewReader(text)).Read(); err != nil {
			return f.problem("", "", "the quotes do not match: write one line for each row, and quotes around whole cells")
		}
	}
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	if f.columns == nil {
		return f.header(cells)
	}
	if len(cells) != len(f.columns) {
		return f.problem("", "", fmt.Sprintf("the row has %d cells and the header %d", len(cells), len(f.columns)))
	}
	f.rows++
	return f.row(cells)
}

func (f *csvFile) header(cells []string) error {
	for i, name := range cells {
		if !slices.Contains(columns, name) {
			return f.problem("", "", fmt.Sprintf("the header has a column %q: it may have %s", clipped(name), strings.Join(columns, ", ")))
		}
		if slices.Contains(cells[:i], name) {
			return f.problem("", "", fmt.Sprintf("the header has the column %s twice", name))
		}
	}
	if !slices.Contains(cells, columnTime) || !slices.Contains(cells, columnCPU) && !slices.Contains(cells, columnMemory) {
		return f.problem("", "", fmt.Sprintf("the header must have %s, and %s or %s", columnTime, columnCPU, columnMemory))
	}
	f.columns = slices.Clone(cells)
	return nil
}

// row takes one measurement.
func (f *csvFile) row(cells []string) error {
	key := trackKey{namespace: "default", workload: strings.TrimSuffix(filepath.Base(f.name), ".csv")}
	one := row{cpu: Unknown, memory: Unknown}
	for i, column := range f.columns {
		must := ""
		switch cell := cells[i]; column {
		case columnTime:
			one.at, must = parseTime(cell)
		case columnCPU:
			one.cpu, must = parseCPU(cell)
		case columnMemory:
			one.memory, must = parseMemory(cell)
		case columnNamespace:
			must = name(&key.namespace, cell)
		case columnWorkload:
			must = name(&key.workload, cell)
		case columnPod:
			must = name(&key.pod, cell)
		case columnContainer:
			must = name(&key.container, cell)
		}
		if must != "" {
			return f.problem(column, cells[i], must)
		}
	}
	if key.container == "" {
		key.container = key.workload[strings.LastIndexByte(key.workload, '/')+1:]
	}
	if f.last == nil || key != f.lastKey {
		f.lastKey, f.last = key, f.of(key)
	}
	if must := f.last.add(one, &f.csv.minutes); must != "" {
		err := f.problem(columnTime, cells[slices.Index(f.columns, columnTime)], must)
		if f.csv.minutes > maxMinutes {
			return fmt.Errorf("%w: %w", errTooMuch, err)
		}
		return err
	}
	return nil
}

var errTooMuch = fmt.Errorf("more than %d minutes of containers: replay fewer of them, or fewer days, at a time", maxMinutes)

// of returns the rows of a track, new ones if there are none.
func (f *csvFile) of(key trackKey) *rows {
	c := f.csv
	if c.tracks == nil {
		c.tracks = map[trackKey]*rows{}
	}
	r := c.tracks[key]
	if r == nil {
		// What it is found by is cut out of a line.
		key = trackKey{strings.Clone(key.namespace), strings.Clone(key.workload), strings.Clone(key.pod), strings.Clone(key.container)}
		r = &rows{file: f.name, steps: f.steps}
		c.tracks[key] = r
	}
	return r
}
