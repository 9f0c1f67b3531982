package server

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/history"
)

var stale = math.Float64frombits(value.StaleNaN)

func TestCounterIncreasesBecomeAveragesOfMinutes(t *testing.T) {
	for name, tc := range map[string]struct {
		points  []point
		want    map[int]int32
		dropped history.Dropped
	}{
		"half a core for two minutes":       {[]point{at(0, 100), at(30, 115), at(60, 130), at(90, 145), at(120, 160)}, map[int]int32{0: 500, 1: 500}, history.Dropped{}},
		"scrapes off the minute are split":  {[]point{at(-15, 0), at(15, 30), at(45, 30), at(75, 60)}, map[int]int32{0: 500}, history.Dropped{}},
		"those of a minute are not":         {[]point{at(-20, 0), at(40, 60), at(100, 60)}, map[int]int32{0: 1000, 1: 0}, history.Dropped{}},
		"the lead gives the first a start":  {[]point{at(-60, 0), at(0, 6), at(60, 12)}, map[int]int32{0: 100}, history.Dropped{}},
		"too little of a minute is nothing": {[]point{at(0, 0), at(15, 15)}, map[int]int32{}, history.Dropped{}},
		"a restart is no usage":             {[]point{at(0, 900), at(60, 930), at(120, 1), at(180, 31)}, map[int]int32{0: 500, 2: 500}, history.Dropped{counterReset: 1}},
		"a gap is not bridged":              {[]point{at(0, 0), at(60, 30), at(420, 3000), at(480, 3030)}, map[int]int32{0: 500, 7: 500}, history.Dropped{gap: 1}},
		"five minutes are no gap":           {[]point{at(0, 0), at(300, 150)}, map[int]int32{0: 500, 1: 500, 2: 500, 3: 500, 4: 500}, history.Dropped{}},
		"an end of the series is an end":    {[]point{at(0, 0), at(60, 30), at(61, stale), at(120, 3000), at(180, 3030)}, map[int]int32{0: 500, 2: 500}, history.Dropped{}},
		"what is no number is left out":     {[]point{at(0, 0), at(30, math.NaN()), at(40, math.Inf(1)), at(50, math.Inf(-1)), at(60, 30)}, map[int]int32{0: 500}, history.Dropped{notANumber: 3}},
		"negative values are broken":        {[]point{at(0, 0), at(30, -5), at(60, 30)}, map[int]int32{0: 500}, history.Dropped{negative: 1}},
		"a million cores are broken":        {[]point{at(0, 0), at(60, 6e7), at(120, 6e7+30)}, map[int]int32{1: 500}, history.Dropped{absurd: 1}},
		"beyond the interval is not ours":   {[]point{at(540, 0), at(600, 30), at(660, 60)}, map[int]int32{9: 500}, history.Dropped{}},
		"a day early is not ours, either":   {[]point{at(-86400, 5), at(-301, 7), at(0, 0), at(60, 30)}, map[int]int32{0: 500}, history.Dropped{}},
		"nanocores are rounded up":          {[]point{at(0, 0), at(60, 0.00001)}, map[int]int32{0: 1}, history.Dropped{}},
	} {
		t.Run(name, func(t *testing.T) {
			got := mustStream(t, tenMinutes, frame(t, usage.CPU, chunked(t, "shop", tc.points...)))
			require.Equal(t, tc.want, got.cpu(t))
			require.Equal(t, tc.dropped, got.report.Dropped)
			require.Empty(t, got.memory(t))
		})
	}
}

func TestMemoryIsTheLargestOfTheMinute(t *testing.T) {
	got := mustStream(t, tenMinutes, frame(t, usage.Memory, chunked(t, "shop", at(-1, 9e9), at(0, 1e9), at(30, 3e9), at(59, 2e9), at(61, 1e9), at(601, 9e9))))
	require.Equal(t, map[int]usage.Amount{0: 3e9, 1: 1e9}, got.memory(t))
	require.Empty(t, got.cpu(t))
	require.Len(t, got.all[0].CPU, 10, "all minutes are there, unknown")
}

func TestTwoSeriesOfOneContainerAreOne(t *testing.T) {
	same := []point{at(0, 0), at(60, 30), at(120, 60)}
	higher := []point{at(0, 0), at(60, 36), at(120, 60)}
	twice := func(points ...point) *prompb.ChunkedSeries {
		s := chunked(t, "shop", points...)
		s.Labels = append(s.Labels, prompb.Label{Name: "replica", Value: "b"})
		return s
	}
	got := mustStream(t, tenMinutes,
		frame(t, usage.CPU, chunked(t, "shop", same...), twice(higher...)),
		frame(t, usage.Memory, chunked(t, "shop", at(0, 5), at(60, 7), at(180, 3)), twice(at(0, 6), at(120, 9), at(181, 1))))
	require.Equal(t, map[int]int32{0: 600, 1: 500}, got.cpu(t), "the larger counts, not the sum")
	require.Equal(t, map[int]usage.Amount{0: 6, 1: 7, 2: 9, 3: 3}, got.memory(t))
	require.Equal(t, history.Dropped{duplicate: 2}, got.report.Dropped)
	require.Equal(t, 4, got.report.Series)
}

func TestARestartedContainersNextSeriesIsNoDuplicate(t *testing.T) {
	next := chunked(t, "shop", at(120, 1), at(180, 31))
	next.Labels = append(next.Labels, prompb.Label{Name: "zid", Value: "2"})
	got := mustStream(t, tenMinutes, frame(t, usage.CPU, chunked(t, "shop", at(0, 500), at(60, 530)), next))
	require.Equal(t, map[int]int32{0: 500, 2: 500}, got.cpu(t))
	require.Empty(t, got.report.Dropped)
}

func TestASeriesMayComeInPieces(t *testing.T) {
	got := mustStream(t, tenMinutes,
		frame(t, usage.CPU, chunked(t, "shop", at(0, 0), at(60, 30))),
		frame(t, usage.CPU, chunked(t, "shop", at(120, 60), at(180, 90))))
	require.Equal(t, map[int]int32{0: 500, 1: 500, 2: 500}, got.cpu(t))
	require.Equal(t, 1, got.report.Series)
	require.Equal(t, 4, got.report.Samples)
}

func TestTheOtherResourceBeginsAnewUnderTheSameLabels(t *testing.T) {
	got := mustStream(t, tenMinutes,
		frame(t, usage.CPU, chunked(t, "shop", at(0, 0), at(60, 30))),
		frame(t, usage.Memory, chunked(t, "shop", at(0, 7), at(60, 5))))
	require.Equal(t, map[int]int32{0: 500}, got.cpu(t))
	require.Equal(t, map[int]usage.Amount{0: 7, 1: 5}, got.memory(t))
}

func TestOverlappingChunksCountOnce(t *testing.T) {
	s := chunked(t, "shop", at(0, 0), at(60, 30), at(120, 60))
	s.Chunks = append(s.Chunks, xor(t, at(60, 30), at(120, 60), at(180, 90)))
	got := mustStream(t, tenMinutes, frame(t, usage.CPU, s))
	require.Equal(t, map[int]int32{0: 500, 1: 500, 2: 500}, got.cpu(t))
	require.Equal(t, history.Dropped{outOfOrder: 2}, got.report.Dropped)
}

func TestASeriesThatDoesNotSayWhoseItIsIsDropped(t *testing.T) {
	got := mustStream(t, tenMinutes, frame(t, usage.CPU, chunked(t, "", at(0, 0), at(60, 30)), chunked(t, "shop", at(0, 0), at(60, 30))))
	require.Equal(t, map[int]int32{0: 500}, got.cpu(t), "the others are used")
	require.Equal(t, history.Dropped{missingLabel: 1}, got.report.Dropped)
}

func TestHistogramsAreDropped(t *testing.T) {
	s := chunked(t, "shop", at(0, 0), at(60, 30))
	s.Chunks = append(s.Chunks, prompb.Chunk{Type: prompb.Chunk_HISTOGRAM, Data: []byte{0, 9, 0, 1, 2}}, xor(t, at(120, 60)))
	got := mustStream(t, tenMinutes, frame(t, usage.CPU, s))
	require.Equal(t, map[int]int32{0: 500, 1: 500}, got.cpu(t))
	require.Equal(t, history.Dropped{histogram: 9}, got.report.Dropped)
}

func TestNewerChunksOfFloatsAreRead(t *testing.T) {
	c := chunkenc.NewXOR2Chunk()
	app, err := c.Appender()
	require.NoError(t, err)
	for _, p := range []point{at(0, 0), at(60, 30), at(120, 60)} {
		app.Append(0, p.t, p.v)
	}
	s := chunked(t, "shop")
	s.Chunks = []prompb.Chunk{{Type: prompb.Chunk_XOR2, Data: c.Bytes()}}
	require.Equal(t, map[int]int32{0: 500, 1: 500}, ptr(mustStream(t, tenMinutes, frame(t, usage.CPU, s))).cpu(t))
}

func ptr[T any](v T) *T { return &v }

func TestChunksOfAnUnknownEncodingLeaveOnlyQueryRange(t *testing.T) {
	s := chunked(t, "shop")
	s.Chunks = []prompb.Chunk{{Type: 77, Data: []byte{0, 1, 2, 3}}}
	_, err := stream(tenMinutes, frame(t, usage.CPU, s))
	require.ErrorIs(t, err, errNoRemoteRead)
	require.ErrorContains(t, err, "encoding 77")
}

func TestOnlyWantedPodsAreRead(t *testing.T) {
	other := chunked(t, "shop", at(0, 0), at(60, 30))
	other.Labels = labelled("container", "shop", "namespace", "store", "pod", "shop-rc-1")
	other.Chunks = append(other.Chunks, prompb.Chunk{Type: prompb.Chunk_XOR, Data: []byte{0, 3, 0xff}}) // not even looked at
	q, asked := tenMinutes, []string{}
	q.Wanted = func(namespace, pod string) bool {
		asked = append(asked, namespace+"/"+pod)
		return pod == shop
	}
	got := mustStream(t, q, frame(t, usage.CPU, other, chunked(t, "shop", at(0, 0), at(60, 60)), chunked(t, "sidecar", at(0, 0), at(60, 6))))
	require.Equal(t, []string{"store/shop-rc-1", "store/" + shop, "store/" + shop}, asked)
	require.Len(t, got.all, 2)
	require.Equal(t, []usage.Container{{Namespace: "store", Pod: shop, Name: "shop"}, {Namespace: "store", Pod: shop, Name: "sidecar"}},
		[]usage.Container{got.all[0].Container, got.all[1].Container})
}

func TestContainersComeSorted(t *testing.T) {
	var all []*prompb.ChunkedSeries
	for _, id := range [][3]string{{"b", "a", "a"}, {"a", "b", "b"}, {"a", "b", "a"}, {"a", "a", "c"}} {
		s := chunked(t, "x", at(0, 0), at(60, 6))
		s.Labels = labelled("container", id[2], "namespace", id[0], "pod", id[1])
		all = append(all, s)
	}
	var got []string
	for _, u := range mustStream(t, tenMinutes, frame(t, usage.CPU, all...)).all {
		got = append(got, u.Container.Namespace+u.Container.Pod+u.Container.Name)
	}
	require.Equal(t, []string{"aac", "aba", "abb", "baa"}, got)
}

func TestWhatOneQueryLeavesTheNextDoesNotSee(t *testing.T) {
	day := lasting(24 * time.Hour)
	mustStream(t, day, frame(t, usage.CPU, chunked(t, "shop", at(0, 0), at(60, 30))), frame(t, usage.Memory, chunked(t, "shop", at(0, 9e9))))
	_, err := stream(day, frame(t, usage.CPU, chunked(t, "shop", at(0, 0), at(60, 30))), []byte{1})
	require.Error(t, err)
	require.Empty(t, mustStream(t, tenMinutes).all)
	got := mustStream(t, tenMinutes, frame(t, usage.CPU, chunked(t, "shop", at(120, 0), at(180, 30))))
	require.Equal(t, map[int]int32{2: 500}, got.cpu(t))
	require.Empty(t, got.memory(t))
	require.Len(t, got.all[0].CPU, 10)
}

func TestAnAnswerThatIsTooLargeIsAskedForInParts(t *testing.T) {
	o := DefaultOptions()
	o.MaxSeries, o.MaxSamples = 1, 5
	read := func(series ...*prompb.ChunkedSeries) error {
		s := newShard(tenMinutes, &o)
		defer s.free()
		return s.stream(bytes.NewReader(frame(t, usage.CPU, series...)), o.Labels)
	}
	one := func(name string) *prompb.ChunkedSeries { return chunked(t, name, at(0, 0)) }
	require.NoError(t, read(one("a"), one("b"), one("c"), one("d")))
	err := read(one("a"), one("b"), one("c"), one("d"), one("e"))
	require.ErrorIs(t, err, history.ErrTooLarge)
	require.ErrorContains(t, err, "more than 4 series")
	require.NoError(t, read(chunked(t, "a", at(0, 0), at(1, 1), at(2, 2), at(3, 3), at(4, 4))))
	err = read(chunked(t, "a", at(0, 0), at(1, 1), at(2, 2)), chunked(t, "b", at(0, 0), at(1, 1), at(2, 2)))
	require.ErrorIs(t, err, history.ErrTooLarge)
	require.ErrorContains(t, err, "--prometheus-max-samples=5")
}

func TestABrokenStreamIsNoAnswer(t *testing.T) {
	good := frame(t, usage.CPU, chunked(t, "shop", at(0, 0), at(60, 30)))
	flipped := bytes.Clone(good)
	flipped[len(flipped)-1] ^= 1
	cut := chunked(t, "shop", at(0, 0), at(60, 30))
	cut.Chunks[0].Data = cut.Chunks[0].Data[:len(cut.Chunks[0].Data)-2]
	short := chunked(t, "shop")
	short.Chunks[0].Data = []byte{1}
	for name, tc := range map[string]struct {
		body []byte
		want string
	}{
		"cut off":                    {good[:len(good)-3], "unexpected EOF"},
		"cut in the checksum":        {good[:3], "unexpected EOF"},
		"cut before the checksum":    {[]byte{5}, "a frame's checksum: unexpected EOF"},
		"cut before the data":        {[]byte{5, 0, 0, 0, 0}, "a frame's data: unexpected EOF"},
		"a bit flipped":              {flipped, "checksum"},
		"an error text after it":     {append(bytes.Clone(good), "remote read: context canceled\n"...), "EOF"},
		"a page of HTML":             {[]byte("<html><body>502 Bad Gateway</body></html>"), "frame"},
		"an absurd length":           {binary.AppendUvarint(nil, 1<<40), "not a remote read stream"},
		"a length over 64 bits":      {bytes.Repeat([]byte{0xff}, 11), "a frame's length"},
		"a query that was not asked": {frame(t, 7), "query 7"},
		"a negative query":           {framed((&fieldsOf{}).varint(tagQuery, math.MaxUint64)), "query -1"},
		"a chunk that is cut":        {frame(t, usage.CPU, cut), "a chunk: EOF"},
		"a chunk without a header":   {frame(t, usage.CPU, short), errChunk.Error()},
		"no protocol buffers":        {framed([]byte("{}")), "a message"},
		"a series of no fields":      {framed((&fieldsOf{}).bytes(tagSeries, []byte{0xff})), "a series"},
		"a label of no fields":       {framed((&fieldsOf{}).bytes(tagSeries, (&fieldsOf{}).bytes(tagLabel, []byte{0xff}))), "the labels of a series"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := stream(tenMinutes, good, tc.body)
			require.ErrorContains(t, err, tc.want)
			require.NotErrorIs(t, err, history.ErrTooLarge)
			require.Empty(t, got.all)
		})
	}
}

// fieldsOf writes messages that the generated code would not.
type fieldsOf struct{ data []byte }

func (f *fieldsOf) varint(tag, v uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(f.data, tag), v)
}

func (f *fieldsOf) bytes(tag uint64, v []byte) []byte {
	return append(f.varint(tag, uint64(len(v))), v...)
}
