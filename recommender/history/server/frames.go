package server

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// maxFrame bounds one message of the stream, in bytes. Prometheus' default for sending is 1 MiB, which one long
// series may exceed.
const maxFrame = 64 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frames reads the messages of a streamed remote read answer:
//
//	uvarint length | CRC-32C of data, big-endian | data, a ChunkedReadResponse
//
// Its buffers live as long as it does, and go from one answer to the next.
type frames struct {
	in   *bufio.Reader
	data []byte
}

// each calls f for every message of body; what it gets is valid during the call. An end of the stream between two
// frames is the end; anywhere else, and any error that the server wrote into the stream after its 200, fails.
func (r *frames) each(body io.Reader, f func([]byte) error) error {
	if r.in == nil {
		r.in = bufio.NewReaderSize(nil, 64<<10)
	}
	r.in.Reset(body)
	defer r.in.Reset(nil)
	for {
		size, err := binary.ReadUvarint(r.in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("a frame's length: %w", err)
		}
		if size > maxFrame {
			return fmt.Errorf("a frame claims more than the %d bytes allowed: not a remote read stream", maxFrame)
		}
		if err := r.read(int(size)); err != nil {
			return err
		}
		if err := f(r.data); err != nil {
			return err
		}
	}
}

// read reads a frame's checksum and its data.
func (r *frames) read(size int) error {
	var sum [crc32.Size]byte
	if _, err := io.ReadFull(r.in, sum[:]); err != nil {
		return fmt.Errorf("a frame's checksum: %w", noEOF(err))
	}
	if err := r.fill(size); err != nil {
		return fmt.Errorf("a frame's data: %w", noEOF(err))
	}
	if crc32.Checksum(r.data, castagnoli) != binary.BigEndian.Uint32(sum[:]) {
		return errors.New("a frame's checksum does not match its data")
	}
	return nil
}

// fill reads size bytes into data, which grows with what has come and not with what was promised.
func (r *frames) fill(size int) error {
	r.data = r.data[:0]
	for len(r.data) < size {
		n := len(r.data)
		more := min(size-n, max(n, 1<<20))
		if cap(r.data) < n+more {
			r.data = append(make([]byte, 0, n+more), r.data...)
		}
		r.data = r.data[:n+more]
		if _, err := io.ReadFull(r.in, r.data[n:]); err != nil {
			return err
		}
	}
	return nil
}

// noEOF keeps an end in the middle of a frame from looking like the end of the stream.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
