package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/sartor-vpa/sartor/pkg/features"
	"github.com/sartor-vpa/sartor/pkg/flags"
	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/history/server"
)

func TestFlagsThatCannotBeUsedAreAllNamed(t *testing.T) {
	_, _, err := start(t)
	require.NoError(t, err, "the defaults are usable")
	for _, tc := range []struct{ args, want string }{
		{"--recommender-interval=0s", "--recommender-interval=0s: must be longer than 0"},
		{"--recommender-name=", `--recommender-name="": must be a name`},
		{"--kube-api-qps=0", "--kube-api-qps=0: must be above 0, or negative for no bound"},
		{"--prometheus-address=nowhere", `--prometheus-address="nowhere": must be an http or https URL`},
		{"--log-format=xml", `--log-format="xml": must be json or console`},
		{"--vpa-object-namespace=A", `--vpa-object-namespace="A": must be the name of a namespace`},
		{"--address=8942", `--address="8942": must be HOST:PORT, :PORT or "0"`},
		{"--update-worker-count=0", "--update-worker-count=0: must be at least 1"},
		{"--checkpoint-interval=0s", "--checkpoint-interval=0s: must be longer than 0"},
		{"--checkpoints-gc-interval=-1s", "--checkpoints-gc-interval=-1s: must be longer than 0"},
		{"--checkpoints-timeout=0s", "--checkpoints-timeout=0s: must be longer than 0"},
		{"--shards=0", "--shards=0: must be at least 1"},
		{"--shards=4", "--shards=4: needs --shard-leases"},
		{"--leader-elect --leader-elect-retry-period=0s", "--leader-elect-retry-period=0s: must be longer than 0"},
		{"--leader-elect --leader-elect-retry-period=10s", "--leader-elect-renew-deadline=10s: must be longer than 1.2 times --leader-elect-retry-period=10s"},
		{"--leader-elect --leader-elect-lease-duration=10s", "--leader-elect-lease-duration=10s: must be longer than --leader-elect-renew-deadline=10s"},
		{"--shard-leases --leader-elect-lease-duration=10s", "--leader-elect-lease-duration=10s: must be longer than"},
		{"--leader-elect --leader-elect-resource-name=A", `--leader-elect-resource-name="A": must be a name`},
		{"--leader-elect --leader-elect-resource-namespace=a.b", `--leader-elect-resource-namespace="a.b": must be the name of a namespace`},
		{"--cpu-histogram-decay-half-life=1500ms", "--cpu-histogram-decay-half-life=1.5s: must be whole seconds"},
		{"--memory-histogram-decay-half-life=0s", "--memory-histogram-decay-half-life=0s: must be whole seconds"},
		{"--memory-aggregation-interval=1ms", "--memory-aggregation-interval=1ms: must be at least 1s"},
		{"--memory-aggregation-interval-count=0", "--memory-aggregation-interval-count=0: must be at least 1"},
		{"--memory-aggregation-interval-count=9223372036854775807", "--memory-aggregation-interval-count=9223372036854775807: must be smaller"},
		{"--oom-bump-up-ratio=0.9", "--oom-bump-up-ratio=0.9: must be at least 1"},
		{"--oom-bump-up-ratio=Inf", "--oom-bump-up-ratio=+Inf: must be at least 1"},
		{"--target-cpu-percentile=0", "--target-cpu-percentile=0: must be above 0 and at most 1"},
		{"--target-memory-percentile=90", "--target-memory-percentile=90: must be above 0 and at most 1"},
		{"--recommendation-lower-bound-cpu-percentile=NaN", "--recommendation-lower-bound-cpu-percentile=NaN: must be above 0 and at most 1"},
		{"--recommendation-upper-bound-memory-percentile=-1", "--recommendation-upper-bound-memory-percentile=-1: must be above 0"},
		{"--confidence-interval-cpu=0s", "--confidence-interval-cpu=0s: must be longer than 0"},
		{"--confidence-interval-memory=0s", "--confidence-interval-memory=0s: must be longer than 0"},
		{"--recommendation-margin-fraction=-0.1", "--recommendation-margin-fraction=-0.1: must be at least 0"},
		{"--round-cpu-millicores=-1", "--round-cpu-millicores=-1: must be above 0"},
		{"--round-memory-bytes=9223372036854775807", "--round-memory-bytes=9223372036854775807: must be"},
		{"--release-candidate-suffix=_RC", `--release-candidate-suffix="_RC": must be the end of a VPA's name`},
		// What cannot be read.
		{"--storage=disk", `"disk" for "--storage" flag: must be checkpoint or prometheus`},
		{"--hpa-conflict=fight", `"fight" for "--hpa-conflict" flag: must be report or skip`},
		{"--leader-elect-resource-lock=configmaps", `"configmaps" for "--leader-elect-resource-lock" flag: must be leases`},
		{"--pod-recommendation-min-cpu-millicores=-1", `"-1" for "--pod-recommendation-min-cpu-millicores" flag: must be a number from 0 to 1e+14`},
		{"--oom-min-bump-up-bytes=NaN", `"NaN" for "--oom-min-bump-up-bytes" flag: must be a number from 0`},
		{"--container-recommendation-min-memory-mb=much", `"much" for "--container-recommendation-min-memory-mb" flag: must be a number from 0 to`},
		{"--container-recommendation-max-allowed-cpu=4x", `"4x" for "--container-recommendation-max-allowed-cpu" flag: must be a quantity`},
		{"--container-recommendation-max-allowed-memory=-1Gi", `"-1Gi" for "--container-recommendation-max-allowed-memory" flag: must be an amount`},
		{"--feature-gates=Flying=true", `no feature is called "Flying"`},
	} {
		_, _, err := start(t, strings.Fields(tc.args)...)
		require.ErrorContains(t, err, tc.want, tc.args)
	}
	_, _, err = start(t, "--recommender-interval=0s", "--kube-api-qps=0", "--shards=0", "--log-format=xml")
	require.Len(t, strings.Split(err.Error(), "\n"), 4, "all at once")
}

func TestFlagsSetWhatTheyAreOf(t *testing.T) {
	o, _, err := start(t, "--round-cpu-millicores=10", "--round-memory-bytes=1048576",
		"--container-recommendation-max-allowed-cpu=4", "--container-recommendation-max-allowed-memory=0",
		"--container-recommendation-min-cpu-millicores=5.5", "--container-recommendation-min-memory-mb=0.5",
		"--pod-recommendation-min-cpu-millicores=50", "--pod-recommendation-min-memory-mb=100.5", "--oom-min-bump-up-bytes=1e6",
		"--target-memory-percentile=0.99", "--confidence-interval-memory=48h", "--memory-aggregation-interval=1h",
		"--hpa-conflict=skip", "--feature-gates=PerVPAConfig=true")
	require.NoError(t, err)
	require.EqualValues(t, [2]usage.Amount{10, 1 << 20}, o.policy.rounding)
	require.Equal(t, corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("4")}, o.policy.global.MaxAllowed)
	require.Equal(t, [2]usage.Amount{5, 512 << 10}, o.policy.minimum.Share([2]usage.Amount{7, 7}))
	require.Equal(t, [2]usage.Amount{50, 100<<20 + 512<<10}, o.estimate.PodMinimum)
	require.Equal(t, usage.Amount(1e6), o.aggregate.Rules.OOMMinBumpUp)
	require.InDelta(t, 0.99, o.estimate.Percentiles[usage.Memory].Target, 0)
	require.Equal(t, 48*time.Hour, o.estimate.ConfidenceInterval[usage.Memory])
	require.Equal(t, time.Hour, o.aggregate.Rules.MemoryInterval)
	require.True(t, o.skipHPAConflicts)
	require.True(t, o.features.Enabled(features.PerVPAConfig))

	file := filepath.Join(t.TempDir(), "limits.yaml")
	require.NoError(t, os.WriteFile(file, []byte("cpu: {multiple: 3}"), 0o600))
	o, _, err = start(t, "--limit-policy-file="+file, "--floor-requests-at-declared")
	require.NoError(t, err)
	require.EqualValues(t, 3, o.limits.Policy.CPU.Multiple.Value())
	require.Equal(t, o.limits.Policy, o.forLoop().Limits)
	require.True(t, o.forLoop().FloorRequests)

	o, _, err = start(t, "--container-recommendation-min-cpu-millicores=3", "--container-recommendation-min-cpu-millicores=-1",
		"--container-recommendation-max-allowed-cpu=4", "--container-recommendation-max-allowed-cpu=")
	require.NoError(t, err)
	require.Equal(t, [2]usage.Amount{7, 7}, o.policy.minimum.Share([2]usage.Amount{7, 7}), "unset again")
	require.Empty(t, o.policy.global.MaxAllowed)
}

func TestStorageSaysWhetherThereAreCheckpoints(t *testing.T) {
	for name, tc := range map[string]struct {
		args    []string
		none    bool
		address string
	}{
		"by default":                           {nil, false, ""},
		"beside history":                       {[]string{"--prometheus-address=http://p"}, false, "http://p"},
		"checkpoints":                          {[]string{"--storage=checkpoint"}, false, ""},
		"nothing":                              {[]string{"--storage="}, false, ""},
		"history alone":                        {[]string{"--storage=prometheus", "--prometheus-address=http://p"}, true, "http://p"},
		"history alone, from upstream's place": {[]string{"--storage=prometheus"}, true, server.UpstreamAddress},
	} {
		t.Run(name, func(t *testing.T) {
			o, _, err := start(t, tc.args...)
			require.NoError(t, err)
			require.Equal(t, tc.none, o.checkpoints.none)
			require.Equal(t, tc.address, o.history.Address)
		})
	}
}

func TestLeaseTimesAreLookedAtOnlyIfThereIsALease(t *testing.T) {
	_, _, err := start(t, "--leader-elect-lease-duration=1s")
	require.NoError(t, err)
	_, _, err = start(t, "--shards=4", "--shard-leases")
	require.NoError(t, err)
}

func TestHelpTellsEveryFlagInAGroupAndAHundredColumns(t *testing.T) {
	cmd := newCommand()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetArgs([]string{"--help"})
	require.NoError(t, cmd.Execute())
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		require.NotEmpty(t, f.Usage, f.Name)
		if flags.Why(f) != "" {
			require.NotContains(t, out.String(), "--"+f.Name+" ", "it only distracts")
			return
		}
		require.Contains(t, out.String(), "--"+f.Name)
		require.True(t, f.Name == "help" || flags.Heading(f) != "", f.Name)
	})
	for line := range strings.Lines(out.String()) {
		require.LessOrEqual(t, len(line), flags.Columns+1, line)
	}
}
