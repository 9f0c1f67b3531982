package lineage

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// vpas are a namespace's VPAs: annotations by name.
type vpas map[string]map[string]string

func (v vpas) lookup(name string) (map[string]string, bool) {
	annotations, ok := v[name]
	return annotations, ok
}

func (v vpas) of(name, suffix string) Link { return Of(name, v[name], suffix, v.lookup) }

func from(name string) map[string]string { return map[string]string{FromAnnotation: name} }

var no = map[string]string{OptAnnotation: "false"}

func TestWhoInheritsFromWhom(t *testing.T) {
	for name, tc := range map[string]struct {
		vpa, suffix string
		vpas        vpas
		want        string // the primary, or the beginning of the refusal
	}{
		"a candidate":                       {"shop-rc", "-rc", vpas{"shop": nil}, "shop"},
		"a candidate without primary":       {"shop-rc", "-rc", nil, "shop"},
		"a stable release":                  {"shop", "-rc", vpas{"shop-rc": nil}, ""},
		"the suffix inside":                 {"shop-rc-api", "-rc", nil, ""},
		"nothing but the suffix":            {"-rc", "-rc", nil, ""},
		"another suffix":                    {"shop-canary", "-canary", nil, "shop"},
		"no suffix":                         {"shop-rc", "", nil, ""},
		"opted out":                         {"shop-rc", "-rc", vpas{"shop-rc": no}, ""},
		"opted in, as without":              {"shop-rc", "-rc", vpas{"shop-rc": {OptAnnotation: "true"}}, "shop"},
		"by annotation":                     {"web", "-rc", vpas{"web": from("shop")}, "shop"},
		"by annotation, without suffix":     {"web", "", vpas{"web": from("shop")}, "shop"},
		"the annotation before the suffix":  {"shop-rc", "-rc", vpas{"shop-rc": from("store")}, "store"},
		"opted out beside an annotation":    {"web", "-rc", vpas{"web": {FromAnnotation: "shop", OptAnnotation: "false"}}, ""},
		"a candidate of a candidate":        {"shop-rc-rc", "-rc", nil, "shop-rc-rc would inherit from shop-rc, which itself inherits from shop, and inheritance is one hop: name shop in"},
		"of one that opted out":             {"shop-rc-rc", "-rc", vpas{"shop-rc": no}, "shop-rc"},
		"by annotation from a candidate":    {"web", "-rc", vpas{"web": from("shop-rc")}, "web would inherit from shop-rc, which itself inherits from shop"},
		"a chain of annotations":            {"a", "", vpas{"a": from("b"), "b": from("c")}, "a would inherit from b, which itself inherits from c"},
		"a cycle":                           {"a", "", vpas{"a": from("b"), "b": from("a")}, `a would inherit from b, which itself inherits from a, and inheritance is one hop: set the annotation sartor.dev/inherit: "false" on b`},
		"a primary that wants itself":       {"a", "", vpas{"a": from("b"), "b": from("b")}, `a would inherit from b, which itself inherits from b, and inheritance is one hop: set the annotation`},
		"itself":                            {"a", "", vpas{"a": from("a")}, "a would inherit from itself; name another VPA"},
		"a primary with a senseless wish":   {"a", "", vpas{"a": from("b"), "b": from("!")}, "b"},
		"a candidate whose primary is none": {"shop-rc", "-rc", vpas{"shop": from("store")}, "shop-rc would inherit from shop, which itself inherits from store"},
	} {
		t.Run(name, func(t *testing.T) {
			link := tc.vpas.of(tc.vpa, tc.suffix)
			require.Empty(t, link.Invalid)
			if strings.Contains(tc.want, " ") {
				require.Empty(t, link.Primary)
				require.Contains(t, link.Refused, tc.want)
				return
			}
			require.Empty(t, link.Refused)
			require.Equal(t, tc.want, link.Primary)
		})
	}
}

func TestAnnotationsSayHowItInherits(t *testing.T) {
	annotated := func(annotations ...string) Link {
		a := from("shop")
		for i := 0; i < len(annotations); i += 2 {
			a[annotations[i]] = annotations[i+1]
		}
		return vpas{"web": a}.of("web", "")
	}
	require.Equal(t, Link{Primary: "shop", Mode: FromPrimary}, annotated())
	require.Equal(t, Link{Primary: "shop", Mode: Larger}, annotated(ModeAnnotation, "max"))
	require.Equal(t, Link{Primary: "shop", Mode: FromPrimary, Containers: map[string]string{"web": "shop", "proxy": "istio-proxy"}},
		annotated(ModeAnnotation, "primary", ContainersAnnotation, " web=shop, proxy = istio-proxy,"))
	require.Equal(t, Link{}, vpas{"web": {ModeAnnotation: "what", ContainersAnnotation: "!"}}.of("web", "-rc"), "who does not inherit has no say in how")
}

func TestAnnotationsThatMakeNoSenseAreNamedWithARemedy(t *testing.T) {
	long := strings.Repeat("ä", 1000)
	for name, tc := range map[string]struct {
		annotation, value, want string
		link                    Link
	}{
		"inherit":                 {OptAnnotation, "no", `sartor.dev/inherit="no": write "false" to inherit from nobody`, Link{Primary: "shop", Mode: FromPrimary}},
		"inherit-from, empty":     {FromAnnotation, "", `sartor.dev/inherit-from="": name a VPA of the same namespace`, Link{}},
		"another namespace":       {FromAnnotation, "prod/shop", `sartor.dev/inherit-from="prod/shop": name a VPA`, Link{}},
		"endless":                 {FromAnnotation, long, `äää...": name a VPA`, Link{}},
		"inherit-mode":            {ModeAnnotation, "Max", `sartor.dev/inherit-mode="Max": write primary or max`, Link{Primary: "shop", Mode: FromPrimary}},
		"no pair":                 {ContainersAnnotation, "web", `sartor.dev/inherit-containers="web": write pairs`, Link{Primary: "shop", Mode: FromPrimary}},
		"two of three pairs":      {ContainersAnnotation, "a=b,c=,=d", `sartor.dev/inherit-containers="c=": write pairs`, Link{Primary: "shop", Mode: FromPrimary, Containers: map[string]string{"a": "b"}}},
		"a container twice":       {ContainersAnnotation, "a=b,a=c", `sartor.dev/inherit-containers="a=c": name each container once`, Link{Primary: "shop", Mode: FromPrimary, Containers: map[string]string{"a": "b"}}},
		"no container's name":     {ContainersAnnotation, "a=B", `sartor.dev/inherit-containers="a=B": write pairs`, Link{Primary: "shop", Mode: FromPrimary}},
		"two equals signs":        {ContainersAnnotation, "a=b=c", `sartor.dev/inherit-containers="a=b=c": write pairs`, Link{Primary: "shop", Mode: FromPrimary}},
		"a name that is too long": {ContainersAnnotation, "a=" + strings.Repeat("b", 64), `write pairs`, Link{Primary: "shop", Mode: FromPrimary}},
	} {
		t.Run(name, func(t *testing.T) {
			link := vpas{"shop-rc": {tc.annotation: tc.value}}.of("shop-rc", "-rc")
			require.Len(t, link.Invalid, 1)
			require.Contains(t, link.Invalid[0], tc.want)
			require.Less(t, len(link.Invalid[0]), 250)
			link.Invalid = nil
			require.Equal(t, tc.link, link)
		})
	}
	all := map[string]string{OptAnnotation: "?", ModeAnnotation: "?", ContainersAnnotation: "?"}
	require.Len(t, vpas{"shop-rc": all}.of("shop-rc", "-rc").Invalid, 3)
}

func TestACandidateAndItsPrimaryShareAShard(t *testing.T) {
	for name, tc := range map[string]struct {
		vpa         string
		annotations map[string]string
		want        string
	}{
		"a primary":         {"shop", nil, "shop"},
		"a candidate":       {"shop-rc", nil, "shop"},
		"by annotation":     {"web", from("shop"), "shop"},
		"opted out":         {"shop-rc", no, "shop-rc"},
		"a senseless wish":  {"web", from("!"), "web"},
		"a wish for itself": {"web", from("web"), "web"},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, ShardKey(tc.vpa, tc.annotations, DefaultSuffix)) })
	}
}

func TestInheritanceIsOneHopWithoutCycles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := []string{"a", "b", "a-rc", "b-rc", "a-rc-rc", "-rc"}
		suffix := rapid.SampledFrom([]string{"-rc", ""}).Draw(t, "suffix")
		all := vpas{}
		for _, name := range names {
			if rapid.Bool().Draw(t, name+" exists") {
				annotations := map[string]string{}
				if rapid.Bool().Draw(t, name+" has a wish") {
					annotations[FromAnnotation] = rapid.SampledFrom(append(names, "", "!", "nobody")).Draw(t, name+" inherits from")
				}
				if rapid.Bool().Draw(t, name+" has an opinion") {
					annotations[OptAnnotation] = rapid.SampledFrom([]string{"true", "false", "?"}).Draw(t, name+" inherits")
				}
				all[name] = annotations
			}
		}
		for _, name := range names {
			link := all.of(name, suffix)
			require.False(t, link.Primary != "" && link.Refused != "", "inherits and is refused")
			require.NotEqual(t, name, link.Primary, "inherits from itself")
			if link.Primary == "" {
				continue
			}
			require.Empty(t, all.of(link.Primary, suffix).Primary, "%s inherits from %s, which inherits", name, link.Primary)
			require.Empty(t, all.of(link.Primary, suffix).Refused, "%s inherits from %s, which wants to", name, link.Primary)
			require.Equal(t, ShardKey(link.Primary, all[link.Primary], suffix), ShardKey(name, all[name], suffix), "two owners")
			require.NotEqual(t, "false", all[name][OptAnnotation])
			if suffix == "" {
				require.Equal(t, all[name][FromAnnotation], link.Primary)
			}
		}
	})
}
