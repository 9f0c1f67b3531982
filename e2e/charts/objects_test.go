package charts

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// object is a manifest's document, as JSON decodes it.
type object map[string]any

func decode(t *testing.T, manifests string) []object {
	t.Helper()
	var out []object
	for _, document := range strings.Split("\n"+manifests, "\n---\n") {
		o := object{}
		require.NoError(t, yaml.Unmarshal([]byte(document), &o), document)
		if len(o) > 0 {
			out = append(out, o)
		}
	}
	return out
}

// in returns the value at a path; nil if there is none.
func (o object) in(path ...string) any {
	var at any = map[string]any(o)
	for _, name := range path {
		inner, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = inner[name]
	}
	return at
}

// table returns the map at a path; empty, and no part of o, if there is none.
func (o object) table(path ...string) map[string]any {
	m, ok := o.in(path...).(map[string]any)
	if !ok {
		return map[string]any{}
	}
	return m
}

// list returns the list at a path; empty if there is none.
func (o object) list(path ...string) []any {
	l, _ := o.in(path...).([]any)
	return l
}

func (o object) kind() string { return fmt.Sprint(o["kind"]) }

func (o object) name() string { return fmt.Sprint(o.in("metadata", "name")) }

// id tells an object from all others of a cluster.
func (o object) id() string {
	namespace, _ := o.in("metadata", "namespace").(string)
	return fmt.Sprintf("%v %s %s/%s", o["apiVersion"], o.kind(), namespace, o.name())
}

func (o object) yaml(t *testing.T) string {
	t.Helper()
	text, err := yaml.Marshal(o)
	require.NoError(t, err)
	return string(text)
}

// container is the first of a Deployment's.
func (o object) container() object {
	containers := o.list("spec", "template", "spec", "containers")
	if len(containers) == 0 {
		return object{}
	}
	return containers[0].(map[string]any)
}

// args are the arguments of a Deployment's program.
func (o object) args() []string {
	var out []string
	for _, arg := range o.container().list("args") {
		out = append(out, arg.(string))
	}
	return out
}

// find returns the one object of that kind and name.
func find(t *testing.T, objects []object, kind, name string) object {
	t.Helper()
	i := slices.IndexFunc(objects, func(o object) bool { return o.kind() == kind && o.name() == name })
	require.GreaterOrEqual(t, i, 0, "no %s %s among %v", kind, name, ids(objects))
	return objects[i]
}

func ids(objects []object) []string {
	var out []string
	for _, o := range objects {
		out = append(out, o.id())
	}
	return out
}
