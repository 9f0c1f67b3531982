package server

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/history"
)

// What the readers' tests share: a query of a few minutes, and answers as Prometheus sends them. A real Prometheus is
// read in the end-to-end tests.

var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const shop = "shop-7d9f8b6c5-x2x4z"

// lasting is a query for so long, of all pods of the namespace store.
func lasting(d time.Duration) history.Query {
	return history.Query{
		Interval:   history.Interval{From: begin, To: begin.Add(d)},
		Namespaces: []string{"store"}, PeakSpan: time.Hour,
		Wanted: func(string, string) bool { return true },
	}
}

var tenMinutes = lasting(10 * time.Minute)

// at is a value so many seconds after the interval's beginning.
func at(seconds float64, v float64) point {
	return point{begin.UnixMilli() + int64(seconds*1000), v}
}

func xor(t testing.TB, points ...point) prompb.Chunk {
	c := chunkenc.NewXORChunk()
	app, err := c.Appender()
	require.NoError(t, err)
	for _, p := range points {
		app.Append(0, p.t, p.v)
	}
	return prompb.Chunk{Type: prompb.Chunk_XOR, Data: c.Bytes()}
}

func labelled(pairs ...string) []prompb.Label {
	var all []prompb.Label
	for pair := range slices.Chunk(pairs, 2) {
		if pair[1] != "" {
			all = append(all, prompb.Label{Name: pair[0], Value: pair[1]})
		}
	}
	return all
}

// chunked is a series of a container of the pod shop.
func chunked(t testing.TB, container string, points ...point) *prompb.ChunkedSeries {
	return &prompb.ChunkedSeries{
		Labels: labelled("container", container, "namespace", "store", "pod", shop),
		Chunks: []prompb.Chunk{xor(t, points...)},
	}
}

func frame(t testing.TB, r usage.Resource, series ...*prompb.ChunkedSeries) []byte {
	data, err := (&prompb.ChunkedReadResponse{QueryIndex: int64(r), ChunkedSeries: series}).Marshal()
	require.NoError(t, err)
	return framed(data)
}

func framed(data []byte) []byte {
	out := binary.AppendUvarint(nil, uint64(len(data)))
	out = binary.BigEndian.AppendUint32(out, crc32.Checksum(data, castagnoli))
	return append(out, data...)
}

// taken is all that a query handed over, copied.
type taken struct {
	all    []history.Usage
	report history.Report
}

func (k *taken) each(u history.Usage) {
	u.CPU, u.Memory = slices.Clone(u.CPU), slices.Clone(u.Memory)
	k.all = append(k.all, u)
}

// stream reads frames as the answer to q.
func stream(q history.Query, frames ...[]byte) (taken, error) {
	o := DefaultOptions()
	s := newShard(q, &o)
	defer s.free()
	var k taken
	if err := s.stream(bytes.NewReader(bytes.Join(frames, nil)), o.Labels); err != nil {
		return k, err
	}
	s.hand(k.each)
	k.report = s.report(time.Minute)
	return k, nil
}

func mustStream(t testing.TB, q history.Query, frames ...[]byte) taken {
	k, err := stream(q, frames...)
	require.NoError(t, err)
	return k
}

// cpu is what is known of the only container, by minute.
func (k *taken) cpu(t testing.TB) map[int]int32 {
	known := map[int]int32{}
	require.LessOrEqual(t, len(k.all), 1)
	for _, u := range k.all {
		for i, v := range u.CPU {
			if v != history.Unknown {
				known[i] = v
			}
		}
	}
	return known
}

func (k *taken) memory(t testing.TB) map[int]usage.Amount {
	known := map[int]usage.Amount{}
	require.LessOrEqual(t, len(k.all), 1)
	for _, u := range k.all {
		for _, p := range u.Memory {
			known[int(p.Minute.Sub(begin).Minutes())] = p.Bytes
		}
	}
	return known
}

func isTooLarge(err error) bool { return errors.Is(err, history.ErrTooLarge) }
