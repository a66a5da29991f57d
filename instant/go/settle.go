package main

import (
	"encoding/json"
	"math/rand/v2"
	"time"
)

const (
	firstPause = 50 * time.Millisecond
	lastPause  = 2 * time.Second
)

// settle reports the results of the first n messages. Messages to be retried stay at the front of the queue.
func (l *lane) settle(n int, failures map[int]*failure, whole *failure) {
	l.taken, l.kept = l.taken[:0], l.kept[:0]
	now := sinceStart()
	for i, m := range l.waiting[l.head : l.head+n] {
		f := failures[i]
		if whole != nil {
			f = whole.of(m.command)
		}
		switch {
		case f == nil:
			l.taken = append(l.taken, m)
		case f.retry && !l.tooOld(m, now):
			l.kept = append(l.kept, m)
		default:
			l.refuse(m, f)
		}
	}
	l.acknowledge(now)
	l.advance(n)
}

// of returns the failure of one command in a batch that failed as a whole.
func (f *failure) of(command []byte) *failure {
	if f.inspect && !json.Valid(command) {
		return &failure{code: codeBadRequest, reason: "bad request: the command is not JSON"}
	}
	return f
}

// advance removes the first n messages from the queue, except those that are retried.
func (l *lane) advance(n int) {
	done := n - len(l.kept)
	copy(l.waiting[l.head+done:], l.kept)
	clear(l.waiting[l.head : l.head+done]) // free the memory of the commands
	l.head += done
	l.oneByOne = max(0, l.oneByOne-done)
	l.figures.again(len(l.kept))
	clear(l.kept)
	clear(l.taken)
}

// prepareNext prepares the next request, after a request with n commands.
func (l *lane) prepareNext(n int, whole *failure) {
	kept := len(l.kept)
	switch {
	case whole != nil && whole.split:
		if kept == n {
			l.oneByOne = n // no command is known to be invalid
		}
	case kept > 0:
		l.rest()
	case whole != nil && whole.retry:
		l.refuseTooOld(whole)
		l.rest()
	default:
		l.pause = 0
	}
}

// refuseTooOld refuses all messages that are too old. During and after a long outage, a queue of old messages must not be
// sent batch by batch, with a timeout for each batch.
func (l *lane) refuseTooOld(why *failure) {
	now := sinceStart()
	for l.head < len(l.waiting) && l.tooOld(l.waiting[l.head], now) {
		l.refuse(l.waiting[l.head], why)
		l.waiting[l.head] = message{}
		l.head++
	}
}

// tooOld reports whether a message must not be retried. At the publisher's end, this applies to every message.
func (l *lane) tooOld(m message, now time.Duration) bool {
	return now-m.received > l.retryFor || l.ctx.Err() != nil
}

// rest waits before the next attempt. The pause doubles each time, up to lastPause. It is random, so that lanes do not
// retry at the same moment.
func (l *lane) rest() {
	l.pause = min(max(2*l.pause, firstPause), lastPause)
	timer := time.NewTimer(l.pause/2 + rand.N(l.pause/2))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.ctx.Done():
	}
}

func (l *lane) refuse(m message, f *failure) {
	m.from.refuse(m.seq, f)
	l.figures.refused()
	l.health.refused(f)
	l.budget.release(m.cost, 1)
}

// acknowledge reports accepted messages, with one call for consecutive messages of one client.
func (l *lane) acknowledge(now time.Duration) {
	var bytes int64
	for start, end := 0, 0; start < len(l.taken); start = end {
		from := l.taken[start].from
		for end = start; end < len(l.taken) && l.taken[end].from == from; end++ {
			bytes += l.taken[end].cost
		}
		from.acknowledge(l.taken[start:end])
	}
	if len(l.taken) > 0 {
		l.figures.took(l.taken, now)
		l.budget.release(bytes, int64(len(l.taken)))
	}
}
