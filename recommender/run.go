package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	metricsclient "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/estimate"
	"github.com/sartor-vpa/sartor/pkg/logging"
	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/target"
	"github.com/sartor-vpa/sartor/recommender/cluster"
	"github.com/sartor-vpa/sartor/recommender/history"
	"github.com/sartor-vpa/sartor/recommender/loop"
	"github.com/sartor-vpa/sartor/recommender/podmetrics"
)

// run builds the program out of its parts and works until ctx ends.
func run(ctx context.Context, o *options) error {
	log := logging.New(os.Stderr, o.log)
	logging.Install(log)
	config, err := o.apiserver.Config("sartor-recommender")
	if err != nil {
		return err
	}

	health := &health{}
	mgr, err := newManager(config, o, health)
	if err != nil {
		return err
	}
	view, err := newView(ctx, config, mgr, o, log)
	if err != nil {
		return err
	}
	metrics, err := metricsclient.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connecting to metrics.k8s.io: %w", err)
	}
	past, err := newHistory(mgr, o, log)
	if err != nil {
		return err
	}
	l := loop.New(loop.Options{
		Interval:        o.interval,
		HistoryLength:   o.history.Length,
		CandidateSuffix: o.candidateSuffix,
		Aggregate:       aggregate.DefaultOptions(),
		Estimate:        estimate.DefaultOptions(),
		Limits:          policy.DefaultLimitPolicy(),
	}, view, podmetrics.New(metrics), past, time.Now, log.WithName("loop"))
	if err := mgr.Add(manager.RunnableFunc(l.Start)); err != nil {
		return err
	}
	health.check = l.Healthy
	return mgr.Start(ctx)
}

func newManager(config *rest.Config, o *options, h http.Handler) (ctrl.Manager, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, vpav1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("registering API types: %w", err)
		}
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                        scheme,
		Cache:                         cluster.CacheOptions(),
		Metrics:                       metricsserver.Options{BindAddress: o.address, ExtraHandlers: map[string]http.Handler{"/healthz": h, "/readyz": h, "/health-check": h}},
		HealthProbeBindAddress:        "0",
		LeaderElection:                o.leaderElect,
		LeaderElectionNamespace:       o.leaseNamespace,
		LeaderElectionID:              o.leaseName,
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server: %w", err)
	}
	return mgr, nil
}

// newView returns what the loop sees of the cluster, with its caches to be filled at start.
func newView(ctx context.Context, config *rest.Config, mgr ctrl.Manager, o *options, log logr.Logger) (*cluster.Cluster, error) {
	kinds, err := discovery.NewDiscoveryClientForConfigAndClient(config, mgr.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server's discovery: %w", err)
	}
	resolver := target.NewResolver(mgr.GetCache(), mgr.GetAPIReader(), target.NewDiscovery(kinds))
	view := cluster.New(mgr.GetClient(), resolver, o.recommender, log.WithName("cluster"))
	return view, view.Watch(ctx, mgr.GetCache())
}

// newHistory returns nil where no server is configured.
func newHistory(mgr ctrl.Manager, o *options, log logr.Logger) (loop.History, error) {
	if o.history.Address == "" {
		log.Info("No --prometheus-address: recommendations stand on live metrics alone")
		return nil, nil
	}
	client, err := o.history.Client()
	if err != nil {
		return nil, err
	}
	reader, err := history.NewRemoteReader(client, o.history)
	if err != nil {
		return nil, err
	}
	loader := history.NewLoader(reader, o.history.Concurrency, aggregate.DefaultOptions(), log.WithName("history"))
	return loader, mgr.Add(manager.RunnableFunc(func(ctx context.Context) error {
		loader.Run(ctx)
		return nil
	}))
}

// health answers probes by what check says, once it is there.
type health struct{ check func() error }

func (h *health) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if err := h.check(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}
