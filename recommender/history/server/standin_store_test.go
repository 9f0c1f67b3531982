package server

import (
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"
)

// Querier implements storage.Queryable for PromQL's engine.
func (p *standIn) Querier(from, to int64) (storage.Querier, error) {
	return &storage.MockQuerier{SelectMockFunction: func(_ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
		return &set{found: p.matching(matchers, from, to)}
	}}, nil
}

type set struct{ found []stored }

func (s *set) Next() bool {
	if len(s.found) > 0 && s.found[0].points == nil {
		s.found = s.found[1:]
	}
	return len(s.found) > 0
}

func (s *set) At() storage.Series {
	one := s.found[0]
	s.found[0].points = nil
	return &storage.SeriesEntry{Lset: one.labels, SampleIteratorFn: func(it chunkenc.Iterator) chunkenc.Iterator {
		return encoded(one.points).Iterator(it)
	}}
}

func (*set) Err() error                        { return nil }
func (*set) Warnings() annotations.Annotations { return nil }

func encoded(points []point) *chunkenc.XORChunk {
	chunk := chunkenc.NewXORChunk()
	appender, err := chunk.Appender()
	if err != nil {
		panic(err)
	}
	for _, p := range points {
		appender.Append(0, p.t, p.v)
	}
	return chunk
}

func chunkOf(points []point) prompb.Chunk {
	return prompb.Chunk{MinTimeMs: points[0].t, MaxTimeMs: points[len(points)-1].t, Type: prompb.Chunk_XOR, Data: encoded(points).Bytes()}
}
