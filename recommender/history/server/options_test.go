package server

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

func TestFlagsThatCannotBeUsedAreNamed(t *testing.T) {
	const at = "--prometheus-address=http://prometheus:9090"
	for name, tc := range map[string]struct {
		environment string
		args        []string
		want        string
	}{
		"no history":           {"", nil, ""},
		"one environment":      {"", []string{at}, ""},
		"filtered":             {"prod", []string{at, "--prometheus-env-label=env"}, ""},
		"no value to filter":   {"", []string{at, "--prometheus-env-label=env"}, `--prometheus-env-label="env": $K8S_ENVIRONMENT is empty; set it to this cluster's value of that label, or every environment's history would be mixed`},
		"only blanks":          {" \t\n", []string{at, "--prometheus-env-label=env"}, `--prometheus-env-label="env": $K8S_ENVIRONMENT is empty`},
		"an empty label":       {"prod", []string{at, "--prometheus-env-label="}, `must name a label; leave the flag out where there is nothing to filter`},
		"a filter of nothing":  {"prod", []string{"--prometheus-env-label=env"}, `--prometheus-env-label="env": needs --prometheus-address`},
		"another of nothing":   {"", []string{`--prometheus-matcher=a="b"`}, `--prometheus-matcher="a=\"b\"": needs --prometheus-address`},
		"matchers":             {"prod", []string{at, "--prometheus-env-label=env", `--prometheus-matcher=cluster=~"eu-.+"`, `--prometheus-matcher=cluster!="eu-old"`}, ""},
		"no matcher":           {"", []string{at, `--prometheus-matcher=cluster`}, `"cluster" is no matcher; write it like cluster=~"eu-.*", with one of = != =~ !~`},
		"an unset variable":    {"", []string{at, `--prometheus-matcher=cluster=""`}, `cluster="" has an empty value and would match series without the label`},
		"whose metric":         {"", []string{at, `--prometheus-matcher=__name__="up"`}, `--prometheus-matcher="__name__=\"up\"": must be about another label than "__name__"`},
		"whose namespace":      {"", []string{at, `--prometheus-matcher=namespace="store"`}, `must be about another label than "namespace": which pods are read is what the VPAs say`},
		"whose container":      {"", []string{at, `--container-name-label=container_name`, `--prometheus-matcher=container_name!="x"`}, `must be about another label than "container_name"`},
		"the pod":              {"p", []string{at, `--prometheus-env-label=pod`}, `--prometheus-env-label="pod": must be about another label than "pod"`},
		"no scheme":            {"", []string{"--prometheus-address=prometheus:9090"}, `--prometheus-address="prometheus:9090": must be an http or https URL`},
		"no scheme and secret": {"", []string{"--prometheus-address=user:s3cret@prometheus:9090"}, `--prometheus-address="(not shown: it may hold a password)"`},
		"no time":              {"", []string{at, "--history-length=0s"}, "--history-length=0s"},
		"no time to answer":    {"", []string{at, "--prometheus-query-timeout=0s"}, "--prometheus-query-timeout=0s: must be longer than 0"},
		"a label without name": {"", []string{at, "--container-name-label="}, `--container-name-label="": must be a name`},
		"nobody reads":         {"", []string{at, "--prometheus-concurrency=0"}, "--prometheus-concurrency=0"},
		"never":                {"", []string{at, "--prometheus-qps=0"}, "--prometheus-qps=0: must be above 0"},
		"no series":            {"", []string{at, "--prometheus-max-series=0"}, "--prometheus-max-series=0: must be at least 1"},
		"no samples":           {"", []string{at, "--prometheus-max-samples=-1"}, "--prometheus-max-samples=-1: must be at least 1"},
		"steps of seconds":     {"", []string{at, "--history-resolution=90s"}, "--history-resolution=1m30s: must be whole minutes that divide a day, from 1m to 1h, like 1m, 5m or 15m"},
		"steps that do not go": {"", []string{at, "--history-resolution=7m"}, "--history-resolution=7m"},
		"steps that are long":  {"", []string{at, "--history-resolution=2h"}, "--history-resolution=2h"},
		"no steps":             {"", []string{at, "--history-resolution=0s"}, "--history-resolution=0s"},
		"upstream's steps":     {"", []string{at, "--history-resolution=1h", "--prometheus-cadvisor-job-name=kubernetes-cadvisor"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(EnvironmentVariable, tc.environment)
			o := DefaultOptions()
			fs := pflag.NewFlagSet("", pflag.ContinueOnError)
			o.AddFlags(fs)
			err := fs.Parse(tc.args)
			if err == nil {
				err = o.Validate()
			}
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tc.want)
			require.NotContains(t, err.Error(), "s3cret")
		})
	}
}

func TestDurationsAreWrittenAsPrometheusWritesThem(t *testing.T) {
	o := DefaultOptions()
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.AddFlags(fs)
	require.Equal(t, "8d", fs.Lookup("history-length").DefValue[:2])
	require.NoError(t, fs.Parse([]string{"--history-length=36h"}))
	require.Equal(t, 36*time.Hour, o.Length)
	require.ErrorContains(t, fs.Parse([]string{"--history-length=8"}), "write it like 8d")
}

func TestDefaultsCanBeUsed(t *testing.T) {
	t.Setenv(EnvironmentVariable, "")
	o := DefaultOptions()
	o.Address = UpstreamAddress
	require.NoError(t, o.Validate())
}

func TestAWrongHTTPConfigNamesTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "http.yml")
	require.NoError(t, os.WriteFile(file, []byte("basic_auth: 7\n"), 0o600))
	o := DefaultOptions()
	o.HTTPConfigFile = file
	_, err := o.Client()
	require.ErrorContains(t, err, file)
}
