package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"
)

// chunk is how much is written at a time: a client has `patience` for each.
const chunk = 64 << 10

// acknowledge is called by a lane; it never waits for the client.
func (c *session) acknowledge(messages []message) {
	c.mu.Lock()
	defer c.ring()
	defer c.mu.Unlock()
	if c.gone || c.deaf {
		return
	}
	for i := range messages {
		seq := messages[i].seq
		if n := len(c.out.taken); n > 0 && c.out.taken[n-1].last+1 == seq && seq > 0 {
			c.out.taken[n-1].last = seq
			continue
		}
		c.out.taken = append(c.out.taken, span{seq, seq})
		c.unread++
	}
}

// refuse is called by a lane; it never waits for the client.
func (c *session) refuse(seq uint64, why *failure) {
	c.mu.Lock()
	defer c.ring()
	defer c.mu.Unlock()
	if !c.gone && !c.deaf {
		c.out.failed = append(c.out.failed, refusal{seq, why})
		c.unread++
	}
}

func (c *session) sendJSON(kind byte, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("writing a frame: %w", err)
	}
	c.mu.Lock()
	c.out.frames = appendFrame(c.out.frames, kind, body)
	c.unread++
	c.mu.Unlock()
	c.ring()
	return nil
}

// finish lets the connection end with X, after all that waits to be written.
func (c *session) finish(reason string) {
	c.mu.Lock()
	if !c.out.isFinal {
		c.out.final, c.out.isFinal = clean(reason), true
	}
	c.closing = true
	c.mu.Unlock()
	c.ring()
}

func (c *session) ring() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// transmit writes what is to be written until the connection is closed, or the client has gone.
func (c *session) transmit() {
	if c.transmitAll() {
		c.deafen()
		return
	}
	c.close()
}

// transmitAll reports whether the client has gone: then the reader goes on to the end of what it wrote.
func (c *session) transmitAll() bool {
	var buffer []byte
	for range c.wake {
		out, unread, gone := c.collect()
		if gone {
			return false
		}
		buffer = out.appendTo(buffer[:0])
		if err := c.write(buffer); err != nil || out.isFinal {
			return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
		}
		c.wasRead(unread)
	}
	return false
}

// deafen drops all answers, and lets the reader go on.
func (c *session) deafen() {
	c.mu.Lock()
	c.deaf, c.out, c.unread = true, outbox{}, 0
	c.mu.Unlock()
	c.read.Broadcast()
}

func (c *session) collect() (out outbox, unread int, gone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out, c.out = c.out, outbox{}
	return out, c.unread, c.gone
}

func (o *outbox) appendTo(dst []byte) []byte {
	dst = append(dst, o.frames...)
	for _, r := range o.failed {
		dst = appendFailed(dst, r.seq, r.why)
	}
	dst = appendTaken(dst, coalesce(o.taken))
	if o.isFinal {
		dst = appendFrame(dst, kindClosing, []byte(o.final))
	}
	return dst
}

// coalesce joins ranges that touch; the lanes answer in turns.
func coalesce(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	joined := spans[:0]
	for _, s := range spans {
		if n := len(joined); n > 0 && s.first > 0 && joined[n-1].last >= s.first-1 {
			joined[n-1].last = max(joined[n-1].last, s.last)
			continue
		}
		joined = append(joined, s)
	}
	return joined
}

func (c *session) write(bytes []byte) error {
	for part := range slices.Chunk(bytes, chunk) {
		if err := c.conn.SetWriteDeadline(time.Now().Add(c.server.patience)); err != nil {
			return fmt.Errorf("writing to a client: %w", err)
		}
		if _, err := c.conn.Write(part); err != nil {
			return fmt.Errorf("writing to a client: %w", err)
		}
	}
	return nil
}

// wasRead lets the reader go on.
func (c *session) wasRead(n int) {
	c.mu.Lock()
	c.unread -= n
	c.mu.Unlock()
	c.read.Broadcast()
}

// waitUntilRead holds the reader while its client leaves too many answers unread; false when there is no one to read
// for.
func (c *session) waitUntilRead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.unread >= maxUnread && !c.closing && !c.gone {
		c.read.Wait()
	}
	return !c.closing && !c.gone
}

// stopReading lets the reader end, and the writer go on.
func (c *session) stopReading() {
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
	c.read.Broadcast()
	_ = c.conn.SetReadDeadline(time.Now()) // an error means that it is closed, and the reader knows
}

// expectMore gives the client `patience` to send what must come now. Of a ring, nothing is needed of the socket.
func (c *session) expectMore(patience time.Duration) {
	if c.shared != nil {
		return
	}
	c.limited = true
	c.setReadDeadline(time.Now().Add(patience))
}

func (c *session) expectAnytime() {
	if c.limited {
		c.limited = false
		c.setReadDeadline(time.Time{})
	}
}

func (c *session) setReadDeadline(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closing { // or stopReading's would be overwritten
		_ = c.conn.SetReadDeadline(t) // an error means that it is closed, and the next read says so
	}
}

// close is the end: nothing is read or written any more, and what the lanes have to say is dropped.
func (c *session) close() {
	c.mu.Lock()
	gone := c.gone
	c.gone, c.closing, c.out = true, true, outbox{}
	c.mu.Unlock()
	if gone {
		return
	}
	c.conn.Close()
	c.read.Broadcast()
	c.ring()
	c.server.forget(c)
}
