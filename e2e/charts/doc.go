// Package charts tests what deploy/ is installed by: the components of kustomize under deploy/overlays, the Helm chart of
// this project and the one for services. They are rendered by the tools' own libraries, compared with each other and with
// golden files, and shown to a real API server. It is a module of its own, so that the tools' needs stay out of others.
// Tests only.
package charts
