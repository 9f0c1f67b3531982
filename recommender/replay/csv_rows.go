package replay

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

// row is one measurement: nanocores and bytes, Unknown where the cell is empty.
type row struct {
	at     time.Time
	cpu    int64
	memory int64
}

// rows are the measurements of one container of one pod. Those of one minute are folded as they come.
type rows struct {
	all  []minute
	last time.Time
	// file is where the first of them was, steps how far apart rows are there.
	file  string
	steps map[time.Duration]int
}

// minute is all rows of one minute.
type minute struct {
	// at is in minutes since 1970; cpu is the sum of so many rows.
	at     int64
	cpu    int64
	rows   int32
	memory int64
}

// add takes the next row. It returns what is wrong with its time, and counts in total the minutes that there are then.
func (r *rows) add(one row, total *int) string {
	if !r.last.IsZero() && !one.at.After(r.last) {
		return fmt.Sprintf("must be later than the row before it of the same container and pod, %s: sort the rows, and give each pod its name in the column %s",
			r.last.Format(time.RFC3339), columnPod)
	}
	at := one.at.Unix() / 60
	if n := len(r.all); n == 0 || r.all[n-1].at != at {
		missing := int64(1)
		if n > 0 {
			missing = at - r.all[n-1].at
			r.steps[time.Duration(missing)*time.Minute]++
		}
		if missing > maxGap {
			return fmt.Sprintf("is %d days after the row before it of the same container and pod, %s: is it right?", missing/(24*60), r.last.Format(time.RFC3339))
		}
		if *total += int(missing); *total > maxMinutes {
			return "is as far as can be replayed at once"
		}
		r.all = append(r.all, minute{at: at, memory: Unknown})
	}
	m := &r.all[len(r.all)-1]
	if one.cpu >= 0 {
		m.cpu, m.rows = m.cpu+one.cpu, m.rows+1
	}
	m.memory, r.last = max(m.memory, one.memory), one.at
	return ""
}

// step is how far apart rows usually are: the most common distance, and the shortest of several.
func (r *rows) step() time.Duration {
	step, most := time.Minute, 0
	for _, d := range slices.Sorted(maps.Keys(r.steps)) {
		if r.steps[d] > most {
			step, most = d, r.steps[d]
		}
	}
	return step
}

// track lays the rows out minute by minute.
func (r *rows) track(key trackKey) (Track, error) {
	step := r.step()
	if step > maxStep {
		return Track{}, fmt.Errorf("%s: the rows of a container are %s apart: they may be %s apart at the most, because a row stands for all minutes until the next",
			r.file, step, maxStep)
	}
	t := Track{Pod: key.pod, Container: key.container, From: time.Unix(r.all[0].at*60, 0).UTC()}
	for i, m := range r.all {
		minutes := int64(step / time.Minute)
		if i+1 < len(r.all) {
			minutes = min(minutes, r.all[i+1].at-m.at)
		}
		cpu := int32(Unknown)
		if m.rows > 0 {
			// As metrics.k8s.io's consumers read them: up to millicores.
			cpu = int32(usage.RoundUp(float64(m.cpu/int64(m.rows)) / 1e6))
		}
		t.set(time.Unix(m.at*60, 0), int(minutes), cpu, m.memory)
	}
	return t, nil
}

// Workloads returns what was read, sorted by namespace and name, and uses it up.
func (c *CSV) Workloads() ([]Workload, error) {
	keys := slices.SortedFunc(maps.Keys(c.tracks), func(a, b trackKey) int {
		return cmp.Or(cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.workload, b.workload), cmp.Compare(a.pod, b.pod), cmp.Compare(a.container, b.container))
	})
	var all []Workload
	for _, key := range keys {
		t, err := c.tracks[key].track(key)
		if err != nil {
			return nil, err
		}
		delete(c.tracks, key)
		if n := len(all); n == 0 || all[n-1].Namespace != key.namespace || all[n-1].Name != key.workload {
			all = append(all, Workload{Namespace: key.namespace, Name: key.workload})
		}
		w := &all[len(all)-1]
		w.Tracks = append(w.Tracks, t)
	}
	return all, nil
}

// The times that are believed; those before are seconds since the start of something.
var (
	earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
)

// parseTime reads RFC 3339 or seconds since 1970. What is wrong is said in must, as by all that follow.
func parseTime(text string) (t time.Time, must string) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil || !(math.Abs(seconds) < 1e11) {
			return t, "must be a time such as 2026-03-01T00:00:00Z, or seconds since 1970"
		}
		t = time.UnixMilli(int64(seconds * 1000)).UTC()
	}
	if t.Before(earliest) || !t.Before(latest) {
		return t, "must be in this century: a time such as 2026-03-01T00:00:00Z, or seconds since 1970"
	}
	return t.UTC(), ""
}

func parseCPU(text string) (nanocores int64, must string) {
	const most = policy.MaxCPU / 1000
	cores, ok := number(text)
	if !ok || cores > float64(most) {
		return 0, fmt.Sprintf("must be a number of cores from 0 to %d, such as 0.25, or empty if it is not known", most)
	}
	if text == "" {
		return Unknown, ""
	}
	return int64(math.Round(cores * 1e9)), ""
}

func parseMemory(text string) (bytes int64, must string) {
	amount, ok := number(text)
	if !ok || amount > float64(usage.MaxAmount) {
		return 0, fmt.Sprintf("must be a number of bytes from 0 to %d, such as 268435456, or empty if it is not known", usage.MaxAmount)
	}
	if text == "" {
		return Unknown, ""
	}
	return int64(amount), ""
}

// number reads a number that is not negative; nothing is 0.
func number(text string) (float64, bool) {
	if text == "" {
		return 0, true
	}
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil && v >= 0 && !math.IsInf(v, 1)
}

// maxName is how long names in Kubernetes may be, twice: a workload's has its kind, too.
const maxName = 506

// name sets what something is called, unless the cell is empty.
func name(to *string, text string) (must string) {
	if len(text) > maxName || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) }) {
		return fmt.Sprintf("must be a name: at most %d characters that can be seen", maxName)
	}
	if text != "" {
		*to = text
	}
	return ""
}
