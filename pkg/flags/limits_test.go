package flags

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/pkg/policy"
)

func TestTheLimitPolicyIsReadFromAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "limits.yaml")
	parse := func(text string, args ...string) (Limits, error) {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		l, fs := DefaultLimits(), pflag.NewFlagSet("", pflag.ContinueOnError)
		l.AddFlags(fs)
		return l, fs.Parse(args)
	}
	none, err := parse("", "--limit-policy-file=")
	require.NoError(t, err)
	require.Equal(t, DefaultLimits(), none)

	got, err := parse("cpu: {multiple: 3}\nmaxAllowedBoundsLimit: true\n", "--limit-policy-file="+file, "--floor-requests-at-declared")
	require.NoError(t, err)
	want, err := policy.ParseLimitPolicy([]byte("cpu: {multiple: 3}\nmaxAllowedBoundsLimit: true\n"))
	require.NoError(t, err)
	require.Equal(t, Limits{Policy: want, FloorRequests: true}, got)
	require.NotEqual(t, DefaultLimits().Policy, got.Policy)

	_, err = parse("cpu: {multiple: 0.5}\n", "--limit-policy-file="+file)
	require.ErrorContains(t, err, `for "--limit-policy-file" flag: in `+file)
	_, err = parse("gpu: {}\n", "--limit-policy-file="+file)
	require.ErrorContains(t, err, "gpu")
	_, err = parse("", "--limit-policy-file=/does/not/exist")
	require.ErrorContains(t, err, "/does/not/exist")
}
