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

// chunk is the number of bytes per write. The client must read each chunk within `patience`.
const chunk = 64 << 10

// acknowledge reports accepted messages. Lanes call it; it never waits for the client.
func (c *session) acknowledge(messages []message) {
	c.mu.Lock()
	defer c.ring()
	defer c.mu.Unlock()
	if c.closed || c.disconnected {
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

// refuse reports a failed message. Lanes call it; it never waits for the client.
func (c *session) refuse(seq uint64, why *failure) {
	c.mu.Lock()
	defer c.ring()
	defer c.mu.Unlock()
	if !c.closed && !c.disconnected {
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

// finish ends the connection with X, after everything that is still to be written.
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

// transmit writes frames until the connection is closed or the client has disconnected.
func (c *session) transmit() {
	if c.transmitAll() {
		c.dropResults()
		return
	}
	c.close()
}

// transmitAll reports whether the client has disconnected. In that case the reader still reads what the client wrote.
func (c *session) transmitAll() bool {
	var buffer []byte
	for range c.wake {
		out, unread, closed := c.collect()
		if closed {
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

// dropResults drops all results, and wakes the reader.
func (c *session) dropResults() {
	c.mu.Lock()
	c.disconnected, c.out, c.unread = true, outbox{}, 0
	c.mu.Unlock()
	c.read.Broadcast()
}

func (c *session) collect() (out outbox, unread int, closed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out, c.out = c.out, outbox{}
	return out, c.unread, c.closed
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

// coalesce merges adjacent ranges, because lanes report their results in any order.
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

// wasRead notes n results that the client has read, and wakes the reader.
func (c *session) wasRead(n int) {
	c.mu.Lock()
	c.unread -= n
	c.mu.Unlock()
	c.read.Broadcast()
}

// waitUntilRead blocks the reader while its client leaves too many results unread. It returns false if the session
// ends.
func (c *session) waitUntilRead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.unread >= maxUnread && !c.closing && !c.closed {
		c.read.Wait()
	}
	return !c.closing && !c.closed
}

// stopReading ends the reader. The writer continues.
func (c *session) stopReading() {
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
	c.read.Broadcast()
	_ = c.conn.SetReadDeadline(time.Now()) // fails only on a closed connection, where the reader ends anyway
}

// expectMore sets a deadline for data that the client must send now. With a ring, no data is required on the socket.
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
	if !c.closing { // otherwise stopReading's deadline would be overwritten
		_ = c.conn.SetReadDeadline(t) // fails only on a closed connection, where the next read fails, too
	}
}

// close closes the connection. Results that lanes report later are dropped.
func (c *session) close() {
	c.mu.Lock()
	wasClosed := c.closed
	c.closed, c.closing, c.out = true, true, outbox{}
	c.mu.Unlock()
	if wasClosed {
		return
	}
	c.conn.Close()
	c.read.Broadcast()
	c.ring()
	c.server.forget(c)
}
