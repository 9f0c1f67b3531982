// The recommender learns what containers need and writes it into the status of VerticalPodAutoscalers.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	ctrl "sigs.k8s.io/controller-runtime"
)

func main() {
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
with kubectl describe vpa.`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.validate(); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	o.addFlags(cmd.Flags())
	return cmd
}
