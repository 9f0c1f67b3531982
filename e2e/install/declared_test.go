package install

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReferencesInArgumentsAreExpandedAsTheKubeletDoes(t *testing.T) {
	env := map[string]string{"ADDRESS": "http://prometheus", "EMPTY": ""}
	for arg, want := range map[string]string{
		"--prometheus-address=$(ADDRESS)": "--prometheus-address=http://prometheus",
		"--prometheus-env-label=$(EMPTY)": "--prometheus-env-label=",
		"--other=$(UNKNOWN)":              "--other=$(UNKNOWN)",
		"--plain":                         "--plain",
	} {
		require.Equal(t, want, expand(arg, env))
	}
}
