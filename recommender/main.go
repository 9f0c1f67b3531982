// The recommender learns what containers need and writes it into the status of VerticalPodAutoscalers.
package main

import (
	"fmt"
	"os"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/sartor-vpa/sartor/pkg/flags"
	"github.com/sartor-vpa/sartor/pkg/logging"
	"github.com/sartor-vpa/sartor/pkg/version"
)

func main() {
	ctrlmetrics.Registry.MustRegister(version.Metric())
	if err := newCommand().ExecuteContext(ctrl.SetupSignalHandler()); err != nil {
		fmt.Fprintln(os.Stderr, "recommender:", err)
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	o := defaultOptions()
	cmd := &cobra.Command{
		Use:   "recommender",
		Short: "Learns what containers need and writes it into the status of VerticalPodAutoscalers",
		Long: `Learns what containers need, from Prometheus' history and from live metrics, and writes it
into the status of VerticalPodAutoscalers. Read the result, and why it is what it is,
with kubectl describe vpa, and step by step with recommender explain.`,
		Version:       version.Get().String(),
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.complete()
			if err := o.validate(); err != nil {
				return err
			}
			log := logging.New(cmd.ErrOrStderr(), o.log)
			logging.Install(log)
			tellIdle(log, cmd.Flags())
			return run(cmd.Context(), o, log)
		},
	}
	cmd.SetGlobalNormalizationFunc(flags.Dashes)
	flags.GroupHelp(cmd)
	o.addFlags(cmd.Flags())
	cmd.AddCommand(newExplainCommand(), newReplayCommand())
	return cmd
}

// tellIdle logs which flags were set that have no effect.
func tellIdle(log logr.Logger, fs *pflag.FlagSet) {
	if idle := flags.Idle(fs); len(idle) > 0 {
		log.Info("Flags of upstream's were set that have no effect here", "flags", idle)
	}
}
