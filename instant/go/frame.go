package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
)

// The types of frames. doc.go describes their bodies.
const (
	kindHello   = 'H'
	kindPublish = 'P'
	kindStats   = 'S'
	kindWake    = 'W'
	kindWelcome = 'h'
	kindTaken   = 'A'
	kindFailed  = 'E'
	kindFigures = 's'
	kindClosing = 'X'
)

const (
	maxFrame    = 16 << 20
	headerBytes = 4 + 1
	// maxRanges keeps an A frame below 64 KiB.
	maxRanges = 4_000
	maxReason = 500
)

// errFrame is the parent of all errors about frames. Their texts are sent to the client.
var errFrame = errors.New("bad frame")

// span is a range of sequence numbers, both ends included.
type span struct{ first, last uint64 }

// readHeader returns a frame's type and the length of its body, which it does not read.
func readHeader(r *bufio.Reader) (kind byte, length int, err error) {
	head, err := r.Peek(4)
	if err != nil {
		return 0, 0, fmt.Errorf("reading a frame: %w", err)
	}
	size := binary.BigEndian.Uint32(head)
	if size < 1 || size > maxFrame {
		return 0, 0, fmt.Errorf("%w: its length is %d, but must be from 1 to %d", errFrame, size, maxFrame)
	}
	head, err = r.Peek(headerBytes)
	if err != nil {
		return 0, 0, fmt.Errorf("reading a frame: %w", err)
	}
	kind = head[4]
	_, err = r.Discard(headerBytes)
	return kind, int(size) - 1, err
}

// parsePublish splits the body of a P frame. The parts share its memory.
func parsePublish(body []byte) (seq uint64, channel, command []byte, err error) {
	const fixed = 8 + 2
	if len(body) < fixed {
		return 0, nil, nil, fmt.Errorf("%w: P with %d bytes", errFrame, len(body))
	}
	seq = binary.BigEndian.Uint64(body)
	end := fixed + int(binary.BigEndian.Uint16(body[8:]))
	if end > len(body) {
		return 0, nil, nil, fmt.Errorf("%w: the channel of P is longer than the frame", errFrame)
	}
	return seq, body[fixed:end], body[end:], nil
}

func appendHeader(dst []byte, kind byte, length int) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(length+1))
	return append(dst, kind)
}

func appendFrame(dst []byte, kind byte, body []byte) []byte {
	return append(appendHeader(dst, kind, len(body)), body...)
}

// appendTaken appends the ranges as A frames. Without ranges it appends nothing.
func appendTaken(dst []byte, spans []span) []byte {
	for len(spans) > 0 {
		n := min(len(spans), maxRanges)
		dst = appendHeader(dst, kindTaken, 16*n)
		for _, s := range spans[:n] {
			dst = binary.BigEndian.AppendUint64(dst, s.first)
			dst = binary.BigEndian.AppendUint64(dst, s.last)
		}
		spans = spans[n:]
	}
	return dst
}

func appendFailed(dst []byte, seq uint64, f *failure) []byte {
	dst = appendHeader(dst, kindFailed, 8+4+1+len(f.reason))
	dst = binary.BigEndian.AppendUint64(dst, seq)
	dst = binary.BigEndian.AppendUint32(dst, f.code)
	retryable := byte(0)
	if f.retry {
		retryable = 1
	}
	return append(append(dst, retryable), f.reason...)
}
