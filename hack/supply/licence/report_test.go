package licence

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var example = []Finding{
	{Module: Module{Path: "example.org/a", Version: "v1.0.0"}, Licences: []string{"MIT"}, Texts: []Text{{"LICENSE", "Some words.\r\nMore words.  \r\n"}, {"NOTICE", "By me.\n"}}},
	{Module: Module{Path: "example.org/b", Version: "v2.0.0"}, Licences: []string{"Apache-2.0", "MIT"}, Texts: []Text{{"LICENSE", "Some words.\nMore words.\n\n"}}},
	{Module: Module{Path: "std"}},
}

func TestEveryTextGoesWithACopyOnceUnderTheNamesOfAllWhoseItIs(t *testing.T) {
	bundle := Bundle(example)
	require.Contains(t, bundle, rule+"\nexample.org/a v1.0.0: LICENSE\nexample.org/b v2.0.0: LICENSE\n"+rule+"\n\nSome words.\nMore words.\n")
	require.Contains(t, bundle, rule+"\nexample.org/a v1.0.0: NOTICE\n"+rule+"\n\nBy me.\n")
	require.Equal(t, 1, strings.Count(bundle, "Some words."))
}

func TestTheTableNamesEveryModuleAndTheReasons(t *testing.T) {
	table := Table(example)
	require.Contains(t, table, "| Apache-2.0 | 1 | "+Allowed["Apache-2.0"]+" |\n| MIT | 2 | "+Allowed["MIT"]+" |\n| unknown | 1 | - |\n")
	require.Contains(t, table, "\n| example.org/b | v2.0.0 | Apache-2.0, MIT | LICENSE |\n")
	require.Contains(t, table, "\n| std |  |  |  |\n")
}
