package flags

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

func command() (*cobra.Command, *time.Duration) {
	interval := 24 * time.Hour
	c := &cobra.Command{Use: "program", Example: "  program --quick", Short: "does it", Long: "Does it.", RunE: func(*cobra.Command, []string) error { return nil }}
	c.AddCommand(&cobra.Command{Use: "explain", Short: "says why", RunE: func(*cobra.Command, []string) error { return nil }})
	c.SetGlobalNormalizationFunc(Dashes)
	GroupHelp(c)
	Group(c.Flags(), "Second things", func(fs *pflag.FlagSet) {
		fs.DurationVar(&interval, "some-interval", interval, strings.Repeat("word ", 50))
		fs.Bool("quick", false, "Make haste.")
	})
	Group(c.Flags(), "First things", func(fs *pflag.FlagSet) {
		fs.StringP("name", "n", "", "Empty: none.")
		fs.Float64("share", 0.9, "A share.")
		Accept(fs, []NoEffect{{"old", "bool", "false", "nothing is old here"}, {"size", "uint", "1800", "size does not matter"}})
	})
	return c, &interval
}

func TestHelpShowsFlagsInGroupsWithTypesAndDefaults(t *testing.T) {
	c, _ := command()
	var out bytes.Buffer
	c.SetOut(&out)
	c.SetArgs([]string{"--help"})
	require.NoError(t, c.Execute())
	word := strings.TrimRight(strings.Repeat("word ", 19), " ")
	require.Equal(t, `Does it.

Usage:
  program [flags]
  program [command]

Commands:
  completion   Generate the autocompletion script for the specified shell
  explain      says why

Examples:
  program --quick

Second things:
  --some-interval duration (default 24h)
      `+word+`
      `+word+`
      `+strings.Repeat("word ", 11)+`word
  --quick
      Make haste.

First things:
  -n, --name string
      Empty: none.
  --share float (default 0.9)
      A share.

Flags:
  -h, --help
      help for program

Flags of upstream's that have no effect here are accepted, too; docs/flags.md lists them.
`, out.String())
	for line := range strings.Lines(out.String()) {
		require.LessOrEqual(t, len(line), Columns+1)
	}
}

func TestFlagsWithoutEffectAreTakenAndTold(t *testing.T) {
	c, interval := command()
	require.NoError(t, c.ParseFlags([]string{"--old", "--size=1800", "--some_interval=1h"}))
	require.Equal(t, time.Hour, *interval, "underscores are dashes")
	require.Equal(t, []string{`--old="true": nothing is old here`}, Idle(c.Flags()), "the default needs no word")
	require.NoError(t, c.ParseFlags([]string{"--size", "7"}))
	require.Equal(t, []string{`--old="true": nothing is old here`, `--size="7": size does not matter`}, Idle(c.Flags()))
}

func TestDefaultsAreShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 10 * time.Second: "10s", 10 * time.Minute: "10m", 90 * time.Second: "1m30s", 24 * time.Hour: "24h", 90 * time.Minute: "1h30m", time.Hour + time.Second: "1h0m1s",
	} {
		fs := pflag.NewFlagSet("", pflag.ContinueOnError)
		fs.Duration("d", d, "")
		require.Equal(t, want, Default(fs.Lookup("d")))
	}
}

func TestProblemsNameFlagValueAndRemedy(t *testing.T) {
	require.NoError(t, Problems(Check{OK: true}))
	require.EqualError(t, Problems(Check{false, "a", "x y", "must be one word"}, Check{OK: true}, Check{false, "b", 7 * time.Second, "must be shorter"}),
		"--a=\"x y\": must be one word\n--b=7s: must be shorter")
}
