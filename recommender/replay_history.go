package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sartor-vpa/sartor/pkg/logging"
	"github.com/sartor-vpa/sartor/recommender/explain"
	"github.com/sartor-vpa/sartor/recommender/history"
	"github.com/sartor-vpa/sartor/recommender/history/server"
	"github.com/sartor-vpa/sartor/recommender/replay"
)

// historyPatience is how long reading may go on failing: somebody waits for it.
const historyPatience = 30 * time.Second

// asked is a workload whose history is to be replayed.
type asked struct {
	history.Workload
	vpa      *vpav1.VerticalPodAutoscaler
	template *corev1.PodTemplateSpec
}

// readHistory reads the usage of --vpa and --workload from Prometheus.
func (o *replayOptions) readHistory(ctx context.Context, tell *progress, at terminal) ([]replay.Workload, error) {
	log := logging.New(at.err, logging.Options{Verbosity: errorsOnly, Format: o.log.Format})
	logging.Install(log)
	wanted, err := o.wanted(ctx)
	if err != nil || len(wanted) == 0 {
		return nil, err
	}
	transport, err := o.history.Client()
	if err != nil {
		return nil, err
	}
	source, err := server.New(transport, o.history, log, prometheus.NewRegistry())
	if err != nil {
		return nil, err
	}
	// What fails is told once, and below.
	loader := history.NewLoader(source, history.Options{
		Concurrency: o.history.Concurrency, MaxSeries: o.history.MaxSeries, Aggregate: o.aggregate,
	}, time.Now, logr.Discard())
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	defer func() { cancel(); <-ended }()
	go func() {
		defer close(ended)
		loader.Run(ctx)
	}()
	now := time.Now()
	workloads, err := replay.FromHistory(ctx, loader, workloadsOf(wanted), replay.Reading{
		From: now.Add(-o.history.Length), To: now, Patience: historyPatience,
		Failed: func(err error) { fmt.Fprintf(at.err, "%v; it is tried again for %s\n", err, historyPatience) },
		Done:   func(n, of int) { tell.say("read", n, of, "days") },
	})
	if err != nil {
		return nil, err
	}
	return o.found(wanted, workloads, at)
}

func workloadsOf(wanted []asked) []history.Workload {
	of := make([]history.Workload, len(wanted))
	for i := range wanted {
		of[i] = wanted[i].Workload
	}
	return of
}

// found tells which workloads have no history, and gives the others what is known of their VPAs.
func (o *replayOptions) found(wanted []asked, read []replay.Workload, at terminal) ([]replay.Workload, error) {
	var without []string
	for i := range read {
		read[i].VPA, read[i].Template = wanted[i].vpa, wanted[i].template
		if len(read[i].Tracks) == 0 {
			without = append(without, read[i].String())
		}
	}
	if len(without) == 0 {
		return read, nil
	}
	said := fmt.Sprintf("there is no usage of %s in the last %s: are kind and name right, and --prometheus-env-label and --prometheus-matcher?",
		strings.Join(without, ", "), model.Duration(o.history.Length))
	if len(without) == len(read) {
		return nil, errors.New(said)
	}
	fmt.Fprintln(at.err, said)
	return slices.DeleteFunc(read, func(w replay.Workload) bool { return len(w.Tracks) == 0 }), nil
}

// wanted are the workloads that --workload and --vpa name, each once.
func (o *replayOptions) wanted(ctx context.Context) ([]asked, error) {
	var all []asked
	for _, text := range o.workloads {
		parts := strings.Split(text, "/")
		if len(parts) != 3 || slices.Contains(parts, "") {
			return nil, fmt.Errorf("--workload=%q: must be NAMESPACE/KIND/NAME, like store/Deployment/shop", text)
		}
		all = append(all, asked{Workload: history.Workload{Namespace: parts[0], Kind: parts[1], Name: parts[2]}})
	}
	if len(o.vpas) > 0 {
		reader, err := o.reader()
		if err != nil {
			return nil, err
		}
		for _, text := range o.vpas {
			name, err := explain.ParseName(text)
			if err != nil {
				return nil, fmt.Errorf("--vpa %w; kubectl get vpa -A lists them", err)
			}
			one, err := fromVPA(ctx, reader, name)
			if err != nil {
				return nil, err
			}
			all = append(all, one)
		}
	}
	for i := range all {
		if slices.ContainsFunc(all[:i], func(a asked) bool { return a.Workload == all[i].Workload }) {
			w := all[i].Workload
			return nil, fmt.Errorf("%s/%s/%s is asked for twice, by --vpa or --workload: ask once", w.Namespace, w.Kind, w.Name)
		}
	}
	return all, nil
}

// reader reads the cluster, and has no way to write to it.
func (o *replayOptions) reader() (client.Reader, error) {
	config, err := (&explainOptions{options: o.options}).config()
	if err != nil {
		return nil, err
	}
	config.UserAgent = "sartor-replay"
	scheme := runtime.NewScheme()
	if err := vpav1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering API types: %w", err)
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read; --kubeconfig, KUBECONFIG and the current context say which API server it is: %w", config.Host, err)
	}
	return c, nil
}

// fromVPA finds what the VPA scales, and what its pods are made of.
func fromVPA(ctx context.Context, reader client.Reader, name types.NamespacedName) (asked, error) {
	vpa := &vpav1.VerticalPodAutoscaler{}
	err := reader.Get(ctx, name, vpa)
	switch {
	case absent(err, name.Name):
		return asked{}, fmt.Errorf("there is no VPA %s: kubectl get vpa -n %s lists those that there are", name, name.Namespace)
	case apierrors.IsForbidden(err):
		return asked{}, fmt.Errorf("replay needs the right to get verticalpodautoscalers, and what they target, in namespace %s: %w", name.Namespace, err)
	case err != nil:
		return asked{}, fmt.Errorf("VPA %s cannot be read: %w", name, err)
	case vpa.Spec.TargetRef == nil:
		return asked{}, fmt.Errorf("VPA %s has no targetRef: nothing is known of its pods' past", name)
	}
	ref := vpa.Spec.TargetRef
	template, err := templateOf(ctx, reader, name.Namespace, ref.APIVersion, ref.Kind, ref.Name)
	if err != nil {
		return asked{}, fmt.Errorf("the target of VPA %s, %s %s, cannot be read: %w", name, ref.Kind, ref.Name, err)
	}
	return asked{Workload: history.Workload{Namespace: name.Namespace, Kind: ref.Kind, Name: ref.Name}, vpa: vpa, template: template}, nil
}

// templateOf is what the pods of a controller are made of; nil if it is gone, or does not say.
func templateOf(ctx context.Context, reader client.Reader, namespace, apiVersion, kind, name string) (*corev1.PodTemplateSpec, error) {
	object := &unstructured.Unstructured{}
	object.SetAPIVersion(apiVersion)
	object.SetKind(kind)
	err := reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, object)
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, path := range [][]string{{"spec", "template"}, {"spec", "jobTemplate", "spec", "template"}} {
		found, ok, err := unstructured.NestedMap(object.Object, path...)
		if err != nil || !ok {
			continue
		}
		template := &corev1.PodTemplateSpec{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(found, template); err != nil {
			return nil, fmt.Errorf("%s: %w", strings.Join(path, "."), err)
		}
		if len(template.Spec.Containers) > 0 {
			return template, nil
		}
	}
	return nil, nil
}
