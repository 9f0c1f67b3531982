package main

import (
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/docs/flagtable"
	"github.com/sartor-vpa/sartor/pkg/flags"
)

// otherDefaults are upstream's flags whose default differs here, and why.
var otherDefaults = map[string]string{
	"container-name-label":            "cAdvisor's label is container",
	"container-pod-name-label":        "cAdvisor's label is pod",
	"history-resolution":              "bursts; and it matters only where there is no streamed remote read",
	"leader-elect-resource-namespace": "the lease is in the namespace where the program runs, and has rights",
	"prometheus-address":              "its presence says that there is history",
	"prometheus-cadvisor-job-name":    "jobs have many names, and what two jobs measured counts once",
	"v":                               "0 is what an operator needs",
}

// otherTypes are upstream's types whose flags have another here, which takes the same values.
var otherTypes = map[string]string{
	"history-length":           "duration",
	"history-resolution":       "duration",
	"prometheus-query-timeout": "duration",
	"v":                        "int",
}

// TestFlagsAreDocumented holds docs/flags.md to the flags.
func TestFlagsAreDocumented(t *testing.T) {
	flagtable.Check(t, "../docs/flags.md", "recommender", newCommand().Flags(), flagtable.Upstream(t, "recommender"))
}

func TestEveryFlagOfUpstreamsIsTakenWithItsTypeAndDefault(t *testing.T) {
	fs, rows := newCommand().Flags(), flagtable.Upstream(t, "recommender")
	require.Greater(t, len(rows), 70, "upstream's documentation was understood")
	for _, row := range rows {
		f := fs.Lookup(row.Name)
		require.NotNil(t, f, row.Name)
		if other, ok := otherTypes[row.Name]; ok {
			require.Equal(t, other, flags.Type(f), row.Name)
		} else {
			require.Equal(t, row.Type, flags.Type(f), row.Name)
		}
		require.Equal(t, otherDefaults[row.Name] == "", plain(row.Default) == plain(f.DefValue), "%s: upstream's default is %q, ours %q", row.Name, row.Default, f.DefValue)
	}
}

// plain makes numbers and durations comparable.
func plain(value string) string {
	if number, err := strconv.ParseFloat(value, 64); err == nil {
		return strconv.FormatFloat(number, 'g', -1, 64)
	}
	if d, err := time.ParseDuration(value); err == nil {
		return d.String()
	}
	if d, err := model.ParseDuration(value); err == nil {
		return time.Duration(d).String()
	}
	return value
}

// start parses and validates as the program does; it returns what would be logged of flags without effect.
func start(t *testing.T, args ...string) (*options, []string, error) {
	t.Helper()
	for _, name := range []string{"PROMETHEUS_USERNAME", "PROMETHEUS_PASSWORD"} {
		t.Setenv(name, "")
	}
	o, fs := defaultOptions(), pflag.NewFlagSet("", pflag.ContinueOnError)
	fs.SetNormalizeFunc(flags.Dashes)
	o.addFlags(fs)
	if err := fs.Parse(args); err != nil {
		return o, nil, err
	}
	o.complete()
	return o, flags.Idle(fs), o.validate()
}

func TestAManifestWithAllOfUpstreamsDefaultsStarts(t *testing.T) {
	_, idle, err := start(t, flagtable.Defaults(t, "recommender")...)
	require.NoError(t, err)
	require.Empty(t, idle, "defaults need no word")
}

func TestAManifestWithAnyOfUpstreamsFlagsStarts(t *testing.T) {
	special := map[string][]string{
		"address": {"127.0.0.1:1"}, "history-length": {"7d"}, "history-resolution": {"30m"}, "prometheus-query-timeout": {"1m30s"}, "storage": {"prometheus"},
		"prometheus-address":         {"http://prometheus"},
		"leader-elect-resource-lock": {"leases"}, "container-recommendation-max-allowed-cpu": {"2500m"},
	}
	flagtable.EachStarts(t, "recommender", special, func(t *testing.T, args ...string) {
		_, _, err := start(t, args...)
		require.NoError(t, err)
	})
}

func TestFlagsWithoutEffectAreToldWithTheReason(t *testing.T) {
	_, idle, err := start(t, "--memory-saver", "--min-checkpoints=20", "--stderrthreshold=2", "--log_file=/var/log/vpa", "--logtostderr=true")
	require.NoError(t, err)
	require.Equal(t, []string{
		`--memory-saver="true": pods without a VPA are never tracked`,
		`--min-checkpoints="20": a checkpoint is written when it is due by --checkpoint-interval`,
		`--log-file="/var/log/vpa": the log goes to standard error, all of it`,
		`--stderrthreshold="2": the log goes to standard error, all of it`,
	}, idle)
}
