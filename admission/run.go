package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/sartor-vpa/sartor/admission/certs"
	"github.com/sartor-vpa/sartor/admission/validation"
	"github.com/sartor-vpa/sartor/admission/webhook"
	"github.com/sartor-vpa/sartor/pkg/apiserver"
	"github.com/sartor-vpa/sartor/pkg/target"
	"github.com/sartor-vpa/sartor/pkg/version"
)

// grace is what requests in flight get at the very end: as long as an API server waits for a
// webhook at most.
const grace = 30 * time.Second

// run constructs the program and runs it until ctx ends, and then until the last review is answered.
func run(ctx context.Context, o *options, log logr.Logger) error {
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

	certificates := o.newCertificates(live, log.WithName("certs"))
	pods, watches, err := o.newPods(config, mgr, disco, log)
	if err != nil {
		return err
	}
	vpas := validation.NewHandler(o.features, log.WithName("validation"), ctrlmetrics.Registry)
	server := o.newServer(routes(pods, vpas), certificates, log.WithName("server"))
	ready := readiness(ctx, watches, certificates)
	// What controller-runtime registers itself only where controllers run: memory, CPU, garbage collection.
	ctrlmetrics.Registry.MustRegister(readyGauge(ready), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if err := o.addHandlers(mgr, ready); err != nil {
		return err
	}
	lease, err := o.newLease(live, ready, log.WithName("lease"))
	if err != nil {
		return err
	}
	listener, err := o.listen()
	if err != nil {
		return err
	}
	log.Info("starting", "version", version.Get().String(), "reviews", listener.Addr().String(), "metrics", o.address)
	return serve(ctx, server, listener, log, mgr.Start, certificates.Run, watches.run, lease.run)
}

// newPods returns what reviews pods, and the watches by which it knows the cluster.
func (o *options) newPods(config *rest.Config, mgr manager.Manager, kinds *discovery.DiscoveryClient, log logr.Logger) (http.Handler, *watches, error) {
	unknown, err := newReader(config, mgr.GetHTTPClient(), mgr.GetScheme(), mgr.GetRESTMapper())
	if err != nil {
		return nil, nil, err
	}
	index := webhook.NewIndex(o.cluster(), log.WithName("index"))
	watches, err := newWatches(config, unknown, mgr.GetHTTPClient(), index, log.WithName("watches"))
	if err != nil {
		return nil, nil, err
	}
	if err := ctrlmetrics.Registry.Register(watches); err != nil {
		return nil, nil, fmt.Errorf("registering metrics: %w", err)
	}
	return webhook.NewHandler(webhook.Config{
		Owners:      target.NewResolverOf(watches.owners, unknown, target.NewDiscovery(kinds)),
		VPAs:        scoped{index, &o.scope},
		LimitRanges: watches.ranges,
		Quotas:      watches.quotas,
		Synced:      watches.synced.Load,
		Log:         log.WithName("webhook"),
		Registerer:  ctrlmetrics.Registry,
	}), watches, nil
}

func (o *options) newServer(handler http.Handler, c certificates, log logr.Logger) *webhook.Server {
	return &webhook.Server{
		Handler:      handler,
		Certificate:  c.Certificate,
		MinVersion:   uint16(o.tls.version),
		CipherSuites: o.tls.ciphers,
		Timeouts:     webhook.DefaultTimeouts(),
		Delay:        o.shutdownDelay,
		Grace:        grace,
		Log:          log,
	}
}

// certificates is where the serving certificate comes from: a certs.Keeper, or certs.Files.
type certificates interface {
	Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
	Ready(now time.Time) error
	Run(context.Context) error
}

func (o *options) newCertificates(c client.Client, log logr.Logger) certificates {
	if files := o.certificates.files; files.Certificate != "" {
		return certs.NewFiles(c, files, o.certs(), log, ctrlmetrics.Registry)
	}
	return certs.NewKeeper(c, o.certs(), log, ctrlmetrics.Registry)
}

// scoped knows only VPAs of namespaces that are worked on.
type scoped struct {
	*webhook.Index
	scope *apiserver.Scope
}

// Controlling implements webhook.VPAs.
func (s scoped) Controlling(c target.Controller) *webhook.Control {
	if !s.scope.Includes(c.Namespace) {
		return nil
	}
	return s.Index.Controlling(c)
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

// Where pods and VPAs are reviewed; deploy/webhook.yaml names both.
const (
	podsPath = "/pods"
	vpasPath = "/vpas"
)

func routes(pods, vpas http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(podsPath, pods)
	mux.Handle(vpasPath, vpas)
	return mux
}

// readiness says whether API servers should call this replica: never before the caches are full and its certificate
// is trusted, and no more once ctx has ended.
func readiness(ctx context.Context, w *watches, c certificates) func(time.Time) error {
	return func(now time.Time) error {
		if ctx.Err() != nil {
			return errors.New("stopping")
		}
		if !w.synced.Load() {
			return errors.New("caches are not synced")
		}
		return c.Ready(now)
	}
}

// readyGauge tells of each replica what its /readyz does, also where nobody exports the states of pods.
func readyGauge(ready func(time.Time) error) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "sartor", Subsystem: "admission", Name: "ready",
		Help: "1 while API servers should call this replica: its caches are synced and its certificate is trusted. Else 0.",
	}, func() float64 {
		if ready(time.Now()) != nil {
			return 0
		}
		return 1
	})
}

// addHandlers adds to /metrics: /healthz says that the program lives, and /readyz what ready does.
func (o *options) addHandlers(mgr manager.Manager, ready func(time.Time) error) error {
	handlers := map[string]http.Handler{
		"/healthz": healthz.CheckHandler{Checker: healthz.Ping},
		"/readyz":  healthz.CheckHandler{Checker: func(*http.Request) error { return ready(time.Now()) }},
	}
	if o.profiling {
		handlers["/debug/pprof/"] = http.HandlerFunc(pprof.Index)
		handlers["/debug/pprof/cmdline"] = http.HandlerFunc(pprof.Cmdline)
		handlers["/debug/pprof/profile"] = http.HandlerFunc(pprof.Profile)
		handlers["/debug/pprof/symbol"] = http.HandlerFunc(pprof.Symbol)
		handlers["/debug/pprof/trace"] = http.HandlerFunc(pprof.Trace)
	}
	for path, handler := range handlers {
		if err := mgr.AddMetricsServerExtraHandler(path, handler); err != nil {
			return fmt.Errorf("serving %s: %w", path, err)
		}
	}
	return nil
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
