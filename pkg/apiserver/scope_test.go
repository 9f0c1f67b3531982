package apiserver

import (
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

func TestAScopeIsOneNamespaceOrAllButSome(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want Scope
		err  string
	}{
		"all":              {nil, Scope{}, ""},
		"one":              {[]string{"--vpa-object-namespace=prod"}, Scope{Namespace: "prod"}, ""},
		"all but some":     {[]string{"--ignored-vpa-object-namespaces=kube-system, dev,"}, Scope{Ignored: []string{"kube-system", "dev"}}, ""},
		"ignoring nothing": {[]string{"--ignored-vpa-object-namespaces="}, Scope{}, ""},
		"both": {[]string{"--vpa-object-namespace=prod", "--ignored-vpa-object-namespaces=dev"}, Scope{"prod", []string{"dev"}},
			`--ignored-vpa-object-namespaces="dev": must not be set beside --vpa-object-namespace="prod"; remove one of them`},
		"no name":       {[]string{"--vpa-object-namespace=Prod"}, Scope{Namespace: "Prod"}, `--vpa-object-namespace="Prod": must be the name of a namespace`},
		"no name in it": {[]string{"--ignored-vpa-object-namespaces=dev,a/b"}, Scope{Ignored: []string{"dev", "a/b"}}, `--ignored-vpa-object-namespaces="a/b": must be names of namespaces, separated by commas`},
	} {
		t.Run(name, func(t *testing.T) {
			var s Scope
			fs := pflag.NewFlagSet("", pflag.ContinueOnError)
			s.AddFlags(fs)
			require.NoError(t, fs.Parse(tc.args))
			require.Equal(t, tc.want, s)
			if tc.err == "" {
				require.NoError(t, s.Validate())
				return
			}
			require.EqualError(t, s.Validate(), tc.err)
		})
	}
}

func TestAScopeIncludesItsNamespaces(t *testing.T) {
	all, one, but := Scope{}, Scope{Namespace: "prod"}, Scope{Ignored: []string{"dev", "kube-system"}}
	require.Equal(t, []bool{true, true, true}, []bool{all.Includes("prod"), one.Includes("prod"), but.Includes("prod")})
	require.Equal(t, []bool{true, false, false}, []bool{all.Includes("dev"), one.Includes("dev"), but.Includes("dev")})
}
