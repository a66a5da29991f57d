package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const fingerprint = "5f0c"

// refused is a decoded E frame.
type refused struct {
	seq       uint64
	code      uint32
	retryable bool
	reason    string
}

// client is the client side of the protocol, as in a Django worker. It stores the results that it receives.
type client struct {
	t    testing.TB
	conn net.Conn
	out  *bufio.Writer

	mu      sync.Mutex
	changed *sync.Cond
	taken   map[uint64]bool
	refused map[uint64]refused
	figures []report
	closed  string // the reason of X
	ended   bool
}

// dial connects without sending anything.
func dial(t testing.TB, path string) *client {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, conn: conn, out: bufio.NewWriterSize(conn, 64<<10)}
	c.changed = sync.NewCond(&c.mu)
	c.taken, c.refused = map[uint64]bool{}, map[uint64]refused{}
	t.Cleanup(func() { conn.Close() })
	return c
}

// connect sends H, waits for h, and then reads results.
func connect(t testing.TB, path string) *client {
	t.Helper()
	c := dial(t, path)
	c.frame('H', []byte(`{"protocol":1,"fingerprint":"`+fingerprint+`"}`))
	r := bufio.NewReaderSize(conn(c), 64<<10)
	kind, body := c.next(r)
	if kind != 'h' || !strings.Contains(string(body), fingerprint) {
		t.Fatalf("not welcomed: %c %q", kind, body)
	}
	go c.readAnswers(r)
	return c
}

func conn(c *client) net.Conn { return c.conn }

func (c *client) frame(kind byte, body []byte) {
	c.t.Helper()
	c.out.Write(appendFrame(nil, kind, body))
	c.flush()
}

func (c *client) flush() {
	c.t.Helper()
	if err := c.out.Flush(); err != nil {
		c.t.Fatal(err)
	}
}

// next reads a frame. It returns 0 at the end.
func (c *client) next(r *bufio.Reader) (byte, []byte) {
	kind, length, err := readHeader(r)
	if err != nil {
		return 0, nil
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return 0, nil
	}
	return kind, body
}

func publishBody(seq uint64, channel, command string) []byte {
	body := binary.BigEndian.AppendUint64(nil, seq)
	body = binary.BigEndian.AppendUint16(body, uint16(len(channel)))
	return append(append(body, channel...), command...)
}

func command(channel string, n int) string {
	return fmt.Sprintf(`{"channel":%q,"data":%d,"idempotency_key":"%s-%d"}`, channel, n, channel, n)
}

// publish sends a message with seq as its data.
func (c *client) publish(seq uint64, channel string) {
	c.t.Helper()
	c.raw(seq, channel, command(channel, int(seq)))
}

func (c *client) raw(seq uint64, channel, command string) {
	c.t.Helper()
	c.frame('P', publishBody(seq, channel, command))
}

func (c *client) readAnswers(r *bufio.Reader) {
	for {
		kind, body := c.next(r)
		c.mu.Lock()
		c.remember(kind, body)
		c.mu.Unlock()
		c.changed.Broadcast()
		if kind == 0 {
			return
		}
	}
}

func (c *client) remember(kind byte, body []byte) {
	switch kind {
	case 0:
		c.ended = true
	case 'A':
		for _, s := range decodeTaken(body) {
			for seq := s.first; seq <= s.last; seq++ {
				c.taken[seq] = true
			}
		}
	case 'E':
		e := decodeFailed(body)
		c.refused[e.seq] = e
	case 's':
		var r report
		if err := json.Unmarshal(body, &r); err != nil {
			c.t.Error(err)
		}
		c.figures = append(c.figures, r)
	case 'X':
		c.closed = string(body)
	}
}

func decodeTaken(body []byte) (spans []span) {
	for ; len(body) >= 16; body = body[16:] {
		spans = append(spans, span{binary.BigEndian.Uint64(body), binary.BigEndian.Uint64(body[8:])})
	}
	return spans
}

func decodeFailed(body []byte) refused {
	return refused{
		binary.BigEndian.Uint64(body), binary.BigEndian.Uint32(body[8:]), body[12] == 1, string(body[13:]),
	}
}

// until waits until the received results satisfy a condition.
func (c *client) until(what string, fulfilled func() bool) {
	c.t.Helper()
	timer := time.AfterFunc(20*time.Second, func() { c.mu.Lock(); c.ended = true; c.mu.Unlock(); c.changed.Broadcast() })
	defer timer.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for !fulfilled() {
		if c.ended {
			c.t.Fatalf("no %s: taken %d, refused %v, X %q", what, len(c.taken), c.refused, c.closed)
		}
		c.changed.Wait()
	}
}

func (c *client) untilTaken(n int) {
	c.t.Helper()
	c.until(fmt.Sprintf("%d taken", n), func() bool { return len(c.taken) == n })
}

func (c *client) untilRefused(seq uint64) (r refused) {
	c.t.Helper()
	c.until(fmt.Sprintf("refusal of %d", seq), func() bool { r = c.refused[seq]; return r.reason != "" })
	return r
}

func (c *client) stats() (r report) {
	c.t.Helper()
	c.mu.Lock()
	had := len(c.figures)
	c.mu.Unlock()
	c.frame('S', nil)
	c.until("figures", func() bool {
		if len(c.figures) > had {
			r = c.figures[had]
		}
		return len(c.figures) > had
	})
	return r
}

// publisher is a publisher in this process.
type publisher struct {
	*server
	path string
	stop func()
	done chan struct{}
}

// start runs a publisher until the test ends or stop is called.
func start(t testing.TB, url string, change ...func(*config, *server)) *publisher {
	t.Helper()
	c := config{Protocol: protocol, Fingerprint: fingerprint, URL: url, APIKey: "key", TimeoutMS: 1000, RetryForMS: 15_000}
	c.setDefaults()
	for _, f := range change {
		f(&c, &server{})
	}
	path := filepath.Join(t.TempDir(), "s")
	listener, unlink, err := listen(path)
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(c, listener, testLog(t))
	for _, f := range change {
		f(&config{}, s)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() { s.serve(stop, unlink); close(done) }()
	p := &publisher{server: s, path: path, stop: sync.OnceFunc(func() { close(stop) }), done: done}
	t.Cleanup(func() { p.stop(); <-done })
	return p
}
