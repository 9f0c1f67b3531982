package main

import (
	"bytes"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

func TestFlagsThatCannotBeUsedAreAllNamed(t *testing.T) {
	o := defaultOptions()
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.addFlags(fs)
	require.NoError(t, o.validate(), "the defaults are usable")
	require.NoError(t, fs.Parse([]string{
		"--recommender-interval=0s", "--recommender-name=", "--kube-api-qps=0", "--prometheus-address=nowhere", "--log-format=xml",
	}))
	err := o.validate()
	for _, want := range []string{
		"--recommender-interval=0s: must be longer than 0",
		`--recommender-name="": must be a name`,
		"--kube-api-qps=0: must be above 0, or negative for no bound",
		`--prometheus-address="nowhere": must be an http or https URL`,
		`--log-format="xml": must be json or console`,
	} {
		require.ErrorContains(t, err, want)
	}
}

func TestHelpTellsEveryFlag(t *testing.T) {
	cmd := newCommand()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetArgs([]string{"--help"})
	require.NoError(t, cmd.Execute())
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		require.NotEmpty(t, f.Usage, f.Name)
		require.Contains(t, out.String(), "--"+f.Name)
	})
}
