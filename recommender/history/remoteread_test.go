package history

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// The server in these tests sends what Prometheus sends, and what breaks. A real Prometheus is read in the
// end-to-end tests.

var (
	begin  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	window = Window{Workload: Workload{Namespace: "store", Kind: "Deployment", Name: "shop"}, From: begin, To: begin.Add(10 * time.Minute)}
)

const pod = "shop-7d9f8b6c5-x2x4z"

// at is a value so many seconds after the window's beginning.
func at(seconds float64, v float64) point {
	return point{begin.UnixMilli() + int64(seconds*1000), v}
}

func chunked(t testing.TB, container string, points ...point) *prompb.ChunkedSeries {
	c := chunkenc.NewXORChunk()
	app, err := c.Appender()
	require.NoError(t, err)
	for _, p := range points {
		app.Append(0, p.t, p.v)
	}
	s := &prompb.ChunkedSeries{Labels: []prompb.Label{{Name: "namespace", Value: "store"}, {Name: "pod", Value: pod}}}
	if container != "" {
		s.Labels = append(s.Labels, prompb.Label{Name: "container", Value: container})
	}
	s.Chunks = []prompb.Chunk{{Type: prompb.Chunk_XOR, Data: c.Bytes()}}
	return s
}

func frame(t testing.TB, r usage.Resource, series ...*prompb.ChunkedSeries) []byte {
	data, err := (&prompb.ChunkedReadResponse{QueryIndex: int64(r), ChunkedSeries: series}).Marshal()
	require.NoError(t, err)
	out := binary.AppendUvarint(nil, uint64(len(data)))
	out = binary.BigEndian.AppendUint32(out, crc32.Checksum(data, castagnoli))
	return append(out, data...)
}

func decodeFrames(t *testing.T, frames ...[]byte) ([]usage.Sample, Dropped) {
	d := newDay(window, DefaultOptions())
	require.NoError(t, d.decode(bytes.NewReader(bytes.Join(frames, nil))))
	return d.samples(), d.dropped
}

// amounts are the values of one resource by minute of the window.
func amounts(samples []usage.Sample, r usage.Resource) map[int]int {
	values := map[int]int{}
	for _, s := range samples {
		if s.Resource == r {
			values[int(s.Time.Sub(begin).Minutes())] = int(s.Amount)
		}
	}
	return values
}

func TestCounterIncreasesBecomeAveragesOfMinutes(t *testing.T) {
	for name, tc := range map[string]struct {
		points  []point
		want    map[int]int
		dropped Dropped
	}{
		"half a core for two minutes":       {[]point{at(0, 100), at(30, 115), at(60, 130), at(90, 145), at(120, 160)}, map[int]int{0: 500, 1: 500}, Dropped{}},
		"scrapes off the minute are split":  {[]point{at(-30, 0), at(30, 60), at(90, 60)}, map[int]int{0: 500, 1: 0}, Dropped{}},
		"the lead gives the first a start":  {[]point{at(-60, 0), at(0, 6), at(60, 12)}, map[int]int{0: 100}, Dropped{}},
		"too little of a minute is nothing": {[]point{at(0, 0), at(15, 15)}, map[int]int{}, Dropped{}},
		"a restart is no usage":             {[]point{at(0, 900), at(60, 930), at(120, 1), at(180, 31)}, map[int]int{0: 500, 2: 500}, Dropped{droppedReset: 1}},
		"a gap is not bridged":              {[]point{at(0, 0), at(60, 30), at(420, 3000), at(480, 3030)}, map[int]int{0: 500, 7: 500}, Dropped{droppedGap: 1}},
		"an end of the series is an end":    {[]point{at(0, 0), at(60, 30), at(61, math.NaN()), at(120, 3000), at(180, 3030)}, map[int]int{0: 500, 2: 500}, Dropped{droppedNotANumber: 1}},
		"negative values are broken":        {[]point{at(0, 0), at(30, -5), at(60, 30)}, map[int]int{0: 500}, Dropped{droppedNegative: 1}},
		"a million cores are broken":        {[]point{at(0, 0), at(60, 6e7), at(120, 6e7+30)}, map[int]int{1: 500}, Dropped{droppedAbsurd: 1}},
		"beyond the window is not ours":     {[]point{at(540, 0), at(600, 30), at(660, 60)}, map[int]int{9: 500}, Dropped{}},
	} {
		t.Run(name, func(t *testing.T) {
			samples, dropped := decodeFrames(t, frame(t, usage.CPU, chunked(t, "shop", tc.points...)))
			require.Equal(t, tc.want, amounts(samples, usage.CPU))
			require.Equal(t, tc.dropped, dropped)
		})
	}
}

func TestMemoryIsTheLargestOfTheMinute(t *testing.T) {
	samples, _ := decodeFrames(t, frame(t, usage.Memory, chunked(t, "shop", at(-1, 9e9), at(0, 1e9), at(30, 3e9), at(59, 2e9), at(61, 1e9), at(601, 9e9))))
	require.Equal(t, map[int]int{0: 3e9, 1: 1e9}, amounts(samples, usage.Memory))
}

func TestTwoSeriesOfOneContainerAreOne(t *testing.T) {
	same := []point{at(0, 0), at(60, 30), at(120, 60)}
	higher := []point{at(0, 0), at(60, 36), at(120, 60)}
	twice := chunked(t, "shop", higher...)
	twice.Labels = append(twice.Labels, prompb.Label{Name: "job", Value: "legacy"})
	samples, _ := decodeFrames(t, frame(t, usage.CPU, chunked(t, "shop", same...), twice))
	require.Equal(t, map[int]int{0: 600, 1: 500}, amounts(samples, usage.CPU), "the larger counts, not the sum")
}

func TestASeriesMayComeInPieces(t *testing.T) {
	samples, _ := decodeFrames(t,
		frame(t, usage.CPU, chunked(t, "shop", at(0, 0), at(60, 30))),
		frame(t, usage.CPU, chunked(t, "shop", at(120, 60), at(180, 90))))
	require.Equal(t, map[int]int{0: 500, 1: 500, 2: 500}, amounts(samples, usage.CPU))
}

func TestASeriesThatDoesNotSayWhoseItIsIsDropped(t *testing.T) {
	samples, dropped := decodeFrames(t, frame(t, usage.CPU, chunked(t, "", at(0, 0), at(60, 30)), chunked(t, "shop", at(0, 0), at(60, 30))))
	require.Equal(t, map[int]int{0: 500}, amounts(samples, usage.CPU), "the others are used")
	require.Equal(t, Dropped{droppedLabels: 1}, dropped)
}

func TestABrokenStreamIsNoAnswer(t *testing.T) {
	good := frame(t, usage.CPU, chunked(t, "shop", at(0, 0), at(60, 30)))
	flipped := bytes.Clone(good)
	flipped[len(flipped)-1] ^= 1
	for name, tc := range map[string]struct {
		body []byte
		want string
	}{
		"cut off":                    {good[:len(good)-3], "unexpected EOF"},
		"cut in the checksum":        {good[:3], "unexpected EOF"},
		"a bit flipped":              {flipped, "checksum"},
		"an error text after it":     {append(bytes.Clone(good), "remote read: context canceled\n"...), "EOF"},
		"a page of HTML":             {[]byte("<html><body>502 Bad Gateway</body></html>"), "frame"},
		"an absurd length":           {binary.AppendUvarint(nil, 1<<40), "not a remote read stream"},
		"a query that was not asked": {frame(t, 7), "query 7"},
	} {
		t.Run(name, func(t *testing.T) {
			err := newDay(window, DefaultOptions()).decode(bytes.NewReader(tc.body))
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(frame(f, usage.CPU, chunked(f, "shop", at(0, 0), at(60, 30))))
	f.Add(frame(f, usage.Memory, chunked(f, "shop", at(0, 1e9), at(60, math.Inf(1)))))
	f.Add([]byte("<html>"))
	f.Fuzz(func(t *testing.T, body []byte) {
		d := newDay(window, DefaultOptions())
		_ = d.decode(bytes.NewReader(body))
		for _, s := range d.samples() {
			if s.Amount < 0 || s.Time.Before(window.From) || !s.Time.Before(window.To) {
				t.Fatalf("sample %+v is outside of the window %+v", s, window)
			}
		}
	})
}

// serve answers every request with what f writes, and returns a reader of that server.
func serve(t *testing.T, o Options, f http.HandlerFunc) *RemoteReader {
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	o.Address = server.URL
	client, err := o.Client()
	require.NoError(t, err)
	reader, err := NewRemoteReader(client, o)
	require.NoError(t, err)
	return reader
}

func TestEveryRequestIsRestrictedToTheEnvironment(t *testing.T) {
	for _, environment := range []string{"prod", `pr"od`, "pr{od}", `pr\od`, ".*", "prod|dev"} {
		t.Run(environment, func(t *testing.T) {
			o := DefaultOptions()
			o.EnvLabel, o.Environment = "env", environment
			var asked prompb.ReadRequest
			reader := serve(t, o, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				data, err := snappy.Decode(nil, body)
				if err != nil || asked.Unmarshal(data) != nil {
					http.Error(w, "not a read request", http.StatusBadRequest)
					return
				}
				w.Header().Set("Content-Type", streamed+"; proto=prometheus.ChunkedReadResponse")
			})
			_, _, err := reader.Read(context.Background(), window)
			require.NoError(t, err)
			require.Len(t, asked.Queries, 2)
			for _, q := range asked.Queries {
				require.Contains(t, q.Matchers, &prompb.LabelMatcher{Type: prompb.LabelMatcher_EQ, Name: "env", Value: environment}, "literally")
				require.Contains(t, q.Matchers, &prompb.LabelMatcher{Type: prompb.LabelMatcher_EQ, Name: "namespace", Value: "store"})
				require.Contains(t, q.Matchers, &prompb.LabelMatcher{Type: prompb.LabelMatcher_NEQ, Name: "container", Value: "POD"})
			}
		})
	}
}

func TestAPasswordInTheAddressIsNeverShown(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	o := DefaultOptions()
	o.Address = strings.Replace(server.URL, "http://", "http://reader:s3cret@", 1)
	client, err := o.Client()
	require.NoError(t, err)
	reader, err := NewRemoteReader(client, o)
	require.NoError(t, err)

	_, _, refused := reader.Read(context.Background(), window)
	server.Close()
	_, _, gone := reader.Read(context.Background(), window)
	for _, err := range []error{refused, gone} {
		require.ErrorContains(t, err, "reader:")
		require.NotContains(t, err.Error(), "s3cret")
	}
	for _, address := range []string{"reader:s3cret@prometheus", "ftp://reader:s3cret@prometheus", "http://reader:s3cret@prometheus:port"} {
		o.Address = address
		require.NotContains(t, o.Validate().Error(), "s3cret", address)
	}
}

func TestServersThatCannotAnswerAreNamed(t *testing.T) {
	for name, tc := range map[string]struct {
		handler http.HandlerFunc
		want    []string
	}{
		"no remote read": {http.NotFound, []string{"/api/v1/read answered 404", "must offer Prometheus' remote read API"}},
		"overloaded": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "too\n  many", http.StatusServiceUnavailable)
		}, []string{"503 Service Unavailable: too many"}},
		"samples only":   {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "application/x-protobuf") }, []string{"must stream chunks"}},
		"a page of HTML": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "text/html") }, []string{`"text/html"`, "must stream chunks"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := serve(t, DefaultOptions(), tc.handler).Read(context.Background(), window)
			for _, want := range tc.want {
				require.ErrorContains(t, err, want)
			}
		})
	}
}
