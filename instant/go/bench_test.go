package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// The benchmarks use the real server on the same machine: `go test -bench . -benchtime 500000x`.

const benchChannels = 200

// benchCommand returns a publish command for a message of 150 bytes.
func benchCommand(n int) (channel, command string) {
	channel = fmt.Sprintf("bench%d", n%benchChannels)
	payload := fmt.Sprintf(`{"n":%d,"message":"%s"}`, n, strings.Repeat("x", 125))
	return channel, fmt.Sprintf(`{"channel":%q,"data":%s,"idempotency_key":"%032x"}`, channel, payload, n)
}

// BenchmarkCeiling measures the maximum throughput of the server: 8 connections, with prepared batches of 1,000
// commands.
func BenchmarkCeiling(b *testing.B) {
	a := newAPI(config{URL: realCentrifugo(b), APIKey: "key", TimeoutMS: 5000, Lanes: 8})
	defer a.close()
	bodies := make(chan []byte, 1+b.N/1000)
	for n := 0; n < b.N; n += 1000 {
		l := lane{}
		for i := range 1000 {
			_, command := benchCommand(n + i)
			l.waiting = append(l.waiting, message{command: []byte(command)})
		}
		l.fill()
		bodies <- l.body
	}
	close(bodies)
	b.ResetTimer()
	var group sync.WaitGroup
	for range 8 {
		spawn(&group, func() {
			var reply bytes.Buffer
			for body := range bodies {
				if _, whole := a.batch(context.Background(), body, 1000, &reply); whole != nil {
					b.Error(whole)
				}
			}
		})
	}
	group.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

// BenchmarkEndToEnd measures from a client's write until it has read the results.
func BenchmarkEndToEnd(b *testing.B) {
	p := start(b, realCentrifugo(b))
	c := connect(b, p.path)
	var frames []byte
	for n := range b.N {
		channel, command := benchCommand(n)
		frames = appendFrame(frames, 'P', publishBody(uint64(n), channel, command))
	}
	b.ResetTimer()
	for part := frames; len(part) > 0; {
		n := min(len(part), 64<<10)
		c.out.Write(part[:n])
		part = part[n:]
	}
	c.flush()
	c.untilTaken(b.N)
	b.StopTimer()
	r := c.stats()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	b.ReportMetric(r.BatchMean, "commands/batch")
	b.ReportMetric(r.P99MS, "p99-ms")
}
