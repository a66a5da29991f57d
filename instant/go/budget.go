package main

import "sync"

// messageOverhead is the memory of a queued message beyond its frame, in bytes.
const messageOverhead = 128

// budget limits the memory of all queued messages. Readers wait while it is used up.
type budget struct {
	limit int64

	// turn serves waiting readers in order, so that small messages do not starve a large one.
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

// acquire waits until there is memory for a message. It returns false if the budget is closed. A message larger than
// the whole budget is accepted when the queue is empty.
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

// close accepts no more messages. Queued messages stay.
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
