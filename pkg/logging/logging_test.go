package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

func TestVerbosityDecidesWhatIsWritten(t *testing.T) {
	var out bytes.Buffer
	log := New(&out, Options{Verbosity: 1, Format: FormatJSON})
	log.Info("state changed", "vpa", "default/shop")
	log.V(1).Info("closer")
	log.V(2).Info("too close")

	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	require.Len(t, lines, 2)
	var entry map[string]any
	require.NoError(t, json.Unmarshal(lines[0], &entry))
	require.Equal(t, "state changed", entry["msg"])
	require.Equal(t, "default/shop", entry["vpa"])
}

func TestErrorsAreWrittenAtVerbosityZero(t *testing.T) {
	var out bytes.Buffer
	New(&out, Options{Format: FormatConsole}).Error(errors.New("connection refused"), "reading history failed")
	require.Contains(t, out.String(), "connection refused")
}

func TestValidateNamesFlagAndValue(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"defaults":         {nil, ""},
		"console":          {[]string{"--log-format=console", "--v=4"}, ""},
		"negative":         {[]string{"--v=-1"}, "--v=-1: must be between 0 and 127"},
		"as klog has it":   {[]string{"-v=4"}, ""},
		"too much":         {[]string{"-v", "128"}, "--v=128: must be between 0 and 127"},
		"unknown encoding": {[]string{"--log-format=xml"}, `--log-format="xml": must be json or console`},
	} {
		t.Run(name, func(t *testing.T) {
			var o Options
			fs := pflag.NewFlagSet("", pflag.ContinueOnError)
			o.AddFlags(fs)
			require.NoError(t, fs.Parse(tc.args))
			err := o.Validate()
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, tc.want)
		})
	}
}
