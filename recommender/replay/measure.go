package replay

import (
	"math"
	"slices"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// Measures say how one resource was served. CPU is in cores and core-hours, memory in bytes and GiB-hours. A minute is one
// of one container of one pod in which its usage is known; a covered minute one in which it had a recommendation, too.
type Measures struct {
	// Minutes are those that were measured, after the warm-up, and Coverage the share of them, 0 to 1, that is covered. All
	// that follows is about covered minutes.
	Minutes  int     `json:"minutes"`
	Coverage float64 `json:"coverage"`
	// Request and Limit are what a pod had last; a limit of 0 is none. 0 in totals.
	Request float64 `json:"request"`
	Limit   float64 `json:"limit"`
	// SlackMean is the average of the request less what was used; below 0 where more was used. SlackP50 and SlackP95 are
	// percentiles of it: half, and 95 %, of the minutes had no more to spare; not in totals, whose containers differ in size.
	SlackMean float64  `json:"slackMean"`
	SlackP50  *float64 `json:"slackP50,omitempty"`
	SlackP95  *float64 `json:"slackP95,omitempty"`
	// ReservedHours is the requests over time, UsedHours what was used, and ExcessHours what was reserved beyond what was
	// used, where it was: what lies idle. UsedHours + ExcessHours - ReservedHours is what was used beyond requests.
	ReservedHours float64 `json:"reservedHours"`
	UsedHours     float64 `json:"usedHours"`
	ExcessHours   float64 `json:"excessHours"`
	// Overrun is the share of minutes, 0 to 1, in which more was used than requested.
	Overrun float64 `json:"overrun"`
	// AboveLimit is the share of minutes, 0 to 1, in which more was used than the limit, of those that had one: for CPU these
	// would have been throttled. Nil where there was no limit.
	AboveLimit *float64 `json:"aboveLimit,omitempty"`
	// OOMDays is the number of days (UTC) on which a pod's memory was above its limit, so that it would have been killed; of
	// MeasuredDays that have covered minutes. In totals they are added up over containers. Of CPU there are none.
	OOMDays      int `json:"oomDays"`
	MeasuredDays int `json:"measuredDays"`
	// ChangesPerDay is how often a day the target moved by more than 10 % of what it was after it last did; LargestChange is
	// by which part of it at most, 0.5 for half up or down. In totals they are the average of the containers, and the largest.
	ChangesPerDay float64 `json:"changesPerDay"`
	LargestChange float64 `json:"largestChange"`
}

// change is the part of a target by which it has to move for it to count.
const change = 0.1

// tally is what Measures are made of, in millicores or bytes, and minutes.
type tally struct {
	minutes, covered int
	// slack is that of each covered minute.
	slack []int64
	// sums of requests, usage, and requests that were not used; float64 because bytes times minutes is beyond an int64.
	reserved, used, excess float64
	overrun                int
	limited, beyond        int
	days, oomDays          int
	// day and oomDay are the last that were counted, from 1; last is what a pod had last.
	day, oomDay int64
	last        ask

	// reference is the target after it last moved, looks how often it was looked at since it is known.
	reference target
	looks     int
	changes   int
	largest   float64
}

// add takes a minute of a day, which is counted since 1970.
func (t *tally) add(used usage.Amount, given ask, day int64) {
	t.minutes++
	if !given.known {
		return
	}
	t.covered++
	t.last = given
	spare := int64(given.request - used)
	t.slack = append(t.slack, spare)
	t.reserved += float64(given.request)
	t.used += float64(used)
	t.excess += float64(max(0, spare))
	if spare < 0 {
		t.overrun++
	}
	if t.day != day+1 {
		t.day, t.days = day+1, t.days+1
	}
	if given.limit == 0 {
		return
	}
	t.limited++
	if used <= given.limit {
		return
	}
	t.beyond++
	if t.oomDay != day+1 {
		t.oomDay, t.oomDays = day+1, t.oomDays+1
	}
}

// move takes what the target is at a look.
func (t *tally) move(to target) {
	if !to.known {
		return
	}
	t.looks++
	if !t.reference.known {
		t.reference = to
		return
	}
	moved := math.Abs(float64(to.amount-t.reference.amount)) / max(1, float64(t.reference.amount))
	if moved > change {
		t.reference, t.changes, t.largest = to, t.changes+1, max(t.largest, moved)
	}
}

// of is by how much amounts of r are divided for people, and hours after that.
func unitOf(r usage.Resource) (amount, hours float64) {
	if r == usage.CPU {
		return 1000, 1
	}
	return 1, 1 << 30
}

// measures are those of a container, or of a total if it is of several.
func (t *tally) measures(r usage.Resource, total bool) Measures {
	unit, larger := unitOf(r)
	hours := 60 * unit * larger
	m := Measures{
		Minutes: t.minutes, Coverage: share(t.covered, t.minutes),
		SlackMean:     (t.reserved - t.used) / unit / float64(max(1, t.covered)),
		ReservedHours: t.reserved / hours, UsedHours: t.used / hours, ExcessHours: t.excess / hours,
		Overrun:       share(t.overrun, t.covered),
		MeasuredDays:  t.days,
		ChangesPerDay: float64(t.changes) * looksPerDay / float64(max(1, t.looks)), LargestChange: t.largest,
	}
	if t.limited > 0 {
		above := share(t.beyond, t.limited)
		m.AboveLimit = &above
	}
	if r == usage.Memory {
		m.OOMDays = t.oomDays
	}
	if !total && t.covered > 0 {
		m.Request, m.Limit = float64(t.last.request)/unit, float64(t.last.limit)/unit
		slices.Sort(t.slack)
		half, most := percentile(t.slack, 50)/unit, percentile(t.slack, 95)/unit
		m.SlackP50, m.SlackP95 = &half, &most
	}
	return m
}

const looksPerDay = 144

func share(part, of int) float64 { return float64(part) / float64(max(1, of)) }

// percentile is the smallest of the sorted values, of which there are some, that so many percent of them do not exceed.
func percentile(sorted []int64, percent int) float64 {
	return float64(sorted[(len(sorted)*percent+99)/100-1])
}

// merge adds what o has counted. The slack of single minutes is left out.
func (t *tally) merge(o *tally) {
	t.minutes, t.covered = t.minutes+o.minutes, t.covered+o.covered
	t.reserved, t.used, t.excess = t.reserved+o.reserved, t.used+o.used, t.excess+o.excess
	t.overrun, t.limited, t.beyond = t.overrun+o.overrun, t.limited+o.limited, t.beyond+o.beyond
	t.days, t.oomDays = t.days+o.days, t.oomDays+o.oomDays
	t.looks, t.changes, t.largest = t.looks+o.looks, t.changes+o.changes, max(t.largest, o.largest)
}
