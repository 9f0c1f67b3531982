package history

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

func TestFlagsThatCannotBeUsedAreNamed(t *testing.T) {
	for name, tc := range map[string]struct {
		environment string
		args        []string
		want        string
	}{
		"no history":           {"", nil, ""},
		"one environment":      {"", []string{"--prometheus-address=http://prometheus:9090"}, ""},
		"filtered":             {"prod", []string{"--prometheus-address=https://prometheus", "--prometheus-env-label=env"}, ""},
		"no value to filter":   {"", []string{"--prometheus-address=http://prometheus:9090", "--prometheus-env-label=env"}, `--prometheus-env-label="env": $K8S_ENVIRONMENT is empty`},
		"a filter of nothing":  {"prod", []string{"--prometheus-env-label=env"}, `--prometheus-env-label="env": needs --prometheus-address`},
		"no scheme":            {"", []string{"--prometheus-address=prometheus:9090"}, `--prometheus-address="prometheus:9090": must be an http or https URL`},
		"no time":              {"", []string{"--prometheus-address=http://p", "--history-length=0s"}, "--history-length=0s"},
		"a label without name": {"", []string{"--prometheus-address=http://p", "--container-name-label="}, `--container-name-label="": must be a name`},
		"nobody reads":         {"", []string{"--prometheus-address=http://p", "--prometheus-concurrency=0"}, "--prometheus-concurrency=0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(EnvironmentVariable, tc.environment)
			o := DefaultOptions()
			fs := pflag.NewFlagSet("", pflag.ContinueOnError)
			o.AddFlags(fs)
			require.NoError(t, fs.Parse(tc.args))
			if tc.want == "" {
				require.NoError(t, o.Validate())
				return
			}
			require.ErrorContains(t, o.Validate(), tc.want)
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

func TestAWrongHTTPConfigNamesTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "http.yml")
	require.NoError(t, os.WriteFile(file, []byte("basic_auth: 7\n"), 0o600))
	o := DefaultOptions()
	o.HTTPConfigFile = file
	_, err := o.Client()
	require.ErrorContains(t, err, file)
}
