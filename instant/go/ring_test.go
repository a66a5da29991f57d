package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const testRing = 1 << 12

// writer is the client's side of a ring.
type writer struct {
	*ring
	file *os.File
}

func newWriter(t testing.TB, size int64) *writer {
	t.Helper()
	file, err := os.CreateTemp(t.TempDir(), "ring")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	if err := file.Truncate(size + ringHeader); err != nil {
		t.Fatal(err)
	}
	return &writer{file: file}
}

// open maps the memory like a client.
func (w *writer) open(t testing.TB) *writer {
	t.Helper()
	fd, err := syscall.Dup(int(w.file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if w.ring, err = openRing(fd); err != nil {
		t.Fatal(err)
	}
	return w
}

// put writes all bytes, and waits while the ring is full.
func (w *writer) put(bytes []byte) {
	for _, b := range bytes {
		head := atomic.LoadUint64(w.head)
		for head-atomic.LoadUint64(w.tail) == uint64(len(w.data)) {
			time.Sleep(100 * time.Microsecond)
		}
		w.data[head%uint64(len(w.data))] = b
		atomic.StoreUint64(w.head, head+1)
	}
}

// share connects with the ring, and waits for h.
func (w *writer) share(t testing.TB, path string) *client {
	t.Helper()
	c := dial(t, path)
	hello := appendFrame(nil, 'H', []byte(`{"protocol":1,"fingerprint":"`+fingerprint+`","ring":true}`))
	if _, _, err := c.conn.(*net.UnixConn).WriteMsgUnix(hello, syscall.UnixRights(int(w.file.Fd())), nil); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReaderSize(c.conn, 64<<10)
	if kind, body := c.next(r); kind != 'h' || !strings.Contains(string(body), `"ring":true`) {
		t.Fatalf("not welcomed: %c %q", kind, body)
	}
	go c.readAnswers(r)
	return c
}

func publishFrame(seq uint64, channel, command string) []byte {
	body := binary.BigEndian.AppendUint64(nil, seq)
	body = binary.BigEndian.AppendUint16(body, uint16(len(channel)))
	return appendFrame(nil, 'P', append(append(body, channel...), command...))
}

func TestMessagesInSharedMemoryAreSent(t *testing.T) {
	f := newFake(t)
	p := start(t, f.URL)
	w := newWriter(t, testRing).open(t)
	c := w.share(t, p.path)
	for seq := range uint64(1000) { // many times what the ring holds
		w.put(publishFrame(seq+1, "one", `{"channel":"one","data":{}}`))
	}
	c.untilTaken(1000)
	until(t, "the reader to sleep", func() bool { return atomic.LoadUint64(w.sleeps) == 1 })
	w.put(publishFrame(1001, "one", `{"channel":"one","data":{}}`))
	c.frame('W', nil)
	c.untilTaken(1001)
	if c.stats().Sent != 1001 {
		t.Errorf("%+v", c.stats())
	}
}

func TestWhatIsInSharedMemoryOutlivesTheClient(t *testing.T) {
	f := newFake(t)
	p := start(t, f.URL)
	w := newWriter(t, 1<<16).open(t)
	c := w.share(t, p.path)
	until(t, "the reader to sleep", func() bool { return atomic.LoadUint64(w.sleeps) == 1 })
	for seq := range uint64(500) {
		w.put(publishFrame(seq+1, "one", `{"channel":"one","data":{}}`))
	}
	c.conn.Close() // nobody has woken it
	until(t, "all messages", func() bool { return p.report().Sent == 500 })
	until(t, "the session to end", func() bool { return p.report().Connections == 0 })
}

func TestABadFrameInSharedMemory(t *testing.T) {
	p := start(t, newFake(t).URL)
	w := newWriter(t, testRing).open(t)
	c := w.share(t, p.path)
	w.put(appendFrame(nil, '?', nil))
	c.until("X", func() bool { return strings.HasPrefix(c.closed, "bad frame") })
}

func TestMemoryThatIsNoRing(t *testing.T) {
	for _, size := range []int64{-ringHeader, 0, 1000, maxRing * 2} {
		w := newWriter(t, size)
		fd, err := syscall.Dup(int(w.file.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := openRing(fd); !errors.Is(err, errFrame) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	w := newWriter(t, testRing).open(t)
	atomic.StoreUint64(w.head, testRing+1)
	if _, err := io.ReadAll(w.ring); !errors.Is(err, errFrame) {
		t.Errorf("more than it holds: %v", err)
	}
}

func until(t *testing.T, what string, fulfilled func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !fulfilled(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
