// Package decision records how a recommendation came about, and says it in words that people read in
// kubectl describe vpa. The words change only when the decision does.
package decision

import (
	"fmt"
	"strings"
)

// Container is how the recommendation of one container came about.
type Container struct {
	Name string
	// Origin is where the values come from, for example "8 days of Prometheus history and live metrics".
	Origin string
	Values []Value
}

// Value is how the target of one resource came about, in the order in which the steps were taken.
type Value struct {
	// Resource is "cpu" or "memory".
	Resource string
	// Target is the published target, as people write quantities: 587m, 1052Mi.
	Target string
	// Basis is what the target was before any bound, for example "p90 + 15%".
	Basis string
	// Bounds are what moved it, in order: "raised to minAllowed 100m", "capped by maxAllowed 1".
	Bounds []string
	// Limit is the limit that the webhook sets on pods created from now on; empty where it sets none.
	Limit string
}

// Basis names a percentile and a margin: Basis(0.9, 0.15, "daily peaks") is "p90 of daily peaks + 15%".
func Basis(percentile, margin float64, of string) string {
	s := "p" + trim(percentile*100)
	if of != "" {
		s += " of " + of
	}
	if margin != 0 {
		s += " + " + trim(margin*100) + "%"
	}
	return s
}

func trim(v float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", v), "0"), ".")
}

// String is one sentence.
func (c Container) String() string {
	values := make([]string, len(c.Values))
	for i, v := range c.Values {
		values[i] = v.String()
	}
	return fmt.Sprintf("%s: %s, from %s.", c.Name, strings.Join(values, ", "), c.Origin)
}

// String is the value and, in brackets, why.
func (v Value) String() string {
	why := make([]string, 0, 2+len(v.Bounds))
	why = append(why, v.Basis)
	why = append(why, v.Bounds...)
	if v.Limit != "" {
		why = append(why, "limit "+v.Limit)
	}
	return fmt.Sprintf("%s %s (%s)", v.Resource, v.Target, strings.Join(why, ", "))
}

// Span names a length of history in whole days, so that the words do not change every minute.
func Span(days int) string {
	switch days {
	case 0:
		return "less than a day"
	case 1:
		return "1 day"
	}
	return fmt.Sprintf("%d days", days)
}
