package main

import (
	"errors"
	"fmt"
	"io"
	"math/bits"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

const (
	// ringHeader is the size of the header before the frames. It contains head (bytes written), tail (bytes read) and
	// sleeps (1 while the reader waits for W), 64 bytes apart and in the machine's byte order.
	ringHeader = 4096
	maxRing    = 64 << 20
	// ringPause is the pause between two checks of an empty ring, and ringChecks the number of checks before the reader
	// sleeps. A message in a continuous stream waits for up to ringPause; the first message after a sleep does not.
	ringPause  = 250 * time.Microsecond
	ringChecks = 40
)

// ring is memory that a client shares. The client writes frames to it without system calls. It is an io.Reader.
type ring struct {
	memory, data       []byte
	head, tail, sleeps *uint64
	checks             int
	wake               chan struct{}
	ended              atomic.Bool
}

// openRing maps the memory of this file descriptor, and closes the descriptor.
func openRing(fd int) (*ring, error) {
	defer syscall.Close(fd)
	var stat syscall.Stat_t
	if err := syscall.Fstat(fd, &stat); err != nil {
		return nil, fmt.Errorf("checking the ring: %w", err)
	}
	size := stat.Size - ringHeader
	if size <= 0 || size > maxRing || bits.OnesCount64(uint64(size)) != 1 {
		return nil, fmt.Errorf("%w: the ring has an invalid size of %d bytes", errFrame, size)
	}
	memory, err := syscall.Mmap(fd, 0, int(stat.Size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping the ring: %w", err)
	}
	word := func(at int) *uint64 { return (*uint64)(unsafe.Pointer(&memory[at])) }
	return &ring{
		memory: memory, data: memory[ringHeader:], head: word(0), tail: word(64), sleeps: word(128),
		wake: make(chan struct{}, 1),
	}, nil
}

func (r *ring) close() {
	_ = syscall.Munmap(r.memory) // no reader is left
}

// end makes Read return io.EOF after the remaining bytes. It may be called more than once.
func (r *ring) end() {
	r.ended.Store(true)
	r.wakeReader()
}

// wakeReader wakes the reader.
func (r *ring) wakeReader() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *ring) Read(p []byte) (int, error) {
	for {
		ended := r.ended.Load() // loaded first, so that everything written before the end is read
		n, err := r.take(p)
		if n > 0 || err != nil {
			r.checks = 0
			return n, err
		}
		if ended {
			return 0, io.EOF
		}
		r.wait()
	}
}

func (r *ring) take(p []byte) (int, error) {
	tail := atomic.LoadUint64(r.tail)
	there := atomic.LoadUint64(r.head) - tail
	if there > uint64(len(r.data)) {
		return 0, errors.Join(errFrame, errors.New("the ring claims more bytes than its size"))
	}
	start := tail & uint64(len(r.data)-1)
	n := copy(p[:min(uint64(len(p)), there)], r.data[start:])
	atomic.StoreUint64(r.tail, tail+uint64(n))
	return n, nil
}

// wait returns soon while the client is active. Otherwise it sets sleeps, and checks again after the time in which the
// client can see that: the client has no memory barrier between its write and its check of sleeps.
func (r *ring) wait() {
	if r.checks < ringChecks {
		r.checks++
		time.Sleep(ringPause)
		return
	}
	atomic.StoreUint64(r.sleeps, 1)
	time.Sleep(time.Millisecond)
	if atomic.LoadUint64(r.head) == atomic.LoadUint64(r.tail) && !r.ended.Load() {
		<-r.wake
	}
	atomic.StoreUint64(r.sleeps, 0)
	r.checks = 0
}
