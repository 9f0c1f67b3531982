package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/sartor-vpa/sartor/pkg/apiserver/guard"
	"github.com/sartor-vpa/sartor/recommender/cluster"
	"github.com/sartor-vpa/sartor/recommender/loop"
)

// config is how to reach the API server: as kubectl would, where no flag says it.
func (o *explainOptions) config() (*rest.Config, error) {
	const userAgent = "sartor-explain"
	if o.apiserver.Kubeconfig != "" {
		return o.apiserver.Config(userAgent)
	}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(), nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("no kubeconfig: give --kubeconfig=FILE, or set KUBECONFIG as for kubectl: %w", err)
	}
	config.QPS, config.Burst, config.UserAgent = float32(o.apiserver.QPS), int(o.apiserver.Burst), userAgent
	guard.Wrap(config)
	return config, nil
}

// fromCluster explains from what the cluster has, as a recommender does that has just started.
func (o *explainOptions) fromCluster(ctx context.Context, config *rest.Config, name types.NamespacedName, log logr.Logger) (*loop.Explanation, error) {
	// It serves nothing, and sees one namespace.
	o.address, o.scope.Namespace = "0", name.Namespace
	mgr, err := newManager(config, o.options, nil)
	if err != nil {
		return nil, err
	}
	vpa, err := readable(ctx, mgr.GetAPIReader(), config.Host, name)
	if err != nil {
		return nil, err
	}
	seen, err := newView(config, mgr, o.options, nil, log)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	defer func() { cancel(nil); <-ended }()
	go func() {
		defer close(ended)
		cancel(mgr.Start(ctx))
	}()
	if err := seen.WaitForSync(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", rights(name.Namespace), errors.Join(err, context.Cause(ctx)))
	}
	view := &readOnly{Cluster: seen}
	l := loop.New(o.forLoop(), view, nil, nil, loop.NewMeter(ctrlmetrics.Registry), time.Now, log)
	e, err := l.ExplainOnce(ctx, name)
	if unknown := (*loop.UnknownVPAError)(nil); errors.As(err, &unknown) {
		return nil, fmt.Errorf("VPA %s is the recommender %q's and not %q's: give --recommender-name", name, recommenderOf(vpa), o.recommender)
	}
	return e, errors.Join(err, view.failed)
}

// recommenderOf is whose VPA it is.
func recommenderOf(vpa *vpav1.VerticalPodAutoscaler) string {
	if list := vpa.Spec.Recommenders; len(list) > 0 && list[0] != nil {
		return list[0].Name
	}
	return cluster.DefaultRecommender
}

// readable returns the VPA, and finds out at once what would be waited for in vain.
func readable(ctx context.Context, reader client.Reader, server string, name types.NamespacedName) (*vpav1.VerticalPodAutoscaler, error) {
	vpa := &vpav1.VerticalPodAutoscaler{}
	err := reader.Get(ctx, name, vpa)
	for _, list := range []client.ObjectList{&vpav1.VerticalPodAutoscalerList{}, &vpav1.VerticalPodAutoscalerCheckpointList{}, &corev1.PodList{}} {
		if err == nil {
			err = reader.List(ctx, list, client.InNamespace(name.Namespace), client.Limit(1))
		}
	}
	switch {
	case err == nil:
		return vpa, nil
	case absent(err, name.Name):
		return nil, fmt.Errorf("there is no VPA %s: kubectl get vpa -n %s lists those that there are", name, name.Namespace)
	case meta.IsNoMatchError(err), apierrors.IsNotFound(err):
		return nil, fmt.Errorf("%s knows no VPAs: install their custom resource definitions: %w", server, err)
	case apierrors.IsForbidden(err):
		return nil, fmt.Errorf("%s: %w", rights(name.Namespace), err)
	}
	return nil, fmt.Errorf("%s cannot be read; --kubeconfig, KUBECONFIG and the current context say which API server it is: %w", server, err)
}

// absent reports whether the object of that name was not found. Kinds that the API server does not know are not found, too.
func absent(err error, name string) bool {
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) {
		return false
	}
	details := status.Status().Details
	return details != nil && details.Name == name
}

func rights(namespace string) string {
	return fmt.Sprintf("explain needs the right to get, list and watch verticalpodautoscalers, verticalpodautoscalercheckpoints, pods and what may own them, in namespace %s", namespace)
}

var errReadOnly = errors.New("explain writes nothing")

// readOnly is a view of the cluster through which nothing is written.
type readOnly struct {
	loop.Cluster
	// failed is why checkpoints could not be read: without them it would be another explanation.
	failed error
}

func (r *readOnly) Checkpoints(ctx context.Context, f func(*vpav1.VerticalPodAutoscalerCheckpoint)) error {
	r.failed = r.Cluster.Checkpoints(ctx, f)
	return r.failed
}

func (*readOnly) WriteStatus(context.Context, *vpav1.VerticalPodAutoscaler, vpav1.VerticalPodAutoscalerStatus) (*vpav1.VerticalPodAutoscaler, error) {
	return nil, errReadOnly
}

func (*readOnly) WriteCheckpoint(context.Context, *vpav1.VerticalPodAutoscalerCheckpoint) error {
	return errReadOnly
}

func (*readOnly) DeleteCheckpoint(context.Context, types.NamespacedName) error { return errReadOnly }

func (*readOnly) Event(*vpav1.VerticalPodAutoscaler, string, string, string) {}
