package server

import (
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/history"
)

// hostile are values that would be more than a value if they became part of a query as text.
var hostile = []string{
	`prod`, `a"b`, `a\b`, `"} or vector(1) #`, `{x="y"}`, "line\nbreak", "a`b", `it's`, `.*`, `prod|dev`, `^$`, `(`, `[`, `$1`, ` prod `, "tab\t", "日本", `\`, `\"`, `%s`, "\x00", "\u2028", "\uFFFD", "\xff",
}

func TestMatchersAreReadAsPromQLReadsThem(t *testing.T) {
	for text, want := range map[string]string{
		`cluster="eu"`:              `cluster="eu"`,
		`cluster=~"eu-.+"`:          `cluster=~"eu-.+"`,
		`cluster!="eu"`:             `cluster!="eu"`,
		`cluster!~"eu-.*|"`:         `cluster!~"eu-.*|"`,
		` cluster = "eu" `:          `cluster="eu"`,
		`cluster='eu'`:              `cluster="eu"`,
		"cluster=`e\\u`":            `cluster="e\\u"`,
		`cluster=" eu"`:             `cluster=" eu"`,
		`cluster="a=\"b\""`:         `cluster="a=\"b\""`,
		`cluster="=~"`:              `cluster="=~"`,
		`cluster!=""`:               `cluster!=""`,
		`_a1="b"`:                   `_a1="b"`,
		`"k8s.cluster.name"="eu"`:   `"k8s.cluster.name"="eu"`,
		`"cluster"="eu"`:            `cluster="eu"`,
		"cluster=\"a\\nb\"":         `cluster="a\nb"`,
		`cluster=~"(?i)EU"`:         `cluster=~"(?i)EU"`,
		"cluster=~\"a\\\\.b\"":      `cluster=~"a\\.b"`,
		`cluster="` + "日本" + `"`:    `cluster="日本"`,
		`cluster!~"dev"`:            `cluster!~"dev"`,
		`cluster=~"eu-west-[1-3]x"`: `cluster=~"eu-west-[1-3]x"`,
	} {
		m, err := ParseMatcher(text)
		require.NoError(t, err, text)
		require.Equal(t, want, m.String())
		parsed, err := promQL.ParseMetricSelector("{" + text + "}")
		require.NoError(t, err, text)
		require.Equal(t, texts(parsed), m.String(), "Prometheus reads it so, too")
	}
}

func TestMatchersThatAreNoneAreExplained(t *testing.T) {
	for text, want := range map[string]string{
		``:                   `"" is no matcher; write it like cluster=~"eu-.*", with one of = != =~ !~`,
		`cluster`:            `is no matcher`,
		`="eu"`:              `is no matcher`,
		`cluster=="eu"`:      `has no quotes around its value, or not the right ones`,
		`cluster<"eu"`:       `is no matcher`,
		`{cluster="eu"}`:     `is no matcher`,
		`a-b="c"`:            `is no matcher`,
		`1a="c"`:             `is no matcher`,
		`""="c"`:             `names no label`,
		`"a\q"="c"`:          `names no label`,
		`cluster=eu`:         `"cluster=eu" has no quotes around its value, or not the right ones; write it like cluster="value"`,
		`cluster=~eu-.*`:     `write it like cluster=~"value"`,
		`cluster="eu`:        `has no quotes`,
		`cluster="eu",a="b"`: `has no quotes`,
		`cluster="eu" or`:    `has no quotes`,
		`cluster="a\qb"`:     `has no quotes around its value, or not the right ones`,
		`cluster=`:           `has no quotes`,
		`cluster=""`:         `cluster="" has an empty value and would match series without the label; give it one, or write cluster!="" for any`,
		`cluster="  "`:       `has an empty value`,
		`cluster=~""`:        `has an empty value`,
		`cluster!~""`:        `has an empty value`,
		`cluster!=" "`:       `has an empty value`,
		`cluster=~".*"`:      `cluster=~".*" matches the empty value, too, which is that of series without the label; write .+ for any`,
		`cluster=~"eu|"`:     `matches the empty value, too`,
		`cluster=~"(eu)?"`:   `matches the empty value, too`,
		`cluster=~"("`:       `missing closing )`,
	} {
		m, err := ParseMatcher(text)
		require.ErrorContains(t, err, want, text)
		require.Nil(t, m, text)
	}
}

// FuzzMatcher reads whatever stands on a command line: what is taken, Prometheus takes, too, and means the same.
func FuzzMatcher(f *testing.F) {
	for _, text := range append(hostile, `cluster=~"eu-.*"`, `a!~'x'`, "a=`b`", `"a.b"="c"`, `a="\u00e9\x41"`, `a="`, `a=~"("`) {
		f.Add(text)
		f.Add(`cluster="` + text + `"`)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ParseMatcher(text)
		if err != nil {
			require.Nil(t, m)
			return
		}
		require.False(t, m.Matches("") && (m.Type == labels.MatchEqual || m.Type == labels.MatchRegexp), "series without the label pass")
		again, err := ParseMatcher(m.String())
		require.NoError(t, err)
		require.Equal(t, m.String(), again.String())
		parsed, err := promQL.ParseMetricSelector(selector([]*labels.Matcher{m}))
		require.NoError(t, err)
		require.Len(t, parsed, 1)
		require.Equal(t, []any{m.Type, m.Name, m.Value}, []any{parsed[0].Type, parsed[0].Name, parsed[0].Value})
	})
}

func TestTheValueOfTheEnvironmentIsMatchedLiterally(t *testing.T) {
	check := func(t require.TestingT, value string) {
		o := DefaultOptions()
		o.EnvLabel, o.Environment = "env", value
		for _, r := range usage.Resources {
			all, err := o.matchers(r, []string{"a", "b"}, "shop-.*")
			require.NoError(t, err)
			parsed, err := promQL.ParseMetricSelector(selector(all))
			require.NoError(t, err)
			require.Equal(t, texts(all), texts(parsed))
			last := parsed[len(parsed)-1]
			require.Equal(t, []any{labels.MatchEqual, "env", value}, []any{last.Type, last.Name, last.Value})
		}
		s := &Server{options: o}
		body, err := s.remoteBody(history.Query{Namespaces: []string{"a"}})
		require.NoError(t, err)
		request, err := readRequestOf(body)
		require.NoError(t, err)
		for _, q := range request.Queries {
			require.Equal(t, value, q.Matchers[len(q.Matchers)-1].Value)
		}
	}
	for _, value := range hostile {
		check(t, value)
	}
	rapid.Check(t, func(t *rapid.T) { check(t, rapid.String().Draw(t, "value")) })
}

func TestMatchersSelectContainersAndNothingElse(t *testing.T) {
	o := DefaultOptions()
	o.EnvLabel, o.Environment, o.Job = "env", "prod", "cadvisor"
	filtering("prod", `cluster=~"eu-.+"`, `cluster!="eu-old"`)(&o)
	for _, tc := range []struct {
		resource   usage.Resource
		namespaces []string
		pods       string
		want       string
	}{
		{usage.CPU, nil, "", `{__name__="container_cpu_usage_seconds_total",namespace!="",container!="",container!="POD",job="cadvisor",env="prod",cluster=~"eu-.+",cluster!="eu-old"}`},
		{usage.Memory, []string{"store"}, "", `{__name__="container_memory_working_set_bytes",namespace="store",container!="",container!="POD",job="cadvisor",env="prod",cluster=~"eu-.+",cluster!="eu-old"}`},
		{usage.Memory, []string{"a.b", "store"}, "shop-[a-z]+", `{__name__="container_memory_working_set_bytes",namespace=~"a\\.b|store",pod=~"shop-[a-z]+",container!="",container!="POD",job="cadvisor",env="prod",cluster=~"eu-.+",cluster!="eu-old"}`},
	} {
		got, err := o.matchers(tc.resource, tc.namespaces, tc.pods)
		require.NoError(t, err)
		require.Equal(t, tc.want, selector(got))
	}
	_, err := o.matchers(usage.CPU, nil, "(")
	require.ErrorContains(t, err, "the names of pods")
}
