package main

import (
	"os"
	"slices"
	"sync"
	"time"
)

// remembered is the number of messages whose times are stored.
const remembered = 8192

var started = time.Now()

// sinceStart is a monotonic clock.
func sinceStart() time.Duration { return time.Since(started) }

// report is the body of an s frame. p50_ms and p99_ms are milliseconds from the receipt of a message to the server's
// response, over the last 8,192 messages. retried counts attempts, batches counts requests with or without a response,
// and batch_mean is the mean number of commands per request.
type report struct {
	PID         int     `json:"pid"`
	UptimeS     float64 `json:"uptime_s"`
	Queued      int64   `json:"queued"`
	QueuedBytes int64   `json:"queued_bytes"`
	Sent        int64   `json:"sent"`
	Failed      int64   `json:"failed"`
	Retried     int64   `json:"retried"`
	Batches     int64   `json:"batches"`
	BatchMean   float64 `json:"batch_mean"`
	P50MS       float64 `json:"p50_ms"`
	P99MS       float64 `json:"p99_ms"`
	Connections int     `json:"connections"`
}

// figures counts the results of all lanes.
type figures struct {
	mu                             sync.Mutex
	sent, failed, retried, batches int64
	times                          [remembered]time.Duration
}

func (f *figures) took(messages []message, now time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range messages {
		f.times[f.sent%remembered] = now - messages[i].received
		f.sent++
	}
}

func (f *figures) refused() {
	f.mu.Lock()
	f.failed++
	f.mu.Unlock()
}

func (f *figures) again(n int) {
	f.mu.Lock()
	f.retried += int64(n)
	f.mu.Unlock()
}

func (f *figures) request() {
	f.mu.Lock()
	f.batches++
	f.mu.Unlock()
}

func (f *figures) report() report {
	f.mu.Lock()
	r := report{Sent: f.sent, Failed: f.failed, Retried: f.retried, Batches: f.batches}
	times := slices.Clone(f.times[:min(f.sent, remembered)])
	f.mu.Unlock()
	r.PID = os.Getpid()
	r.UptimeS = sinceStart().Seconds()
	r.BatchMean = float64(r.Sent+r.Failed+r.Retried) / float64(max(r.Batches, 1))
	slices.Sort(times)
	r.P50MS, r.P99MS = quantile(times, 50), quantile(times, 99)
	return r
}

func quantile(sorted []time.Duration, percent int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[len(sorted)*percent/100].Seconds() * 1000
}
