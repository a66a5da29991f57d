package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

func TestWhoIsNotWelcomeIsTold(t *testing.T) {
	p := start(t, newFake(t).URL)
	for name, tc := range map[string]struct{ bytes, reason string }{
		"other protocol":    {string(appendFrame(nil, 'H', []byte(`{"protocol":2,"fingerprint":"5f0c"}`))), "protocol 2"},
		"other fingerprint": {string(appendFrame(nil, 'H', []byte(`{"protocol":1,"fingerprint":"ffff"}`))), "other settings"},
		"not JSON":          {string(appendFrame(nil, 'H', []byte(`{`))), "not JSON"},
		"not H":             {string(appendFrame(nil, 'S', nil)), "first frame must be H"},
		"no length":         {"\x00\x00\x00\x00", "length is 0"},
		"too long":          {"\x01\x00\x00\x01P", "length is 16777217"},
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, p.path)
			c.out.WriteString(tc.bytes)
			c.flush()
			r := bufio.NewReader(c.conn)
			if kind, body := c.next(r); kind != 'X' || !strings.Contains(string(body), tc.reason) {
				t.Errorf("%c %q", kind, body)
			}
			if kind, _ := c.next(r); kind != 0 {
				t.Errorf("and then %c", kind)
			}
		})
	}
}

func TestBadFramesEndTheConnection(t *testing.T) {
	p := start(t, newFake(t).URL)
	for name, frame := range map[string][]byte{
		"short P":      appendFrame(nil, 'P', []byte("123456789")),
		"long channel": appendFrame(nil, 'P', []byte("12345678\xff\xffabc")),
		"unknown":      appendFrame(nil, '?', nil),
		"S with more":  appendFrame(nil, 'S', []byte("x")),
		"second H":     appendFrame(nil, 'H', []byte(`{"protocol":1,"fingerprint":"5f0c"}`)),
	} {
		t.Run(name, func(t *testing.T) {
			c := connect(t, p.path)
			c.out.Write(frame)
			c.flush()
			c.until("X", func() bool { return strings.HasPrefix(c.closed, "bad frame") })
		})
	}
	if queued, bytes := p.budget.queued(); queued != 0 || bytes != 0 {
		t.Errorf("%d messages of %d bytes are still counted", queued, bytes)
	}
}

func TestAFrameMustEnd(t *testing.T) {
	p := start(t, newFake(t).URL, func(_ *config, s *server) { s.patience = 100 * time.Millisecond })
	c := connect(t, p.path)
	time.Sleep(200 * time.Millisecond) // between frames a client may be silent
	c.publish(1, "one")
	c.untilTaken(1)
	c.out.WriteString("\x00\x00\x10\x00P")
	c.flush()
	c.until("X", func() bool { return strings.Contains(c.closed, "incomplete") })
}

func TestFigures(t *testing.T) {
	f := newFake(t)
	p := start(t, f.URL)
	c := connect(t, p.path)
	connect(t, p.path)
	for seq := range uint64(10) {
		c.publish(seq+1, "one")
	}
	c.untilTaken(10)
	r := c.stats()
	if r.Sent != 10 || r.Queued != 0 || r.QueuedBytes != 0 || r.Failed != 0 || r.Connections != 2 || r.Batches == 0 {
		t.Errorf("%+v", r)
	}
	if r.P50MS <= 0 || r.P99MS < r.P50MS || r.BatchMean < 1 || r.PID == 0 {
		t.Errorf("%+v", r)
	}
}

func TestWhatAClientQueuedOutlivesIt(t *testing.T) {
	f := newFake(t)
	release := held(f)
	p := start(t, f.URL, patientTimeout)
	c := connect(t, p.path)
	for seq := range uint64(50) {
		c.publish(seq+1, "one")
	}
	eventually(t, "all is queued", func() bool { n, _ := p.budget.queued(); return n == 50 })
	c.conn.Close()
	eventually(t, "it is gone", func() bool { return p.report().Connections == 0 })
	release()
	eventually(t, "all is sent", func() bool { return len(f.got("one")) == 50 })
	f.inOrder(t, "one", 50)
}

func TestWhatAClientWroteIsReadEvenIfItsAnswersCannotBeWritten(t *testing.T) {
	f := newFake(t)
	release := held(f)
	p := start(t, f.URL, patientTimeout, func(c *config, _ *server) { c.QueueBytes = 20_000 })
	c := connect(t, p.path)
	c.conn.(*net.UnixConn).SetWriteBuffer(1 << 20)
	filler := strings.Repeat("x", 1000)
	for n := range 150 {
		c.raw(uint64(n+1), "one", fmt.Sprintf(`{"channel":"one","data":%d,"tags":{"filler":%q}}`, n, filler))
	}
	c.conn.Close()
	release()
	eventually(t, "all is sent", func() bool { return len(f.got("one")) == 150 })
}

// writeUntilStuck publishes until a write blocks, and returns the number of messages that were written.
func (c *client) writeUntilStuck(command string) (n int) {
	for {
		c.conn.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		frame := appendFrame(nil, 'P', publishBody(uint64(n), "one", command))
		if _, err := c.conn.Write(frame); err != nil {
			return n
		}
		n++
	}
}

func TestAFullQueueMakesTheSenderWait(t *testing.T) {
	f := newFake(t)
	release := held(f)
	p := start(t, f.URL, patientTimeout, func(c *config, _ *server) { c.QueueBytes = 100_000 })
	c := connect(t, p.path)
	filler := fmt.Sprintf(`{"channel":"one","data":%q}`, strings.Repeat("x", 1000))
	n := c.writeUntilStuck(filler)
	queued, bytes := p.budget.queued()
	if bytes > 100_000 || queued < 50 || n < int(queued) {
		t.Errorf("%d written, %d queued, %d bytes", n, queued, bytes)
	}
	release()
	c.until("all that was queued is taken", func() bool { return len(c.taken) >= int(queued) })
}

func TestALargeMessageGetsThroughASmallQueue(t *testing.T) {
	f := newFake(t)
	p := start(t, f.URL, func(c *config, _ *server) { c.QueueBytes = 10_000 })
	c := connect(t, p.path)
	for seq := range uint64(20) {
		c.raw(seq+1, "one", fmt.Sprintf(`{"channel":"one","data":%q}`, strings.Repeat("x", 700<<(seq%8))))
	}
	c.untilTaken(20)
}

func TestASlowReaderStopsOnlyItself(t *testing.T) {
	f := newFake(t)
	p := start(t, f.URL, func(_ *config, s *server) { s.patience = 500 * time.Millisecond })
	slow := dial(t, p.path)
	slow.frame('H', []byte(`{"protocol":1,"fingerprint":"5f0c"}`))
	go func() { // sequence numbers with gaps: each answer is a range of its own
		for n := uint64(0); ; n += 2 {
			if _, err := slow.conn.Write(appendFrame(nil, 'P', publishBody(n, "slow", `{"channel":"slow"}`))); err != nil {
				return
			}
		}
	}()
	eventually(t, "the slow one has sent a lot", func() bool { return p.report().Sent > 5_000 })
	quick := connect(t, p.path)
	for seq := range uint64(200) {
		quick.publish(seq+1, "quick")
	}
	quick.untilTaken(200)
	f.inOrder(t, "quick", 200)
	eventually(t, "the slow one is let go", func() bool { return p.report().Connections == 1 })
	quick.publish(201, "quick")
	quick.untilTaken(201)
}

func TestUnreadAnswersAreBounded(t *testing.T) {
	c := newSession(&server{}, nil)
	c.unread = maxUnread
	waited := make(chan bool)
	go func() { waited <- c.waitUntilRead() }()
	select {
	case <-waited:
		t.Fatal("the reader went on")
	case <-time.After(50 * time.Millisecond):
	}
	c.wasRead(1)
	if !<-waited {
		t.Error("the reader ended")
	}
}

func TestRangesAreJoined(t *testing.T) {
	for _, tc := range []struct{ in, out []span }{
		{[]span{{1, 1}, {2, 2}, {3, 5}}, []span{{1, 5}}},
		{[]span{{4, 6}, {1, 3}}, []span{{1, 6}}},
		{[]span{{9, 9}, {1, 1}, {3, 3}}, []span{{1, 1}, {3, 3}, {9, 9}}},
		{[]span{{^uint64(0), ^uint64(0)}, {0, 0}}, []span{{0, 0}, {^uint64(0), ^uint64(0)}}},
		{nil, nil},
	} {
		if got := coalesce(tc.in); fmt.Sprint(got) != fmt.Sprint(tc.out) {
			t.Errorf("%v, not %v", got, tc.out)
		}
	}
}

func TestIdleEndsEvenWithClients(t *testing.T) {
	f := newFake(t)
	p := start(t, f.URL, func(c *config, _ *server) { c.IdleMS = 300 })
	c := connect(t, p.path)
	for seq := range uint64(4) { // each starts the time anew
		c.publish(seq+1, "one")
		c.untilTaken(int(seq) + 1)
		time.Sleep(150 * time.Millisecond)
	}
	c.until("X", func() bool { return c.closed == "idle" && c.ended })
	<-p.done
}

func TestAQueueThatIsNotEmptyIsNotIdle(t *testing.T) {
	f := newFake(t)
	release := held(f)
	p := start(t, f.URL, patientTimeout, func(c *config, _ *server) { c.IdleMS = 100 })
	c := connect(t, p.path)
	c.publish(1, "one")
	time.Sleep(400 * time.Millisecond)
	release()
	c.untilTaken(1)
	<-p.done
}

func TestStoppingSendsWhatIsQueued(t *testing.T) {
	f := newFake(t)
	release := held(f)
	p := start(t, f.URL, patientTimeout)
	c := connect(t, p.path)
	for seq := range uint64(2_000) {
		c.publish(seq+1, "one")
	}
	eventually(t, "all is queued", func() bool { n, _ := p.budget.queued(); return n == 2_000 })
	p.stop()
	release()
	c.until("X", func() bool { return c.closed == "stopping" })
	c.untilTaken(2_000)
	f.inOrder(t, "one", 2_000)
	<-p.done
}

func TestStoppingEndsWhenTheServerDoesNotAnswer(t *testing.T) {
	f := newFake(t)
	held(f)
	p := start(t, f.URL, patientTimeout, func(_ *config, s *server) { s.drain = 200 * time.Millisecond })
	c := connect(t, p.path)
	for seq := range uint64(10) {
		c.publish(seq+1, "one")
	}
	eventually(t, "all is queued", func() bool { n, _ := p.budget.queued(); return n == 10 })
	p.stop()
	c.until("X", func() bool { return c.closed == "stopping" })
	if len(c.refused) != 10 || !c.refused[10].retryable || c.refused[10].code != 0 {
		t.Errorf("%+v", c.refused)
	}
	<-p.done
}
