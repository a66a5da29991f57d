package main

import (
	"context"
	"errors"
	"log"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// clientPatience is the time that a client may take to complete a frame, or to read what was written to it.
	clientPatience = 30 * time.Second
	// drainTime is the maximum time for sending queued messages at the end.
	drainTime = 10 * time.Second
	// farewellTime is the time for clients to read the last results.
	farewellTime = 2 * time.Second
)

// server is the publisher. It receives messages from sessions and passes them to lanes.
type server struct {
	config   config
	listener net.Listener
	log      *log.Logger
	api      *api
	budget   *budget
	figures  *figures
	lanes    []*lane
	patience time.Duration
	drain    time.Duration

	lastMessage atomic.Int64 // by the clock of sinceStart
	abandon     context.CancelFunc

	mu       sync.Mutex
	sessions map[*session]struct{}
	stopping bool

	readers, writers, laneGroup sync.WaitGroup
}

func newServer(c config, listener net.Listener, logger *log.Logger) *server {
	ctx, cancel := context.WithCancel(context.Background())
	s := &server{
		config: c, listener: listener, log: logger, api: newAPI(c), budget: newBudget(c.QueueBytes),
		figures: &figures{}, patience: clientPatience, drain: drainTime, abandon: cancel,
		sessions: map[*session]struct{}{},
	}
	s.lastMessage.Store(int64(sinceStart()))
	health := &health{log: logger}
	for range c.Lanes {
		s.lanes = append(s.lanes, &lane{
			ctx: ctx, api: s.api, budget: s.budget, figures: s.figures, health: health,
			retryFor: milliseconds(c.RetryForMS), wake: make(chan struct{}, 1),
		})
	}
	return s
}

// serve runs until stop is closed or the idle time has passed without a message. Then it sends queued messages and
// returns. It calls unlink first, so that new clients start another publisher.
func (s *server) serve(stop <-chan struct{}, unlink func()) {
	for _, l := range s.lanes {
		spawn(&s.laneGroup, l.run)
	}
	var accepting sync.WaitGroup
	spawn(&accepting, s.accept)
	reason := s.wait(stop)
	unlink()
	s.listener.Close()
	accepting.Wait()
	s.end(reason)
}

// wait returns the reason for ending.
func (s *server) wait(stop <-chan struct{}) string {
	idle := milliseconds(s.config.IdleMS)
	ticker := time.NewTicker(max(idle/20, time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return "stopping"
		case <-ticker.C:
			queued, _ := s.budget.queued()
			if queued == 0 && sinceStart()-time.Duration(s.lastMessage.Load()) > idle {
				return "idle"
			}
		}
	}
}

func (s *server) accept() {
	for {
		conn, err := s.listener.Accept()
		switch {
		case err == nil:
			s.welcome(conn)
		case errors.Is(err, net.ErrClosed):
			return
		default: // probably too many open files, which is temporary
			s.log.Printf("accepting a connection: %v", err)
			time.Sleep(100 * time.Millisecond)
		}
	}
}

func (s *server) welcome(conn net.Conn) {
	c := newSession(s, conn)
	s.mu.Lock()
	s.sessions[c] = struct{}{}
	s.mu.Unlock()
	spawn(&s.readers, c.receive)
	spawn(&s.writers, c.transmit)
}

func (s *server) forget(c *session) {
	s.mu.Lock()
	delete(s.sessions, c)
	s.mu.Unlock()
}

func (s *server) everySession() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*session, 0, len(s.sessions))
	for c := range s.sessions {
		all = append(all, c)
	}
	return all
}

// push passes a message to the lane of its channel.
func (s *server) push(channel []byte, m message) {
	s.lastMessage.Store(int64(m.received))
	s.lanes[hash(channel)%uint32(len(s.lanes))].push(m)
}

// hash is FNV-1a, inlined and without allocations.
func hash(channel []byte) uint32 {
	h := uint32(2166136261)
	for _, b := range channel {
		h = (h ^ uint32(b)) * 16777619
	}
	return h
}

// end sends queued messages, informs the clients, and returns when all goroutines have ended.
func (s *server) end(reason string) {
	s.budget.close()
	for _, c := range s.everySession() {
		c.stopReading()
	}
	s.readers.Wait()
	for _, l := range s.lanes {
		l.close()
	}
	timer := time.AfterFunc(s.drain, s.abandon)
	s.laneGroup.Wait()
	timer.Stop()
	s.abandon()
	s.api.close()
	for _, c := range s.everySession() {
		c.finish(reason)
	}
	farewell := time.AfterFunc(min(farewellTime, s.patience), func() {
		for _, c := range s.everySession() {
			c.close()
		}
	})
	s.writers.Wait()
	farewell.Stop()
}

func (s *server) report() report {
	r := s.figures.report()
	r.Queued, r.QueuedBytes = s.budget.queued()
	s.mu.Lock()
	r.Connections = len(s.sessions)
	s.mu.Unlock()
	return r
}

// spawn runs work in a goroutine of the group.
func spawn(group *sync.WaitGroup, work func()) {
	group.Add(1)
	go func() {
		defer group.Done()
		work()
	}()
}
