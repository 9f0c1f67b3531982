package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sartor-vpa/sartor/pkg/flags"
	"github.com/sartor-vpa/sartor/pkg/logging"
	"github.com/sartor-vpa/sartor/recommender/explain"
	"github.com/sartor-vpa/sartor/recommender/loop"
)

// What --output may be.
const (
	outputTable = "table"
	outputJSON  = "json"
)

// errorsOnly is the verbosity at which only errors are logged: zap's level of errors.
const errorsOnly = -2

// explainOptions are the flags of explain: the recommender's own, because they decide, and how to ask and to tell.
type explainOptions struct {
	*options
	// live is the URL of a running recommender; empty: what the cluster has is explained.
	live    string
	output  string
	timeout time.Duration
}

func newExplainCommand() *cobra.Command {
	o := &explainOptions{options: defaultOptions(), output: outputTable, timeout: 30 * time.Second}
	o.log.Format = logging.FormatConsole
	cmd := &cobra.Command{
		Use:   "explain NAMESPACE/VPA",
		Short: "Tells how a VPA's recommendation comes about",
		Long: `Tells how a VPA's recommendation comes about, step by step: from what was used, by percentile,
margin, minimum and policy, to the target and the limit of the next pod.

It needs a kubeconfig alone (--kubeconfig, or what kubectl would use), with the right to read VPAs,
their checkpoints, pods and what may own these in that namespace. It recomputes from the last
checkpoints and writes nothing. Give it the arguments that the recommender runs with: it takes them
all, and those below decide. With --live it asks the running recommender, which knows what came
since.`,
		Example: `  recommender explain store/shop
  recommender explain store/shop --live=http://localhost:8942 -o json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("explain needs one argument, NAMESPACE/VPA, such as store/shop, and not %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), args[0])
		},
	}
	flags.Group(cmd.Flags(), "Explaining", func(fs *pflag.FlagSet) {
		fs.StringVar(&o.live, "live", o.live, "URL of the running recommender, such as http://localhost:8942, to ask it instead.")
		fs.StringVarP(&o.output, "output", "o", o.output, "What is printed: a table for people, or json with every amount exact.")
		fs.DurationVar(&o.timeout, "timeout", o.timeout, "How long everything may take.")
	})
	o.addFlags(cmd.Flags())
	cmd.Flags().Lookup("kubeconfig").Usage = "Path of a kubeconfig. Empty: what kubectl would use."
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		decides := f.Name == "storage" || !slices.Contains([]string{"Rounds and checkpoints", "Leader election and shards", "History", "Serving and logging"}, flags.Heading(f))
		f.Hidden = f.Hidden || !decides
	})
	return cmd
}

// validate reports every flag that cannot be used. Those of what explain does not do may be as they like.
func (o *explainOptions) validate(name types.NamespacedName) error {
	scope := flags.Check{OK: o.scope.Namespace == "" || o.scope.Namespace == name.Namespace, Flag: "vpa-object-namespace", Value: o.scope.Namespace,
		Must: "must be the VPA's namespace, or empty: a recommender with this flag works on no other"}
	ignored := flags.Check{OK: !slices.Contains(o.scope.Ignored, name.Namespace), Flag: "ignored-vpa-object-namespaces", Value: name.Namespace,
		Must: "must not be the VPA's namespace: a recommender with this flag leaves it alone"}
	return errors.Join(
		flags.Problems(
			flags.Check{OK: o.output == outputTable || o.output == outputJSON, Flag: "output", Value: o.output, Must: "must be table or json"},
			longerThanZero("timeout", o.timeout), scope, ignored),
		o.apiserver.Validate(), o.scope.Validate(), o.validateRounds(), o.validateLearning(), o.validateEstimation(), o.validatePolicy())
}

// run prints the explanation to out, and to errOut nothing but errors.
func (o *explainOptions) run(ctx context.Context, out, errOut io.Writer, argument string) error {
	name, err := explain.ParseName(argument)
	if err != nil {
		return fmt.Errorf("the argument %w; kubectl get vpa -A lists them", err)
	}
	if err := o.validate(name); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	log := logging.New(errOut, logging.Options{Verbosity: errorsOnly, Format: o.log.Format})
	e, err := o.ask(ctx, name, log)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("--timeout=%s is over: %w", o.timeout, err)
	}
	if err != nil {
		return err
	}
	if o.output == outputJSON {
		return explain.JSON(out, e)
	}
	return explain.Table(out, e)
}

func (o *explainOptions) ask(ctx context.Context, name types.NamespacedName, log logr.Logger) (*loop.Explanation, error) {
	if o.live != "" {
		return explain.Ask(ctx, o.live, name)
	}
	logging.Install(log)
	config, err := o.config()
	if err != nil {
		return nil, err
	}
	return o.fromCluster(ctx, config, name, log)
}
