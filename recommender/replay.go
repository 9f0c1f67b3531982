package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"

	"github.com/sartor-vpa/sartor/pkg/flags"
	"github.com/sartor-vpa/sartor/pkg/logging"
	"github.com/sartor-vpa/sartor/recommender/replay"
)

// outputHTML is an --output of replay alone.
const outputHTML = "html"

// replayOptions are the flags of replay: the recommender's own, because they decide, what to replay, and how to tell.
type replayOptions struct {
	*options
	// vpas are NAMESPACE/NAME of VPAs in the cluster, workloads NAMESPACE/KIND/NAME, whose history is read.
	vpas, workloads []string
	policies        []string
	// requests and limits are what containers declare of which nothing else is known; nil: not known.
	requests, limits     corev1.ResourceList
	restartEvery, warmUp time.Duration
	output               string
}

func newReplayCommand() *cobra.Command {
	o := &replayOptions{options: defaultOptions(), restartEvery: 24 * time.Hour, warmUp: 24 * time.Hour, output: outputTable}
	o.log.Format = logging.FormatConsole
	cmd := &cobra.Command{
		Use:   "replay [FILE.csv...]",
		Short: "Tells what would have been recommended in the past, and whether that was enough",
		Long: `Plays the usage of the past through the recommender's own code and measures what pods with its
recommendations would have had to spare, and what they would have lacked: slack, overruns, days with
an OOM kill, and how often the target moved. At no time is anything known of what came later.

Usage is read from Prometheus, as the recommender reads it and with its flags, for VPAs of the
cluster (--vpa) or for workloads by name, without a cluster (--workload); or from CSV files with the
columns time, namespace, workload, pod, container, cpu_cores and memory_bytes, of which time and one
of the last two are needed ("-" is standard input). Nothing is written to the cluster.

Give it the arguments that the recommender runs with: it takes them all, and those below decide.
Each --policy is compared with them.`,
		Example: `  recommender replay usage.csv
  recommender replay --prometheus-address=http://localhost:9090 --vpa=store/shop -o html > shop.html
  recommender replay --prometheus-address=http://localhost:9090 --workload=store/Deployment/shop \
      --history-length=15d --warm-up=7d --policy='p95: --target-cpu-percentile=0.95' \
      --policy='slow: --cpu-histogram-decay-half-life=72h --recommendation-margin-fraction=0.05'`,
		RunE: func(cmd *cobra.Command, files []string) error {
			o.complete()
			return o.run(cmd.Context(), cmd.Flags(), files, terminal{in: cmd.InOrStdin(), out: cmd.OutOrStdout(), err: cmd.ErrOrStderr()})
		},
	}
	flags.Group(cmd.Flags(), "Replaying", o.addReplayFlags)
	o.addFlags(cmd.Flags())
	cmd.Flags().Lookup("kubeconfig").Usage = "Path of a kubeconfig, for --vpa. Empty: what kubectl would use."
	cmd.Flags().VisitAll(func(f *pflag.Flag) { f.Hidden = f.Hidden || !helpsToReplay(f) })
	return cmd
}

func (o *replayOptions) addReplayFlags(fs *pflag.FlagSet) {
	fs.Var(&several{&o.vpas}, "vpa", "NAMESPACE/NAME of a VPA in the cluster: its target's history is read from --prometheus-address, its own policy and what its target's pods declare count. Repeat it for more.")
	fs.Var(&several{&o.workloads}, "workload", "NAMESPACE/KIND/NAME of a workload, like store/Deployment/shop, whose history is read from --prometheus-address, without a cluster. Repeat it for more.")
	fs.Var(&several{&o.policies}, "policy", "Compare with these flags, too: 'NAME: --flag=value --flag=value', beside or in place of those on the command line. Repeat it for more.")
	fs.DurationVar(&o.restartEvery, "restart-every", o.restartEvery, "How often pods are created anew, and get what is recommended then: multiples of 10m. By days it is at midnight (UTC).")
	fs.DurationVar(&o.warmUp, "warm-up", o.warmUp, "How long usage is learnt from, from a workload's first sample on, before anything is measured.")
	fs.Var(&resources{&o.requests}, "declared-requests", "What containers request of which no VPA's target tells, like cpu=100m,memory=512Mi; then that is compared, too. Neither this nor limits: not known, and limits are the policy's alone.")
	fs.Var(&resources{&o.limits}, "declared-limits", "What such containers have as limits, like cpu=2,memory=1Gi.")
	fs.StringVarP(&o.output, "output", "o", o.output, "What is printed: a table for people, json with every measure exact, or html: a page with plots.")
}

// helpsToReplay reports whether f matters to a replay.
func helpsToReplay(f *pflag.Flag) bool {
	switch flags.Heading(f) {
	case "Replaying", "History":
		return true
	case "Cluster":
		return slices.Contains([]string{"kubeconfig", "kube-api-qps", "kube-api-burst"}, f.Name)
	}
	return playable(f)
}

// validate reports every flag that cannot be used. Those of what replay does not do may be as they like.
func (o *replayOptions) validate(files []string) error {
	reads := len(o.vpas)+len(o.workloads) > 0
	var source error
	switch {
	case len(files) == 0 && !reads:
		source = errors.New("there is nothing to replay: give CSV files, or --vpa=NAMESPACE/NAME or --workload=NAMESPACE/KIND/NAME with --prometheus-address")
	case reads && o.history.Address == "":
		source = errors.New("--vpa and --workload need --prometheus-address: the history of their usage is there")
	case reads:
		source = o.history.Validate()
	}
	return errors.Join(source,
		flags.Problems(
			flags.Check{OK: slices.Contains([]string{outputTable, outputJSON, outputHTML}, o.output), Flag: "output", Value: o.output, Must: "must be table, json or html"},
			flags.Check{OK: o.restartEvery >= replay.Look && o.restartEvery%replay.Look == 0, Flag: "restart-every", Value: o.restartEvery, Must: fmt.Sprintf("must be a multiple of %s, like 24h", replay.Look)},
			flags.Check{OK: o.warmUp >= 0, Flag: "warm-up", Value: o.warmUp, Must: "must be 0 or longer"}),
		below(o.requests, o.limits),
		o.apiserver.Validate(), o.validateLearning(), o.validateEstimation(), o.validatePolicy())
}

// terminal is where the command reads and writes.
type terminal struct {
	in       io.Reader
	out, err io.Writer
}

// run replays what the arguments say, and prints what came of it.
func (o *replayOptions) run(ctx context.Context, fs *pflag.FlagSet, files []string, at terminal) error {
	if err := o.validate(files); err != nil {
		return err
	}
	policies, err := o.plays(fs)
	if err != nil {
		return err
	}
	tell := &progress{to: at.err, now: time.Now}
	workloads, err := readFiles(files, at.in)
	if err != nil {
		return err
	}
	read, err := o.readHistory(ctx, tell, at)
	if err != nil {
		return err
	}
	workloads = append(workloads, read...)
	options := replay.Options{RestartEvery: o.restartEvery, WarmUp: o.warmUp, Plots: o.output == outputHTML}
	if o.requests != nil || o.limits != nil {
		options.Declared = &corev1.ResourceRequirements{Requests: o.requests, Limits: o.limits}
	}
	if options.Declared != nil || slices.ContainsFunc(workloads, func(w replay.Workload) bool { return w.Template != nil }) {
		policies = append(policies, replay.Policy{Name: declaredName, Description: "what pods declare, without a recommendation", AsDeclared: true})
	}
	report, err := replay.Run(ctx, workloads, policies, options, func(n int) { tell.say("played", n, len(workloads), "workloads") })
	if err != nil {
		return err
	}
	switch o.output {
	case outputJSON:
		return replay.JSON(at.out, report)
	case outputHTML:
		return replay.HTML(at.out, report)
	}
	return replay.Table(at.out, report)
}

// readFiles reads CSV files; "-" is in.
func readFiles(files []string, in io.Reader) ([]replay.Workload, error) {
	var read replay.CSV
	for _, name := range files {
		if err := readFile(&read, name, in); err != nil {
			return nil, err
		}
	}
	return read.Workloads()
}

func readFile(into *replay.CSV, name string, in io.Reader) error {
	if name == "-" {
		return into.Read("stdin", in)
	}
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	return into.Read(name, file)
}

// progress tells how far things are, if they take long.
type progress struct {
	to  io.Writer
	now func() time.Time
	// last is when it was told, or when it began.
	last time.Time
}

// tellEvery is how often that is.
const tellEvery = 3 * time.Second

func (p *progress) say(did string, n, of int, what string) {
	now := p.now()
	if p.last.IsZero() {
		p.last = now
	}
	if now.Sub(p.last) >= tellEvery && n < of {
		p.last = now
		fmt.Fprintf(p.to, "%s %d of %d %s\n", did, n, of, what)
	}
}
