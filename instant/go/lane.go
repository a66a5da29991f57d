package main

import (
	"bytes"
	"context"
	"sync"
	"time"
)

const (
	maxBatchCommands = 1_000
	maxBatchBytes    = 512 << 10
)

const (
	bodyStart    = `{"commands":[`
	bodyEnd      = `],"parallel":false}`
	commandStart = `{"publish":`
	commandEnd   = `}`
)

// message is a queued message, with its command as the client wrote it.
type message struct {
	from     *session
	seq      uint64
	received time.Duration
	cost     int64
	command  []byte
}

// lane sends the messages of its channels, one request at a time so that their order is kept.
type lane struct {
	ctx      context.Context
	api      *api
	budget   *budget
	figures  *figures
	health   *health
	retryFor time.Duration

	mu       sync.Mutex
	incoming []message
	closed   bool
	wake     chan struct{}

	// The fields below belong to the lane's goroutine.
	waiting  []message // messages before head are finished
	head     int
	oneByOne int // number of next messages that are sent one by one
	pause    time.Duration
	body     []byte
	reply    bytes.Buffer
	taken    []message
	kept     []message
}

func (l *lane) push(m message) {
	l.mu.Lock()
	l.incoming = append(l.incoming, m)
	first := len(l.incoming) == 1
	l.mu.Unlock()
	if first {
		l.ring()
	}
}

// close makes run return when everything is sent. push must not be called any more.
func (l *lane) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.ring()
}

func (l *lane) ring() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *lane) run() {
	for l.refill() {
		n := l.fill()
		failures, whole := l.api.batch(l.ctx, l.body, n, &l.reply)
		l.figures.request()
		l.health.report(whole)
		l.settle(n, failures, whole)
		l.prepareNext(n, whole)
	}
}

// refill waits until there are messages to send. It returns false when the lane is closed and empty.
func (l *lane) refill() bool {
	for l.head == len(l.waiting) {
		l.mu.Lock()
		l.waiting, l.incoming = l.incoming, l.waiting[:0]
		closed := l.closed
		l.mu.Unlock()
		l.head = 0
		if len(l.waiting) == 0 {
			if closed {
				return false
			}
			<-l.wake
		}
	}
	return true
}

// fill writes the body of the next request and returns its number of commands.
func (l *lane) fill() (n int) {
	limit := maxBatchCommands
	if l.oneByOne > 0 {
		limit = 1
	}
	body := append(l.body[:0], bodyStart...)
	for _, m := range l.waiting[l.head:] {
		size := len(body) + len(commandStart) + len(m.command) + len(commandEnd) + len(",") + len(bodyEnd)
		if n == limit || (n > 0 && size > maxBatchBytes) {
			break
		}
		if n > 0 {
			body = append(body, ',')
		}
		body = append(body, commandStart...)
		body = append(body, m.command...)
		body = append(body, commandEnd...)
		n++
	}
	l.body = append(body, bodyEnd...)
	return n
}
