package history

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"
	"github.com/prometheus/prometheus/tsdb/tombstones"
)

// block is one TSDB block in the making. It uses Prometheus' writers for the parts of a block and not the
// package tsdb: that one's BlockWriter takes several times the work and memory, because samples pass through
// a head block, and its imports are 400 packages of cloud clients.
type block struct {
	id       ulid.ULID
	from, to int64 // milliseconds since 1970; to is exclusive
	all      []*series
	byLabels map[string]*series
}

// newBlock begins a block for the samples in [from, to). Its id is a function of these, so that the same
// recording gives the same files.
func newBlock(from, to int64) (*block, error) {
	b := &block{from: from, to: to, byLabels: map[string]*series{}}
	if err := b.id.SetTime(uint64(to)); err != nil {
		return nil, fmt.Errorf("block ending at %d ms: %w: End must be after 1970", to, err)
	}
	binary.BigEndian.PutUint64(b.id[8:], mix(uint64(from), uint64(to)))
	return b, nil
}

// series returns the block's series with these labels, a new one if there is none.
func (b *block) series(l labels.Labels) *series {
	key := string(l.Bytes(nil))
	s := b.byLabels[key]
	if s == nil {
		s = &series{labels: l}
		b.byLabels[key] = s
		b.all = append(b.all, s)
	}
	return s
}

// tmpSuffix is the one that Prometheus itself uses, and removes when it starts.
const tmpSuffix = ".tmp-for-creation"

// write puts the block under dir, where it appears at once when it is complete. A block without samples is
// not written: Prometheus would only delete it.
func (b *block) write(ctx context.Context, dir string) error {
	if len(b.all) == 0 {
		return nil
	}
	final := filepath.Join(dir, b.id.String())
	tmp := final + tmpSuffix
	slices.SortFunc(b.all, func(x, y *series) int { return labels.Compare(x.labels, y.labels) })
	err := b.writeChunks(filepath.Join(tmp, "chunks"))
	if err == nil {
		err = b.writeIndex(ctx, filepath.Join(tmp, "index"))
	}
	if err == nil {
		_, err = tombstones.WriteFile(slog.New(slog.DiscardHandler), tmp, tombstones.NewMemTombstones())
	}
	if err == nil {
		err = b.writeMeta(filepath.Join(tmp, "meta.json"))
	}
	if err == nil {
		err = os.Rename(tmp, final)
	}
	if err != nil {
		return fmt.Errorf("write block %s: %w", final, errors.Join(err, os.RemoveAll(tmp)))
	}
	return nil
}

// writeChunks writes the chunks in the order of the index, which wants their references to increase.
func (b *block) writeChunks(dir string) error {
	w, err := chunks.NewWriter(dir)
	if err != nil {
		return err
	}
	for _, s := range b.all {
		if err := w.WriteChunks(s.chunks...); err != nil {
			return errors.Join(err, w.Close())
		}
		for i := range s.chunks {
			s.chunks[i].Chunk = nil // the index needs only the reference that WriteChunks has set
		}
	}
	return w.Close()
}

// writeIndex writes the symbols, sorted, and then the series, sorted: the format wants it so.
func (b *block) writeIndex(ctx context.Context, path string) error {
	w, err := index.NewWriter(ctx, path)
	if err != nil {
		return err
	}
	symbols := map[string]struct{}{}
	for _, s := range b.all {
		s.labels.Range(func(l labels.Label) { symbols[l.Name], symbols[l.Value] = struct{}{}, struct{}{} })
	}
	for _, symbol := range slices.Sorted(maps.Keys(symbols)) {
		if err := w.AddSymbol(symbol); err != nil {
			return errors.Join(err, w.Close())
		}
	}
	for i, s := range b.all {
		if err := w.AddSeries(storage.SeriesRef(i), s.labels, s.chunks...); err != nil {
			return errors.Join(err, w.Close())
		}
	}
	return w.Close()
}

// blockMeta is a block's meta.json, as far as it is needed. Times are milliseconds since 1970.
type blockMeta struct {
	ULID       string      `json:"ulid"`
	MinTime    int64       `json:"minTime"`
	MaxTime    int64       `json:"maxTime"` // exclusive
	Stats      blockStats  `json:"stats"`
	Compaction compactions `json:"compaction"`
	Version    int         `json:"version"`
}

type blockStats struct {
	NumSamples uint64 `json:"numSamples"`
	NumSeries  uint64 `json:"numSeries"`
	NumChunks  uint64 `json:"numChunks"`
}

type compactions struct {
	Level   int      `json:"level"`
	Sources []string `json:"sources"`
}

// compactedLevel is what a day's block has been through: 2 h of head, then 6 h, then longer.
const compactedLevel = 3

func (b *block) writeMeta(path string) error {
	text, err := json.MarshalIndent(blockMeta{
		ULID: b.id.String(), MinTime: b.from, MaxTime: b.to, Stats: b.stats(), Version: 1,
		Compaction: compactions{Level: compactedLevel, Sources: []string{b.id.String()}},
	}, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

func (b *block) stats() blockStats {
	st := blockStats{NumSeries: uint64(len(b.all))}
	for _, s := range b.all {
		st.NumChunks += uint64(len(s.chunks))
		st.NumSamples += s.samples
	}
	return st
}
