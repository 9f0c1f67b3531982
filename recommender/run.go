package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/pprof"
	"sync"
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
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/sartor-vpa/sartor/pkg/target"
	"github.com/sartor-vpa/sartor/pkg/version"
	"github.com/sartor-vpa/sartor/recommender/cluster"
	"github.com/sartor-vpa/sartor/recommender/explain"
	"github.com/sartor-vpa/sartor/recommender/history"
	"github.com/sartor-vpa/sartor/recommender/history/server"
	"github.com/sartor-vpa/sartor/recommender/loop"
	"github.com/sartor-vpa/sartor/recommender/podmetrics"
)

// run builds the program out of its parts and works until ctx ends.
func run(ctx context.Context, o *options, log logr.Logger) error {
	log.Info("Starting", "version", version.Get().String())
	config, err := o.apiserver.Config("sartor-recommender")
	if err != nil {
		return err
	}

	alive, ready, explainer := &probe{}, &probe{}, &explain.Server{}
	mgr, err := newManager(config, o, o.handlers(alive, ready, explainer))
	if err != nil {
		return err
	}
	others, err := newReplicas(config, o, log)
	if err != nil {
		return err
	}
	view, err := newView(config, mgr, o, others, log)
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
	l := loop.New(o.forLoop(), view, podmetrics.New(metrics, podmetrics.InNamespace(o.scope.Namespace)), past, loop.NewMeter(ctrlmetrics.Registry), time.Now, log.WithName("loop"))
	ctrlmetrics.Registry.MustRegister(append(others.collectors(), l.Collector())...)
	if err := mgr.Add(manager.RunnableFunc(func(ctx context.Context) error {
		if err := view.WaitForSync(ctx); err != nil {
			return nil // it ends before it began
		}
		return l.Start(ctx)
	})); err != nil {
		return err
	}
	alive.check, explainer.Loop = l.Healthy, l
	ready.check = func() error {
		if !view.Synced() {
			return errors.New("not everything that is needed of Kubernetes has been read")
		}
		return l.Healthy()
	}

	// Leases outlive the loop, which saves at the end what is unsaved.
	leasing, release := context.WithCancel(context.WithoutCancel(ctx))
	var leases sync.WaitGroup
	if others != nil {
		others.loop = l
		leases.Go(func() { others.run(leasing, view, log) })
	}
	err = mgr.Start(ctx)
	release()
	leases.Wait()
	return err
}

// newManager returns a manager that serves handlers beside its metrics, by path.
func newManager(config *rest.Config, o *options, handlers map[string]http.Handler) (ctrl.Manager, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, vpav1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("registering API types: %w", err)
		}
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                 scheme,
		Cache:                  o.forCluster(nil).Cache(),
		Metrics:                metricsserver.Options{BindAddress: o.address, ExtraHandlers: handlers},
		HealthProbeBindAddress: "0",
	})
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server: %w", err)
	}
	return mgr, nil
}

// newView returns what the loop sees of the cluster, which is filled when mgr starts.
func newView(config *rest.Config, mgr ctrl.Manager, o *options, others *replicas, log logr.Logger) (*cluster.Cluster, error) {
	kinds, err := discovery.NewDiscoveryClientForConfigAndClient(config, mgr.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server's discovery: %w", err)
	}
	resolver := target.NewResolver(mgr.GetCache(), mgr.GetAPIReader(), target.NewDiscovery(kinds))
	return cluster.NewWithOptions(mgr, resolver, o.forCluster(others), log.WithName("cluster"))
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
	server.Instrument(client, ctrlmetrics.Registry)
	source, err := server.New(client, o.history, log.WithName("prometheus"), ctrlmetrics.Registry)
	if err != nil {
		return nil, err
	}
	loader := history.NewLoader(source, history.Options{
		Concurrency: o.history.Concurrency, MaxSeries: o.history.MaxSeries, Aggregate: o.aggregate,
	}, time.Now, log.WithName("history"))
	ctrlmetrics.Registry.MustRegister(loader.Collector())
	return loader, mgr.Add(manager.RunnableFunc(func(ctx context.Context) error {
		loader.Run(ctx)
		return nil
	}))
}

// probe answers by what check says.
type probe struct{ check func() error }

func (p *probe) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if err := p.check(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// handlers are what is served beside /metrics.
func (o *options) handlers(alive, ready, explainer http.Handler) map[string]http.Handler {
	handlers := map[string]http.Handler{"/healthz": alive, "/health-check": alive, "/readyz": ready, explain.Path: explainer}
	if o.profiling {
		// Not cmdline: it may hold the password of Prometheus, and whoever reaches metrics would read it.
		handlers["/debug/pprof/"] = http.HandlerFunc(pprof.Index)
		handlers["/debug/pprof/profile"] = http.HandlerFunc(pprof.Profile)
		handlers["/debug/pprof/symbol"] = http.HandlerFunc(pprof.Symbol)
		handlers["/debug/pprof/trace"] = http.HandlerFunc(pprof.Trace)
	}
	return handlers
}
