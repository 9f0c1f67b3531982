package main

import (
	"testing"

	"github.com/sartor-vpa/sartor/docs/flagtable"
)

// TestFlagsAreDocumented holds docs/flags.md to the flags.
func TestFlagsAreDocumented(t *testing.T) {
	t.Setenv("NAMESPACE", "") // it would be a default
	flagtable.Check(t, "../docs/flags.md", "admission", command().Flags(), flagtable.Upstream(t, "admission-controller"))
}
