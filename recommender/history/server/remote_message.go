package server

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// Tags of the fields that are read: number<<3 | type, which is 2 for what has a length and 0 for a number.
//
//	ChunkedReadResponse { 1: ChunkedSeries series (repeated), 2: int64 query }
//	ChunkedSeries       { 1: Label labels (repeated), 2: Chunk chunks (repeated) }
//	Label               { 1: string name, 2: string value }
//	Chunk               { 1: int64 from, 2: int64 to, 3: Encoding type, 4: bytes data }
//
// They are read where they lie. The generated code of prompb would copy all of them: two gigabytes for the history of
// ten thousand containers.
const (
	tagSeries = 1<<3 | 2
	tagQuery  = 2 << 3
	tagLabel  = 1<<3 | 2
	tagChunk  = 2<<3 | 2
	tagName   = 1<<3 | 2
	tagValue  = 2<<3 | 2
	tagType   = 3 << 3
	tagData   = 4<<3 | 2
)

// field is one field of a message: bytes if it has a length, number if it is one.
type field struct {
	tag    uint64
	bytes  []byte
	number uint64
}

// eachField calls f for every field of a message.
func eachField(message []byte, f func(field) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		one := field{tag: protowire.EncodeTag(number, kind)}
		switch kind {
		case protowire.BytesType:
			one.bytes, n = protowire.ConsumeBytes(message)
		case protowire.VarintType:
			one.number, n = protowire.ConsumeVarint(message)
		default:
			n = protowire.ConsumeFieldValue(number, kind, message)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		if err := f(one); err != nil {
			return err
		}
	}
	return nil
}

// remote is what of a stream lasts from one message to the next, and its buffers.
type remote struct {
	names Labels
	// resource and key tell the open series from others: key holds its labels. other is a buffer for the next key.
	resource   usage.Resource
	key, other []byte
	opened     bool

	chunks   chunkenc.Pool
	iterator chunkenc.Iterator
}

func (r *remote) reset(names Labels) {
	r.names, r.opened = names, false
	if r.chunks == nil {
		r.chunks = chunkenc.NewPool()
	}
}

// message reads one ChunkedReadResponse.
func (s *shard) message(data []byte) error {
	var query uint64
	err := eachField(data, func(f field) error {
		if f.tag == tagQuery {
			query = f.number
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("a message: %w", err)
	}
	if query >= uint64(len(usage.Resources)) {
		return fmt.Errorf("an answer to query %d, which was not asked", int64(query))
	}
	return eachField(data, func(f field) error {
		if f.tag == tagSeries {
			return s.piece(usage.Resources[query], f.bytes)
		}
		return nil
	})
}

// piece reads one ChunkedSeries. A long series comes in several of them, one after the other.
func (s *shard) piece(resource usage.Resource, data []byte) error {
	r := &s.remote
	r.other = r.other[:0]
	err := eachField(data, func(f field) error {
		if f.tag == tagLabel {
			r.other = append(binary.AppendUvarint(r.other, uint64(len(f.bytes))), f.bytes...)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("a series: %w", err)
	}
	if !r.opened || resource != r.resource || !bytes.Equal(r.key, r.other) {
		s.end()
		r.opened, r.resource, r.key, r.other = true, resource, r.other, r.key
		sink, err := s.labelled(data)
		if err != nil {
			return err
		}
		s.begin(resource, sink)
	}
	return eachField(data, func(f field) error {
		if f.tag == tagChunk {
			return s.chunk(f.bytes)
		}
		return nil
	})
}

// labelled returns where the values of a series go, by its labels.
func (s *shard) labelled(data []byte) (*container, error) {
	var namespace, pod, name []byte
	err := eachField(data, func(f field) error {
		if f.tag != tagLabel {
			return nil
		}
		var label, value []byte
		err := eachField(f.bytes, func(f field) error {
			switch f.tag {
			case tagName:
				label = f.bytes
			case tagValue:
				value = f.bytes
			}
			return nil
		})
		switch string(label) {
		case s.remote.names.Namespace:
			namespace = value
		case s.remote.names.Pod:
			pod = value
		case s.remote.names.Container:
			name = value
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("the labels of a series: %w", err)
	}
	return s.sink(namespace, pod, name)
}

var errChunk = errors.New("a chunk is too short")

// chunk reads one Chunk of the open series.
func (s *shard) chunk(data []byte) error {
	var kind uint64
	var values []byte
	err := eachField(data, func(f field) error {
		switch f.tag {
		case tagType:
			kind = f.number
		case tagData:
			values = f.bytes
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("a chunk: %w", err)
	}
	if len(values) < 2 {
		return errChunk
	}
	// Chunks of all encodings begin with how many samples they have.
	samples := int(binary.BigEndian.Uint16(values))
	if err := s.count(samples); err != nil || s.open.sink == nil || samples == 0 {
		return err
	}
	switch encoding := chunkenc.Encoding(kind); {
	case kind > 255 || !chunkenc.IsValidEncoding(encoding):
		return fmt.Errorf("%w that this version can read: a chunk has encoding %d", errNoRemoteRead, kind)
	case encoding != chunkenc.EncXOR && encoding != chunkenc.EncXOR2:
		s.dropped[histogram] += samples
		return nil
	case len(values) < 3: // both have a header of two or three bytes, and something behind it
		return errChunk
	default:
		return s.floats(encoding, values)
	}
}

// floats reads the values of a chunk.
func (s *shard) floats(encoding chunkenc.Encoding, data []byte) error {
	r := &s.remote
	chunk, err := r.chunks.Get(encoding, data)
	if err != nil {
		return fmt.Errorf("a chunk: %w", err)
	}
	r.iterator = chunk.Iterator(r.iterator)
	for r.iterator.Next() == chunkenc.ValFloat {
		s.value(r.iterator.At())
	}
	if err := r.iterator.Err(); err != nil {
		return fmt.Errorf("a chunk: %w", err)
	}
	return r.chunks.Put(chunk)
}
