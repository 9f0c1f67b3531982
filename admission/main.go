// Command admission is Sartor's admission webhook: it gives new pods the resources that their VPA
// recommends.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/sartor-vpa/sartor/pkg/flags"
	"github.com/sartor-vpa/sartor/pkg/logging"
	"github.com/sartor-vpa/sartor/pkg/version"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal ends the program in order; after it a second one ends it at once.
	context.AfterFunc(ctx, stop)
	ctrlmetrics.Registry.MustRegister(version.Metric())
	if err := command().ExecuteContext(ctx); err != nil {
		os.Exit(1)
	}
}

func command() *cobra.Command {
	o := defaultOptions()
	c := &cobra.Command{
		Use:   "admission",
		Short: "Give new pods the resources that their VerticalPodAutoscaler recommends",
		Long: `Admission is a mutating webhook for pods. When a pod is created whose workload a
VerticalPodAutoscaler targets, it sets requests as recommended, and limits to the
larger of the declared limit and twice the request, rounded up to whole CPUs.

It never rejects a pod: what it cannot decide is allowed as it was declared. It does
reject VerticalPodAutoscalers that make no sense. It makes its own certificates and
tells the API server about them.`,
		Version:      version.Get().String(),
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.validate(); err != nil {
				return err
			}
			log := logging.New(cmd.ErrOrStderr(), o.logging)
			logging.Install(log)
			if idle := flags.Idle(cmd.Flags()); len(idle) > 0 {
				log.Info("flags without effect here are set", "flags", idle)
			}
			return run(cmd.Context(), o, log)
		},
	}
	c.SetGlobalNormalizationFunc(flags.Dashes)
	flags.GroupHelp(c)
	o.addFlags(c.Flags())
	return c
}
