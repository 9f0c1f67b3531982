package lineage

import (
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// FuzzAnnotations feeds whatever anybody may write into the annotations of a candidate.
func FuzzAnnotations(f *testing.F) {
	f.Add("shop", "false", "web=shop,proxy=istio-proxy", "max")
	f.Add("", "", "", "")
	f.Add("prod/shop", "no", "a=b,a=c,=,a==b,\xff", "primary")
	f.Add("shop-rc", "true", ",,a = b,", "Max")
	f.Fuzz(func(t *testing.T, from, opt, containers, mode string) {
		a := map[string]string{FromAnnotation: from, OptAnnotation: opt, ContainersAnnotation: containers, ModeAnnotation: mode}
		link := vpas{"web-rc": a}.of("web-rc", DefaultSuffix)
		require.LessOrEqual(t, len(link.Invalid), len(a))
		for _, said := range link.Invalid {
			require.LessOrEqual(t, len(said), 500)
			require.True(t, utf8.ValidString(said))
		}
		if link.Primary != "" {
			require.True(t, isVPAName(link.Primary))
			require.Contains(t, []Mode{FromPrimary, Larger}, link.Mode)
			require.Equal(t, link.Primary, ShardKey("web-rc", a, DefaultSuffix))
		}
		for own, from := range link.Containers {
			require.True(t, isContainerName(own) && isContainerName(from))
		}
	})
}
