package main

import (
	"log"
	"sync"
	"time"
)

// refusalLogPause is how often a refused message is worth a line.
const refusalLogPause = 10 * time.Second

// health writes to the log when the server goes away and comes back, and samples of what it refuses: one line a change
// and not one a message, so that a long trouble does not fill a disk.
type health struct {
	log *log.Logger

	mu       sync.Mutex
	away     bool
	since    time.Duration
	lastLine time.Duration
	unsaid   int
}

// report takes the result of a request, nil for a good one.
func (h *health) report(whole *failure) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := sinceStart()
	away := whole != nil && whole.retry && !whole.split
	switch {
	case away && !h.away:
		h.since = now
		h.log.Printf("the server is away: %s", whole.reason)
	case !away && h.away:
		h.log.Printf("the server is back after %s", (now - h.since).Round(time.Millisecond))
	}
	h.away = away
}

// refused takes what a client is told of a message.
func (h *health) refused(f *failure) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unsaid++
	if now := sinceStart(); h.lastLine == 0 || now-h.lastLine > refusalLogPause {
		h.log.Printf("refused, the latest of %d: %d %s", h.unsaid, f.code, f.reason)
		h.lastLine, h.unsaid = now, 0
	}
}
