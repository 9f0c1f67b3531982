package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/docs/flagtable"
	"github.com/sartor-vpa/sartor/pkg/flags"
	"github.com/sartor-vpa/sartor/recommender/replay"
)

// replayed runs recommender replay with args, away from any kubeconfig of this machine.
func replayed(t *testing.T, stdin string, args ...string) (out, errOut string, err error) {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	t.Setenv("KUBECONFIG", "")
	cmd := newCommand()
	var stdout, stderr bytes.Buffer
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	cmd.SetArgs(append([]string{"replay"}, args...))
	err = cmd.ExecuteContext(t.Context())
	return stdout.String(), stderr.String(), err
}

// reported is what it writes as JSON.
func reported(t *testing.T, stdin string, args ...string) *replay.Report {
	t.Helper()
	out, errOut, err := replayed(t, stdin, append(args, "-o", "json")...)
	require.NoError(t, err)
	require.Empty(t, errOut)
	r := &replay.Report{}
	require.NoError(t, json.Unmarshal([]byte(out), r))
	return r
}

// threeDays is 100m and 300 MiB for three days.
func threeDays() string {
	var text strings.Builder
	text.WriteString("time,cpu_cores,memory_bytes\n")
	for minute := 0; minute < 3*24*60; minute += 5 {
		fmt.Fprintf(&text, "%d,0.1,%d\n", 1772323200+minute*60, 300<<20)
	}
	return text.String()
}

func TestAFileIsReplayedAsATableAsJSONAndAsAPage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "shop.csv")
	require.NoError(t, os.WriteFile(file, []byte(threeDays()), 0o600))
	out, errOut, err := replayed(t, "", file)
	require.NoError(t, err)
	require.Empty(t, errOut)
	require.Regexp(t, `(?m)^default/shop +base +0\.\d\d\d +1\.000 `, out)
	require.Regexp(t, `(?m)^  base +the recommender's defaults$`, out)
	require.NotContains(t, out, "declared")

	out, errOut, err = replayed(t, "", file, "-o=html")
	require.NoError(t, err)
	require.Empty(t, errOut)
	require.Equal(t, 2, strings.Count(out, "<svg "))

	r := reported(t, threeDays(), "-")
	require.Equal(t, "stdin", r.Containers[0].Workload)
	require.Equal(t, 2*24*60, r.Totals[0].CPU.Minutes, "the first day is learnt from")
	require.Equal(t, 1.0, r.Totals[0].CPU.Coverage)
	r = reported(t, threeDays(), "-", "--warm-up=0s", "--restart-every=72h")
	require.Equal(t, 3*24*60, r.Totals[0].CPU.Minutes)
}

func TestPoliciesAreFlagsAfterThoseOfTheCommandLine(t *testing.T) {
	limits := filepath.Join(t.TempDir(), "limits.yaml")
	require.NoError(t, os.WriteFile(limits, []byte("cpu: {multiple: 10}\n"), 0o600))
	r := reported(t, threeDays(), "-", "--recommendation-margin-fraction=1", "--container_recommendation_max_allowed_memory=1Gi",
		"--policy=limits: --limit-policy-file="+limits, "--policy", " wide: --recommendation-margin-fraction=4  --round-cpu-millicores=1000", "--policy=small: --container-recommendation-max-allowed-memory=128Mi",
		"--declared-requests=cpu=200m", "--declared-limits=cpu=4, memory=2Gi")
	var names, said []string
	for _, p := range r.Policies {
		names, said = append(names, p.Name), append(said, p.Description)
	}
	require.Equal(t, []string{"base", "limits", "wide", "small", "declared"}, names)
	require.Equal(t, "--recommendation-margin-fraction=1 --container-recommendation-max-allowed-memory=1Gi", said[0])
	require.Equal(t, "--recommendation-margin-fraction=4 --round-cpu-millicores=1000", said[2])
	of := r.Containers[0].Outcomes
	require.InDelta(t, 0.2, of[0].CPU.Request, 0.05)
	require.Equal(t, 4.0, of[0].CPU.Limit, "declared")
	require.Equal(t, of[0].Memory.Request, of[1].Memory.Request)
	require.Equal(t, 4.0, of[1].CPU.Limit)
	require.Equal(t, 1.0, of[2].CPU.Request)
	require.Equal(t, float64(1<<30), of[2].Memory.Request, "the command line's maximum holds for all")
	require.Equal(t, float64(128<<20), of[3].Memory.Request, "unless a policy has its own")
	require.Equal(t, 0.2, of[4].CPU.Request)
	require.Equal(t, 4.0, of[4].CPU.Limit)
	require.Zero(t, of[4].Memory.Coverage, "no request of memory is declared")
}

func TestWhatCannotBeReplayedIsToldWithTheRemedy(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		says string
	}{
		"nothing":               {nil, "there is nothing to replay: give CSV files, or --vpa=NAMESPACE/NAME or --workload=NAMESPACE/KIND/NAME with --prometheus-address"},
		"no address":            {[]string{"--vpa=store/shop"}, "--vpa and --workload need --prometheus-address"},
		"no file":               {[]string{"/does/not/exist.csv"}, "open /does/not/exist.csv"},
		"a bad file":            {[]string{"-"}, "stdin: has no rows"},
		"another output":        {[]string{"-", "-o=yaml"}, `--output="yaml": must be table, json or html`},
		"odd minutes":           {[]string{"-", "--restart-every=15m"}, "--restart-every=15m0s: must be a multiple of 10m0s, like 24h"},
		"never":                 {[]string{"-", "--restart-every=0s"}, "--restart-every=0s"},
		"before the past":       {[]string{"-", "--warm-up=-1h"}, "--warm-up=-1h0m0s: must be 0 or longer"},
		"a wrong percentile":    {[]string{"-", "--target-cpu-percentile=2"}, "--target-cpu-percentile=2: must be above 0"},
		"no policy":             {[]string{"-", "--policy=--target-cpu-percentile=0.9"}, "must be a name of at most 40 characters, a colon and flags, like 'p95: --target-cpu-percentile=0.95'"},
		"no name":               {[]string{"-", "--policy=: --target-cpu-percentile=0.9"}, "must be a name"},
		"the same name":         {[]string{"-", "--policy=a:", "--policy=a:"}, `--policy="a:": there is a policy a already`},
		"the base's name":       {[]string{"-", "--policy=base: --round-cpu-millicores=10"}, "there is a policy base already"},
		"the declared's name":   {[]string{"-", "--policy=declared: --round-cpu-millicores=10"}, "declared is what pods declare"},
		"an unknown flag":       {[]string{"-", "--policy=a: --percentile=0.9"}, `"--percentile=0.9" does not make a policy: use --flag=value of the flags`},
		"a flag of no effect":   {[]string{"-", "--policy=a: --oom-bump-up-ratio=2"}, `"--oom-bump-up-ratio=2" does not make a policy`},
		"another flag":          {[]string{"-", "--policy=a: --shards=2"}, `"--shards=2" does not make a policy`},
		"a word":                {[]string{"-", "--policy=a: 0.9"}, `"0.9" does not make a policy`},
		"help":                  {[]string{"-", "--policy=a: -h"}, `"-h" does not make a policy`},
		"a bad policy":          {[]string{"-", "--policy=a: --target-cpu-percentile=2"}, `--policy="a: --target-cpu-percentile=2": --target-cpu-percentile=2: must be above 0`},
		"no amount":             {[]string{"-", "--declared-requests=cpu=much"}, "must be cpu=QUANTITY, memory=QUANTITY or both, like cpu=100m,memory=512Mi"},
		"another resource":      {[]string{"-", "--declared-limits=gpu=1"}, "must be cpu=QUANTITY"},
		"an amount twice":       {[]string{"-", "--declared-limits=cpu=1,cpu=2"}, "must be cpu=QUANTITY"},
		"requests above limits": {[]string{"-", "--declared-limits=cpu=1", "--declared-requests=cpu=2,memory=1Gi"}, `--declared-requests="cpu=2,memory=1Gi": must not be above --declared-limits=cpu=1`},
		"half a workload":       {[]string{"--prometheus-address=http://p", "--workload=store/shop"}, `--workload="store/shop": must be NAMESPACE/KIND/NAME, like store/Deployment/shop`},
		"a workload twice":      {[]string{"--prometheus-address=http://p", "--workload=a/b/c", "--workload=a/b/c"}, "a/b/c is asked for twice"},
		"half a VPA":            {[]string{"--prometheus-address=http://p", "--kubeconfig=" + kubeconfig(t, "http://127.0.0.1:1"), "--vpa=shop"}, `--vpa must be NAMESPACE/NAME of a VPA and not "shop"; kubectl get vpa -A lists them`},
		"no kubeconfig":         {[]string{"--prometheus-address=http://p", "--vpa=store/shop"}, "no kubeconfig: give --kubeconfig=FILE, or set KUBECONFIG"},
		"no cluster":            {[]string{"--prometheus-address=http://p", "--kubeconfig=" + kubeconfig(t, "http://127.0.0.1:1"), "--vpa=store/shop"}, "127.0.0.1:1"},
		"a filter of nothing":   {[]string{"--prometheus-address=http://p", "--workload=a/b/c", "--prometheus-env-label=env"}, "$K8S_ENVIRONMENT is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("K8S_ENVIRONMENT", "")
			out, errOut, err := replayed(t, "", tc.args...)
			require.ErrorContains(t, err, tc.says)
			require.Empty(t, out+errOut)
		})
	}
}

func TestReplayTakesWhatTheRecommenderTakesAndListsWhatDecides(t *testing.T) {
	cmd := newReplayCommand()
	newCommand().Flags().VisitAll(func(f *pflag.Flag) { require.NotNil(t, cmd.Flags().Lookup(f.Name), f.Name) })
	for _, row := range flagtable.Upstream(t, "recommender") {
		require.NotNil(t, cmd.Flags().Lookup(strings.ReplaceAll(row.Name, "_", "-")), row.Name)
	}
	out, _, err := replayed(t, "", "--help")
	require.NoError(t, err)
	for line := range strings.Lines(out) {
		require.LessOrEqual(t, len(line), flags.Columns+1, line)
	}
	for _, decides := range []string{"--policy", "--target-cpu-percentile", "--limit-policy-file", "--prometheus-address", "--kubeconfig", "--history-length", "recommender replay usage.csv"} {
		require.Contains(t, out, decides)
	}
	for _, other := range []string{"--leader-elect", "--address", "--update-worker-count", "--oom-bump-up-ratio", "--hpa-conflict", "--confidence-interval-cpu", "--recommender-name"} {
		require.NotContains(t, out, "\n  "+other+" ")
	}
	_, _, err = replayed(t, threeDays(), "-", "--leader-elect", "--shards=4", "--address=:8942", "--memory-saver", "--oom-bump-up-ratio=2")
	require.NoError(t, err, "what the manifests of a deployment give may not fit this place")
}

// TestFlagsAreDocumentedOfReplay holds docs/flags.md to replay's own flags.
func TestFlagsAreDocumentedOfReplay(t *testing.T) {
	own := pflag.NewFlagSet("", pflag.ContinueOnError)
	own.SortFlags = false
	newReplayCommand().Flags().VisitAll(func(f *pflag.Flag) {
		if flags.Heading(f) == "Replaying" {
			own.AddFlag(f)
		}
	})
	flagtable.Check(t, "../docs/flags.md", "recommender replay", own, nil)
}

// TestTheReplayThatIsDocumentedIsWhatItPrints runs the command in docs/replay.md.
func TestTheReplayThatIsDocumentedIsWhatItPrints(t *testing.T) {
	doc, err := os.ReadFile("../docs/replay.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(doc), "```console\n$ recommender replay ")
	require.True(t, found)
	command, rest, _ := strings.Cut(rest, "\n")
	shown, _, _ := strings.Cut(rest, "```\n")
	var args []string
	for _, word := range regexp.MustCompile(`(?:[^ ']|'[^']*')+`).FindAllString(command, -1) {
		args = append(args, strings.ReplaceAll(word, "'", ""))
	}
	t.Chdir("..")
	out, _, err := replayed(t, "", args...)
	require.NoError(t, err)
	require.Equal(t, out, shown)
}

func TestProgressIsToldWhereItTakesLong(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	p := &progress{to: &out, now: func() time.Time { return now }}
	for n := range 10 {
		p.say("read", n+1, 10, "days")
		now = now.Add(time.Second)
	}
	require.Equal(t, "read 4 of 10 days\nread 7 of 10 days\n", out.String())
}
