package main

import (
	"log"
	"sync"
	"time"
)

// refusalLogPause is the minimum time between two log lines about refused messages.
const refusalLogPause = 10 * time.Second

// health logs when the server becomes unreachable and reachable again, and samples of refused messages. It writes one
// line per change, so that a long outage does not fill the disk.
type health struct {
	log *log.Logger

	mu       sync.Mutex
	away     bool
	since    time.Duration
	lastLine time.Duration
	unsaid   int
}

// report receives the result of a request, which is nil for success.
func (h *health) report(whole *failure) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := sinceStart()
	away := whole != nil && whole.retry && !whole.split
	switch {
	case away && !h.away:
		h.since = now
		h.log.Printf("the server is unreachable: %s", whole.reason)
	case !away && h.away:
		h.log.Printf("the server is reachable again after %s", (now - h.since).Round(time.Millisecond))
	}
	h.away = away
}

// refused receives the failure of a message.
func (h *health) refused(f *failure) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unsaid++
	if now := sinceStart(); h.lastLine == 0 || now-h.lastLine > refusalLogPause {
		h.log.Printf("%d messages refused, the latest with code %d: %s", h.unsaid, f.code, f.reason)
		h.lastLine, h.unsaid = now, 0
	}
}
