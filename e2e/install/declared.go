package install

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// declaration is how a Deployment runs its program.
type declaration struct {
	args, env []string
}

// declared reads the arguments and the environment of the first container of a Deployment, as the kubelet would.
func (i *installer) declared(ctx context.Context, deployment string) (declaration, error) {
	client, err := kubernetes.NewForConfig(i.cluster.RESTConfig())
	if err != nil {
		return declaration{}, err
	}
	d, err := client.AppsV1().Deployments(Namespace).Get(ctx, deployment, metav1.GetOptions{})
	if err != nil {
		return declaration{}, err
	}
	container := d.Spec.Template.Spec.Containers[0]
	env := map[string]string{}
	for _, from := range container.EnvFrom {
		if from.ConfigMapRef == nil {
			return declaration{}, fmt.Errorf("deployment %s: only ConfigMaps are understood in envFrom", deployment)
		}
		config, err := client.CoreV1().ConfigMaps(Namespace).Get(ctx, from.ConfigMapRef.Name, metav1.GetOptions{})
		if err != nil {
			return declaration{}, err
		}
		maps.Copy(env, config.Data)
	}
	for _, v := range container.Env {
		env[v.Name] = value(v)
	}
	var out declaration
	for _, arg := range container.Args {
		out.args = append(out.args, expand(arg, env))
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		out.env = append(out.env, name+"="+env[name])
	}
	return out, nil
}

func value(v corev1.EnvVar) string {
	if v.ValueFrom != nil && v.ValueFrom.FieldRef != nil && v.ValueFrom.FieldRef.FieldPath == "metadata.namespace" {
		return Namespace
	}
	return v.Value
}

var reference = regexp.MustCompile(`\$\(([A-Za-z_][A-Za-z0-9_]*)\)`)

// expand replaces $(NAME), and leaves names that are not there, as the kubelet does.
func expand(arg string, env map[string]string) string {
	return reference.ReplaceAllStringFunc(arg, func(ref string) string {
		if v, ok := env[ref[2:len(ref)-1]]; ok {
			return v
		}
		return ref
	})
}
