// Package legal holds what the webhook does to pods against Kubernetes' own code: the API server's defaults, its LimitRanger
// plug-in and its validation. It is tests only.
//
// It is a module of its own, because k8s.io/kubernetes comes with its staging modules, all of one version, which would
// take the place of e2e's newer clients.
package legal
