package main

import "sync"

// messageOverhead is what a queued message costs beyond its bytes.
const messageOverhead = 128

// budget bounds the memory of all that is queued, and makes readers wait for room.
type budget struct {
	limit int64

	// turn lets readers wait in the order in which they came, so that a large message is not starved by small ones.
	turn   sync.Mutex
	mu     sync.Mutex
	freed  *sync.Cond
	used   int64
	count  int64
	closed bool
}

func newBudget(limit int64) *budget {
	b := &budget{limit: limit}
	b.freed = sync.NewCond(&b.mu)
	return b
}

// acquire waits until there is room for a message; false where there will be none any more. A message larger than all
// of the budget gets in when nothing else is there.
func (b *budget) acquire(bytes int64) bool {
	b.turn.Lock()
	defer b.turn.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	for !b.closed && b.used > 0 && b.used+bytes > b.limit {
		b.freed.Wait()
	}
	if b.closed {
		return false
	}
	b.used += bytes
	b.count++
	return true
}

func (b *budget) release(bytes, count int64) {
	b.mu.Lock()
	b.used -= bytes
	b.count -= count
	b.mu.Unlock()
	b.freed.Signal()
}

// close lets nothing more in; what is in stays.
func (b *budget) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.freed.Broadcast()
}

func (b *budget) queued() (count, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.count, b.used
}
