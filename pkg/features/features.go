// Package features knows upstream's feature gates, which both programs take as --feature-gates.
package features

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// Gate is the name of a feature, as upstream has it.
type Gate string

// The gates, all of them alpha and closed unless opened.
const (
	// CPUStartupBoost gives containers more CPU while they start.
	CPUStartupBoost Gate = "CPUStartupBoost"
	// InPlace lets VPAs have the update mode InPlace.
	InPlace Gate = "InPlace"
	// PerVPAConfig lets VPAs say how the usage of their containers is learnt.
	PerVPAConfig Gate = "PerVPAConfig"
)

// The names that stand for all gates of a stage. None is beta now.
const (
	allAlpha Gate = "AllAlpha"
	allBeta  Gate = "AllBeta"
)

var known = []Gate{allAlpha, allBeta, CPUStartupBoost, InPlace, PerVPAConfig}

// Gates are the gates that were opened or closed. The zero value leaves all of them closed.
type Gates struct {
	set map[Gate]bool
}

var _ pflag.Value = (*Gates)(nil)

// Enabled reports whether g is open: as it was set itself, else as AllAlpha was.
func (s *Gates) Enabled(g Gate) bool {
	if open, ok := s.set[g]; ok {
		return open
	}
	return s.set[allAlpha]
}

// AddFlag registers --feature-gates.
func (s *Gates) AddFlag(fs *pflag.FlagSet) {
	fs.Var(s, "feature-gates", fmt.Sprintf("Features to switch on or off, as NAME=true or NAME=false, separated by commas. There are %s; all are off unless said otherwise.", names()))
}

// Set takes gates as text, on top of what was set before. An unknown gate is an error.
func (s *Gates) Set(text string) error {
	for pair := range strings.SplitSeq(text, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		gate := Gate(strings.TrimSpace(name))
		if !slices.Contains(known, gate) {
			return fmt.Errorf("no feature is called %q: there are %s", gate, names())
		}
		open, err := strconv.ParseBool(strings.TrimSpace(value))
		if err != nil {
			return fmt.Errorf("%s=%q: must be true or false", gate, value)
		}
		if s.set == nil {
			s.set = map[Gate]bool{}
		}
		s.set[gate] = open
	}
	return nil
}

// String is what was set, sorted, in the form that Set takes.
func (s *Gates) String() string {
	var pairs []string
	for _, gate := range slices.Sorted(maps.Keys(s.set)) {
		pairs = append(pairs, fmt.Sprintf("%s=%t", gate, s.set[gate]))
	}
	return strings.Join(pairs, ",")
}

// Type is upstream's name of the flag's type.
func (*Gates) Type() string { return "mapStringBool" }

func names() string {
	all := make([]string, len(known))
	for i, gate := range known {
		all[i] = string(gate)
	}
	return strings.Join(all, ", ")
}
