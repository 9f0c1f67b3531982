package version

import (
	"runtime/debug"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

func TestTheLinkerSaysWhatTheCompilerDoesNotKnow(t *testing.T) {
	noted := []debug.BuildSetting{{Key: "vcs.revision", Value: "0123abcd"}, {Key: "vcs.time", Value: "2026-11-22T08:00:00+01:00"}, {Key: "vcs.modified", Value: "false"}}
	changed := append(noted[:2:2], debug.BuildSetting{Key: "vcs.modified", Value: "true"})
	for _, c := range []struct {
		name     string
		linked   Info
		settings []debug.BuildSetting
		want     Info
	}{
		{"a checkout", Info{}, noted, Info{Version: "devel", Commit: "0123abcd", Date: "2026-11-22T07:00:00Z"}},
		{"a checkout with changes", Info{}, changed, Info{Version: "devel", Commit: "0123abcd-dirty", Date: "2026-11-22T07:00:00Z"}},
		{"a release out of a checkout", Info{Version: "v1.2.3"}, noted, Info{Version: "v1.2.3", Commit: "0123abcd", Date: "2026-11-22T07:00:00Z"}},
		{"an image, without a repository", Info{Version: "v1.2.3", Commit: "4567ef", Date: "2026-11-22T07:00:00Z"}, nil, Info{Version: "v1.2.3", Commit: "4567ef", Date: "2026-11-22T07:00:00Z"}},
		{"nothing is known", Info{}, nil, Info{Version: "devel", Commit: "unknown", Date: "unknown"}},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, of(c.linked, c.settings)) })
	}
}

func TestTheBuildIsOneLineAndAMetric(t *testing.T) {
	i := Get()
	require.Equal(t, 1, strings.Count(i.String()+"\n", "\n"))
	require.Contains(t, i.String(), i.Version+", commit "+i.Commit+" of "+i.Date+", "+i.Go)
	require.NoError(t, testutil.CollectAndCompare(Metric(), strings.NewReader(`
# HELP sartor_build_info 1, with the version, commit and compiler of the program in labels.
# TYPE sartor_build_info gauge
sartor_build_info{commit="`+i.Commit+`",go="`+i.Go+`",version="`+i.Version+`"} 1
`)))
}
