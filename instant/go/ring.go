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
	// ringHeader is before the frames; head (bytes written), tail (bytes read) and sleeps (1 while the reader waits to
	// be woken by W) are in it, 64 bytes apart, in the byte order of the machine.
	ringHeader = 4096
	maxRing    = 64 << 20
	// ringLook is the pause between two looks at an empty ring, and ringLooks how many there are before the reader
	// sleeps: a message in the middle of many has to wait for that long, the first one does not.
	ringLook  = 250 * time.Microsecond
	ringLooks = 40
)

// ring is memory that a client shares: it writes frames there, and no system call is needed. It is an io.Reader.
type ring struct {
	memory, data       []byte
	head, tail, sleeps *uint64
	looks              int
	wake               chan struct{}
	ended              atomic.Bool
}

// openRing maps the memory of this file descriptor, and closes that.
func openRing(fd int) (*ring, error) {
	defer syscall.Close(fd)
	var stat syscall.Stat_t
	if err := syscall.Fstat(fd, &stat); err != nil {
		return nil, fmt.Errorf("looking at the ring: %w", err)
	}
	size := stat.Size - ringHeader
	if size <= 0 || size > maxRing || bits.OnesCount64(uint64(size)) != 1 {
		return nil, fmt.Errorf("%w: a ring of %d bytes", errFrame, size)
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
	_ = syscall.Munmap(r.memory) // nobody uses it any more
}

// end lets Read return io.EOF after what is still there. It may be called more than once.
func (r *ring) end() {
	r.ended.Store(true)
	r.rouse()
}

// rouse wakes the reader.
func (r *ring) rouse() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *ring) Read(p []byte) (int, error) {
	for {
		ended := r.ended.Load() // before the look: what was written before the end is read
		n, err := r.take(p)
		if n > 0 || err != nil {
			r.looks = 0
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
		return 0, errors.Join(errFrame, errors.New("a ring with more than it holds"))
	}
	start := tail & uint64(len(r.data)-1)
	n := copy(p[:min(uint64(len(p)), there)], r.data[start:])
	atomic.StoreUint64(r.tail, tail+uint64(n))
	return n, nil
}

// wait returns soon while the client is at work. Else it says that it sleeps, and looks again when that can be seen
// everywhere: the client has no barrier between its write and its look at the word.
func (r *ring) wait() {
	if r.looks < ringLooks {
		r.looks++
		time.Sleep(ringLook)
		return
	}
	atomic.StoreUint64(r.sleeps, 1)
	time.Sleep(time.Millisecond)
	if atomic.LoadUint64(r.head) == atomic.LoadUint64(r.tail) && !r.ended.Load() {
		<-r.wake
	}
	atomic.StoreUint64(r.sleeps, 0)
	r.looks = 0
}
