package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// maxUnread is the number of results that a client may leave unread before its messages are not read any more.
const maxUnread = 1 << 16

// refusal is an E frame to be written.
type refusal struct {
	seq uint64
	why *failure
}

// session is one client's connection, with one goroutine that reads and one that writes.
type session struct {
	server *server
	conn   net.Conn
	wake   chan struct{}
	// limited is true while the reader has a deadline.
	limited bool
	// shared is the ring from which P frames are read, or nil. Other frames are always read from the socket.
	shared *ring

	mu           sync.Mutex
	read         *sync.Cond // the client has read results, or waiting for it has become pointless
	out          outbox
	unread       int  // results in out, and those that are being written
	closing      bool // the reader must end
	disconnected bool // the client has disconnected; what it wrote before is still read
	closed       bool // the connection is closed
}

// outbox contains what the writer has to write, in this order.
type outbox struct {
	frames []byte
	failed []refusal
	taken  []span
	// final is the reason of X, after which nothing is written.
	final   string
	isFinal bool
}

func newSession(s *server, conn net.Conn) *session {
	c := &session{server: s, conn: conn, wake: make(chan struct{}, 1)}
	c.read = sync.NewCond(&c.mu)
	return c
}

// receive reads frames until the client disconnects, sends an invalid frame, or must be disconnected.
func (c *session) receive() {
	err := c.receiveAll()
	c.mu.Lock()
	closing := c.closing
	c.mu.Unlock()
	switch {
	case closing: // server.end sends X
	case errors.Is(err, errFrame):
		c.finish(err.Error())
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.finish("timeout: a frame is incomplete, or H is missing")
	default:
		c.close()
	}
}

func (c *session) receiveAll() error {
	c.expectMore(c.server.patience)
	first, fd := c.readFirst()
	r := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(first), c.conn), 64<<10)
	kind, length, err := readHeader(r)
	if err == nil {
		err = c.greet(r, kind, length, fd)
	} else if fd >= 0 {
		_ = syscall.Close(fd)
	}
	if c.shared != nil {
		defer c.shared.close()
	}
	if err != nil {
		return err
	}
	if c.shared == nil {
		return c.handleAll(r)
	}
	c.expectAnytime()
	spawn(&c.server.readers, func() {
		_ = c.handleAll(r) // after any error, what is in the ring is still handled
		c.shared.end()
	})
	return c.handleAll(bufio.NewReaderSize(c.shared, 64<<10))
}

// readFirst returns the first bytes, and the file descriptor that came with them or -1.
func (c *session) readFirst() (first []byte, fd int) {
	socket, ok := c.conn.(*net.UnixConn)
	if !ok {
		return nil, -1
	}
	first, rights := make([]byte, headerBytes), make([]byte, syscall.CmsgSpace(4))
	n, m, _, _, err := socket.ReadMsgUnix(first, rights)
	if err != nil || m == 0 {
		return first[:max(n, 0)], -1
	}
	return first[:n], descriptorIn(rights[:m])
}

func descriptorIn(rights []byte) int {
	messages, err := syscall.ParseSocketControlMessage(rights)
	if err != nil || len(messages) != 1 {
		return -1
	}
	found, err := syscall.ParseUnixRights(&messages[0])
	if err != nil || len(found) == 0 {
		return -1
	}
	for _, other := range found[1:] {
		_ = syscall.Close(other)
	}
	return found[0]
}

func (c *session) handleAll(r *bufio.Reader) error {
	for {
		c.expectAnytime()
		kind, length, err := readHeader(r)
		if err != nil {
			return err
		}
		if err := c.handle(r, kind, length); err != nil {
			return err
		}
	}
}

func (c *session) handle(r *bufio.Reader, kind byte, length int) error {
	switch {
	case kind == kindPublish:
		return c.publish(r, length)
	case kind == kindStats && length == 0:
		return c.sendJSON(kindFigures, c.server.report())
	case kind == kindWake && length == 0 && c.shared != nil:
		c.shared.wakeReader()
		return nil
	}
	return fmt.Errorf("%w: type %q with %d bytes is unknown", errFrame, kind, length)
}

// hello is the body of H and, with a PID, of h.
type hello struct {
	Protocol    int    `json:"protocol"`
	PID         int    `json:"pid,omitempty"`
	Fingerprint string `json:"fingerprint"`
	// Ring in H means that the client shares memory; in h it means that P frames are read there.
	Ring bool `json:"ring,omitempty"`
}

func (c *session) greet(r *bufio.Reader, kind byte, length, fd int) error {
	if fd >= 0 {
		found, err := openRing(fd)
		if errors.Is(err, errFrame) {
			return err
		}
		c.shared = found // nil if it cannot be mapped: messages are then read from the socket
	}
	if err := c.check(r, kind, length); err != nil {
		return err
	}
	return c.sendJSON(kindWelcome, hello{protocol, os.Getpid(), c.server.config.Fingerprint, c.shared != nil})
}

func (c *session) check(r *bufio.Reader, kind byte, length int) error {
	if kind != kindHello || length > maxConfigBytes {
		return fmt.Errorf("%w: the first frame must be H", errFrame)
	}
	body := make([]byte, length)
	if err := c.readBody(r, body); err != nil {
		return err
	}
	var h hello
	if json.Unmarshal(body, &h) != nil {
		return fmt.Errorf("%w: H is not JSON", errFrame)
	}
	if h.Protocol != protocol {
		return fmt.Errorf("%w: the client uses protocol %d, this publisher protocol %d", errFrame, h.Protocol, protocol)
	}
	if h.Fingerprint != c.server.config.Fingerprint {
		return fmt.Errorf("%w: this publisher was started with other settings", errFrame)
	}
	return nil
}

func (c *session) publish(r *bufio.Reader, length int) error {
	cost := int64(length) + messageOverhead
	if !c.waitUntilRead() || !c.server.budget.acquire(cost) {
		return io.EOF
	}
	received := sinceStart()
	body := make([]byte, length)
	err := c.readBody(r, body)
	var m message
	var channel []byte
	if err == nil {
		m = message{from: c, received: received, cost: cost}
		m.seq, channel, m.command, err = parsePublish(body)
	}
	if err != nil {
		c.server.budget.release(cost, 1)
		return err
	}
	c.server.push(channel, m)
	return nil
}

// readBody reads the rest of a frame within a deadline, because the frame occupies a part of the queue's memory.
func (c *session) readBody(r *bufio.Reader, body []byte) error {
	if r.Buffered() < len(body) {
		c.expectMore(c.server.patience)
	}
	if _, err := io.ReadFull(r, body); err != nil {
		return fmt.Errorf("reading a frame: %w", err)
	}
	return nil
}
