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

// settle answers those of the n first messages that are done with, and keeps the others at the front.
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

// of is what the failure of a whole batch means for one of its commands.
func (f *failure) of(command []byte) *failure {
	if f.inspect && !json.Valid(command) {
		return &failure{code: codeBadRequest, reason: "bad request: the command is not JSON"}
	}
	return f
}

// advance leaves the n first messages behind, but for those that are kept.
func (l *lane) advance(n int) {
	done := n - len(l.kept)
	copy(l.waiting[l.head+done:], l.kept)
	clear(l.waiting[l.head : l.head+done]) // so that the commands' memory is free
	l.head += done
	l.singly = max(0, l.singly-done)
	l.figures.again(len(l.kept))
	clear(l.kept)
	clear(l.taken)
}

// goOn decides how the next request is made, after one with n commands.
func (l *lane) goOn(n int, whole *failure) {
	kept := len(l.kept)
	switch {
	case whole != nil && whole.split:
		if kept == n {
			l.singly = n // nothing in sight is wrong with any
		}
	case kept > 0:
		l.rest()
	case whole != nil && whole.retry:
		l.giveUp(whole)
		l.rest()
	default:
		l.pause = 0
	}
}

// giveUp refuses all that is too old to be tried: when the server is back from a long absence, or is not, a queue of
// old messages must not be tried batch by batch, with a timeout for each.
func (l *lane) giveUp(why *failure) {
	now := sinceStart()
	for l.head < len(l.waiting) && l.tooOld(l.waiting[l.head], now) {
		l.refuse(l.waiting[l.head], why)
		l.waiting[l.head] = message{}
		l.head++
	}
}

// tooOld also says of every message that it is, when the publisher must end.
func (l *lane) tooOld(m message, now time.Duration) bool {
	return now-m.received > l.retryFor || l.ctx.Err() != nil
}

// rest waits before the next try: each time longer, and never as long as the other lanes.
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

// acknowledge answers what is taken, with one call for what one client sent in a row.
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
