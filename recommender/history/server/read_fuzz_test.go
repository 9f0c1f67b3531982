package server

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/prometheus/prometheus/prompb"
	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/history"
)

// within fails unless what was handed over is inside the interval, in order, and possible.
func within(t *testing.T, q history.Query, k taken, err error) {
	if err != nil && len(k.all) > 0 {
		t.Fatalf("handed over in spite of %v", err)
	}
	for _, u := range k.all {
		if len(u.CPU) != int(q.To.Sub(q.From)/time.Minute) {
			t.Fatalf("%d minutes of %v", len(u.CPU), q.Interval)
		}
		for _, v := range u.CPU {
			if v < history.Unknown || v > maxCores*1000 {
				t.Fatalf("%d millicores", v)
			}
		}
		last := q.From.Add(-1)
		for _, p := range u.Memory {
			if !p.Minute.After(last) || !p.Minute.Before(q.To) || p.Bytes < 0 || p.Bytes > maxBytes {
				t.Fatalf("%v after %v in %v", p, last, q.Interval)
			}
			last = p.Minute
		}
	}
}

// FuzzFrames reads anything as the stream of a remote read.
func FuzzFrames(f *testing.F) {
	f.Add(frame(f, usage.CPU, chunked(f, "shop", at(0, 0), at(60, 30))))
	f.Add(frame(f, usage.Memory, chunked(f, "shop", at(0, 1e9), at(60, math.Inf(1)))))
	f.Add([]byte("<html>"))
	f.Fuzz(func(t *testing.T, body []byte) {
		k, err := stream(tenMinutes, body)
		within(t, tenMinutes, k, err)
	})
}

// FuzzMessage reads anything that has a right checksum. What the generated code reads, ours reads, too.
func FuzzMessage(f *testing.F) {
	add := func(series ...*prompb.ChunkedSeries) {
		for _, r := range usage.Resources {
			data, err := (&prompb.ChunkedReadResponse{QueryIndex: int64(r), ChunkedSeries: series}).Marshal()
			require.NoError(f, err)
			f.Add(data)
		}
	}
	add(chunked(f, "shop", at(0, 0), at(60, 30), at(120, math.NaN()), at(130, stale)), chunked(f, "", at(0, 1)))
	xor2, unknown := chunked(f, "shop"), chunked(f, "shop", at(0, 0))
	xor2.Chunks = []prompb.Chunk{{Type: prompb.Chunk_XOR2, Data: []byte{0, 2, 0x80, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}}}
	unknown.Chunks[0].Type = 9
	add(xor2, unknown)
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := stream(tenMinutes, framed(data))
		within(t, tenMinutes, k, err)
		var message prompb.ChunkedReadResponse
		if err == nil && message.Unmarshal(data) == nil {
			require.LessOrEqual(t, k.report.Series, len(message.ChunkedSeries))
		}
	})
}

// FuzzMatrix reads anything as the answer to a range query.
func FuzzMatrix(f *testing.F) {
	f.Add([]byte(success(oneSeries(at(300, 1), at(600, 2)))), uint8(5))
	f.Add([]byte(`{"status":"success","data":{"result":[{"values":[[1772366700,"NaN"]],"metric":`+shopMetric+`}],"resultType":"matrix"},"isPartial":false,"warnings":[]}`), uint8(1))
	f.Add([]byte(`{"status":"error","errorType":"execution","error":"x"}`), uint8(60))
	f.Fuzz(func(t *testing.T, body []byte, step uint8) {
		o := DefaultOptions()
		o.MaxSeries, o.MaxSamples = 2, 100
		var k taken
		s := newShard(tenMinutes, &o)
		defer s.free()
		var err error
		for _, r := range usage.Resources {
			if err == nil {
				err = s.matrix(bytes.NewReader(body), r, time.Duration(max(step%61, 1))*time.Minute, o.Labels)
			}
		}
		if err == nil {
			s.hand(k.each)
		}
		within(t, tenMinutes, k, err)
	})
}
