package history

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/prometheus/prometheus/prompb"
)

// maxFrame bounds one message of the stream, in bytes. Prometheus' default for sending is 1 MiB, which one long
// series may exceed.
const maxFrame = 64 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// eachFrame calls f for every message of a streamed remote read answer:
//
//	uvarint length | CRC-32C of data, big-endian | data, a ChunkedReadResponse
//
// An end of the stream between two frames is the end; anywhere else, and any error that the server wrote
// into the stream after its 200, fails.
func eachFrame(body io.Reader, f func(*prompb.ChunkedReadResponse) error) error {
	r := bufio.NewReaderSize(body, 64<<10)
	var data []byte
	for {
		size, err := binary.ReadUvarint(r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("a frame's length: %w", err)
		}
		if size > maxFrame {
			return fmt.Errorf("a frame claims %d bytes, more than the %d allowed: not a remote read stream", size, maxFrame)
		}
		if data, err = readFrame(r, data, int(size)); err != nil {
			return err
		}
		var message prompb.ChunkedReadResponse
		if err := message.Unmarshal(data); err != nil {
			return fmt.Errorf("decoding a frame of %d bytes: %w", size, err)
		}
		if err := f(&message); err != nil {
			return err
		}
	}
}

func readFrame(r io.Reader, data []byte, size int) ([]byte, error) {
	var sum [crc32.Size]byte
	if _, err := io.ReadFull(r, sum[:]); err != nil {
		return nil, fmt.Errorf("a frame's checksum: %w", noEOF(err))
	}
	if cap(data) < size {
		data = make([]byte, size)
	}
	data = data[:size]
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, fmt.Errorf("a frame of %d bytes: %w", size, noEOF(err))
	}
	if got := crc32.Checksum(data, castagnoli); got != binary.BigEndian.Uint32(sum[:]) {
		return nil, errors.New("a frame's checksum does not match its data")
	}
	return data, nil
}

// noEOF keeps an end in the middle of a frame from looking like the end of the stream.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
