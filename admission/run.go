package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/sartor-vpa/sartor/admission/certs"
	"github.com/sartor-vpa/sartor/admission/webhook"
	"github.com/sartor-vpa/sartor/pkg/logging"
	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/target"
)

// grace is what requests in flight get at the very end: as long as an API server waits for a
// webhook at most.
const grace = 30 * time.Second

// run constructs the program and runs it until ctx ends, and then until the last review is answered.
func run(ctx context.Context, o *options, logs io.Writer) error {
	log := logging.New(logs, o.logging)
	logging.Install(log)

	config, err := o.apiserver.Config("sartor-admission")
	if err != nil {
		return err
	}
	mgr, err := newManager(config, o, log)
	if err != nil {
		return err
	}
	live, disco, err := newClients(config, mgr)
	if err != nil {
		return err
	}

	keeper := certs.NewKeeper(live, o.certs(), log.WithName("certs"), ctrlmetrics.Registry)
	index := webhook.NewIndex(policy.Cluster{Limits: policy.DefaultLimitPolicy()}, log.WithName("index"))
	watches, err := newWatches(config, mgr.GetHTTPClient(), mgr.GetScheme(), index, log.WithName("watches"))
	if err != nil {
		return err
	}
	if err := ctrlmetrics.Registry.Register(watches); err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	server := &webhook.Server{
		Handler: routes(webhook.NewHandler(webhook.Config{
			Owners:      target.NewResolverOf(watches.owners, live, target.NewDiscovery(disco)),
			VPAs:        index,
			LimitRanges: watches.ranges,
			Synced:      watches.synced.Load,
			Log:         log.WithName("webhook"),
			Registerer:  ctrlmetrics.Registry,
		})),
		Certificate: keeper.Certificate,
		Timeouts:    webhook.DefaultTimeouts(),
		Delay:       o.shutdownDelay,
		Grace:       grace,
		Log:         log.WithName("server"),
	}
	if err := addProbes(ctx, mgr, watches, keeper); err != nil {
		return err
	}
	listener, err := o.listen()
	if err != nil {
		return err
	}
	log.Info("starting", "reviews", listener.Addr().String(), "metrics", o.address)
	return serve(ctx, server, listener, log, mgr.Start, keeper.Run, watches.run)
}

// newClients returns what reads and writes without a cache, and what asks which kinds there are.
func newClients(config *rest.Config, mgr manager.Manager) (client.Client, *discovery.DiscoveryClient, error) {
	live, err := client.New(config, client.Options{HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper()})
	if err != nil {
		return nil, nil, fmt.Errorf("making a client: %w", err)
	}
	disco, err := discovery.NewDiscoveryClientForConfigAndClient(config, mgr.GetHTTPClient())
	if err != nil {
		return nil, nil, fmt.Errorf("making a discovery client: %w", err)
	}
	return live, disco, nil
}

// podsPath is where pods are reviewed; deploy/webhook.yaml names it.
const podsPath = "/pods"

func routes(pods http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(podsPath, pods)
	return mux
}

// addProbes makes /healthz say that the program lives, and /readyz that API servers should call it:
// never before the caches are full and the certificate is trusted, and no more once ctx has ended.
func addProbes(ctx context.Context, mgr manager.Manager, w *watches, k *certs.Keeper) error {
	ready := func(*http.Request) error {
		if ctx.Err() != nil {
			return errors.New("stopping")
		}
		if !w.synced.Load() {
			return errors.New("caches are not synced")
		}
		return k.Ready(time.Now())
	}
	return errors.Join(
		mgr.AddMetricsServerExtraHandler("/healthz", healthz.CheckHandler{Checker: healthz.Ping}),
		mgr.AddMetricsServerExtraHandler("/readyz", healthz.CheckHandler{Checker: ready}),
	)
}

// serve runs everything. When ctx ends, or a part fails, the server goes first, in its own time, and
// the parts that it stands on after it.
func serve(ctx context.Context, server *webhook.Server, listener net.Listener, log logr.Logger, parts ...func(context.Context) error) error {
	lasting, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, failed := errgroup.WithContext(lasting)
	for _, part := range parts {
		group.Go(func() error { return part(failed) })
	}
	serving, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(failed, cancel)()
	group.Go(func() error {
		defer stop()
		return server.Serve(serving, listener)
	})
	err := group.Wait()
	log.Info("stopped")
	return err
}
