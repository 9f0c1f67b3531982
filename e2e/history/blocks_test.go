package history

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"
	"github.com/stretchr/testify/require"
)

type point struct {
	ms int64
	v  float64
}

// readBlocks reads what is on disk with Prometheus' own readers: points by series, over all blocks in order.
func readBlocks(t *testing.T, dir string) (map[string][]point, []blockMeta) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*", "meta.json"))
	require.NoError(t, err)
	out := map[string][]point{}
	var metas []blockMeta
	for _, path := range found { // ULIDs sort by time
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		var m blockMeta
		require.NoError(t, json.Unmarshal(text, &m))
		require.Equal(t, m.ULID, filepath.Base(filepath.Dir(path)))
		require.Equal(t, m.Stats, readBlock(t, filepath.Dir(path), m, out))
		metas = append(metas, m)
	}
	return out, metas
}

func readBlock(t *testing.T, dir string, m blockMeta, out map[string][]point) (st blockStats) {
	t.Helper()
	ir, err := index.NewFileReader(filepath.Join(dir, "index"), index.DecodePostingsRaw)
	require.NoError(t, err)
	defer ir.Close()
	cr, err := chunks.NewDirReader(filepath.Join(dir, "chunks"), nil)
	require.NoError(t, err)
	defer cr.Close()

	name, value := index.AllPostingsKey()
	all, err := ir.Postings(t.Context(), name, value)
	require.NoError(t, err)
	var b labels.ScratchBuilder
	var metas []chunks.Meta
	for all.Next() {
		require.NoError(t, ir.Series(all.At(), &b, &metas))
		key := b.Labels().String()
		st.NumSeries++
		for _, meta := range metas {
			require.GreaterOrEqual(t, meta.MinTime, m.MinTime)
			require.Less(t, meta.MaxTime, m.MaxTime)
			c, _, err := cr.ChunkOrIterable(meta)
			require.NoError(t, err)
			points := readChunk(t, c)
			require.Equal(t, meta.MinTime, points[0].ms)
			require.Equal(t, meta.MaxTime, points[len(points)-1].ms)
			out[key] = append(out[key], points...)
			st.NumChunks++
			st.NumSamples += uint64(len(points))
		}
	}
	require.NoError(t, all.Err())
	return st
}

func readChunk(t *testing.T, c chunkenc.Chunk) []point {
	t.Helper()
	var out []point
	it := c.Iterator(nil)
	for it.Next() != chunkenc.ValNone {
		ms, v := it.At()
		out = append(out, point{ms, v})
	}
	require.NoError(t, it.Err())
	return out
}
