package history

import (
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

// samplesPerChunk is Prometheus' own target.
const samplesPerChunk = 120

// series is one series of one block. Samples must come in order of time.
type series struct {
	labels  labels.Labels
	chunks  []chunks.Meta
	app     chunkenc.Appender // of the last chunk
	samples uint64
}

// add appends a value at ms, milliseconds since 1970.
func (s *series) add(ms int64, v float64) error {
	if s.samples%samplesPerChunk == 0 {
		s.compact()
		c := chunkenc.NewXORChunk()
		app, err := c.Appender()
		if err != nil {
			return err
		}
		s.app = app
		s.chunks = append(s.chunks, chunks.Meta{Chunk: c, MinTime: ms})
	}
	s.app.Append(0, ms, v)
	s.chunks[len(s.chunks)-1].MaxTime = ms
	s.samples++
	return nil
}

// compact gives back the spare room of the last chunk: a day of many chunks waits in memory.
func (s *series) compact() {
	if n := len(s.chunks); n > 0 {
		s.chunks[n-1].Chunk.Compact()
	}
}
