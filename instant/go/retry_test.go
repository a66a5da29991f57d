package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// oddly is a response of a fake. It returns true if it has responded.
type oddly = func(n int, w http.ResponseWriter, r *http.Request, batch []published) bool

// odds are responses that the messages did not cause, so they must be retried.
var odds = map[string]oddly{
	"500": func(_ int, w http.ResponseWriter, _ *http.Request, _ []published) bool {
		w.WriteHeader(500)
		return true
	},
	"503": func(_ int, w http.ResponseWriter, _ *http.Request, _ []published) bool {
		w.WriteHeader(503)
		return true
	},
	"empty":       func(int, http.ResponseWriter, *http.Request, []published) bool { return true },
	"not JSON":    answering("<html>"),
	"wrong count": answering(`{"replies":[{"publish":{}},{"publish":{}},{"publish":{}},{"publish":{}}]}`),
	"no replies":  answering(`{}`),
	"neither":     answering(`{"replies":[{}]}`),
	"internal":    answering(`{"error":{"code":100,"message":"internal server error"}}`),
	"half": func(_ int, w http.ResponseWriter, _ *http.Request, _ []published) bool {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, `{"replies":[`)
		return true
	},
	"reset": func(_ int, _ http.ResponseWriter, _ *http.Request, _ []published) bool { panic(http.ErrAbortHandler) },
	"hang": func(_ int, _ http.ResponseWriter, r *http.Request, _ []published) bool {
		select {
		case <-r.Context().Done():
		case <-time.After(2 * time.Second):
		}
		return true
	},
}

func TestOrderIsKeptThroughRetries(t *testing.T) {
	for name, answer := range odds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.behave(func(n int, w http.ResponseWriter, r *http.Request, b []published) bool {
				return n <= 2 && answer(n, w, r, b)
			})
			p := start(t, f.URL, func(c *config, _ *server) { c.TimeoutMS = 150; c.RetryForMS = 20_000 })
			c := connect(t, p.path)
			for seq := range uint64(60) {
				c.publish(seq+1, "one")
			}
			c.untilTaken(60)
			f.inOrder(t, "one", 60)
			if p.figures.report().Retried == 0 {
				t.Error("nothing was retried")
			}
		})
	}
}

func answering(body string) oddly {
	return func(_ int, w http.ResponseWriter, _ *http.Request, _ []published) bool {
		io.WriteString(w, body)
		return true
	}
}

func TestOrderOfEachOfManyChannelsUnderChaos(t *testing.T) {
	f := newFake(t)
	f.behave(func(_ int, w http.ResponseWriter, _ *http.Request, batch []published) bool {
		switch rand.N(4) {
		case 0:
			w.WriteHeader(502)
		case 1: // taken, but the answer is lost
			f.take(batch)
			panic(http.ErrAbortHandler)
		default:
			return false
		}
		return true
	})
	p := start(t, f.URL)
	c := connect(t, p.path)
	for n := 1; n <= 50; n++ {
		for ch := range 20 {
			name := fmt.Sprintf("c%d", ch)
			c.raw(uint64(n*100+ch), name, command(name, n))
		}
	}
	c.untilTaken(1000)
	for ch := range 20 {
		f.inOrder(t, fmt.Sprintf("c%d", ch), 50)
	}
}

func TestErrorsOfTheServerAreTold(t *testing.T) {
	cases := []struct {
		name   string
		answer oddly
		code   uint32
		retry  bool
		reason string
	}{
		{"401", func(_ int, w http.ResponseWriter, _ *http.Request, _ []published) bool {
			w.WriteHeader(401)
			return true
		}, 401, false, "API key"},
		{"403", func(_ int, w http.ResponseWriter, _ *http.Request, _ []published) bool {
			w.WriteHeader(403)
			return true
		}, 403, false, "403"},
		{"redirect", func(_ int, w http.ResponseWriter, r *http.Request, _ []published) bool {
			http.Redirect(w, r, "/else", 302)
			return true
		}, 302, false, "302"},
		{"502 for long", func(_ int, w http.ResponseWriter, _ *http.Request, _ []published) bool {
			w.WriteHeader(502)
			return true
		}, 0, true, "502"},
		{"100 for long", answering(`{"replies":[{"error":{"code":100,"message":"internal server error"}}]}`), 100, true, "internal"},
		{"102", answering(`{"replies":[{"error":{"code":102,"message":"unknown channel"}}]}`), 102, false, "unknown channel"},
		{"all 107", answering(`{"error":{"code":107,"message":"bad request"}}`), 107, false, "bad request"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.behave(tc.answer)
			c := connect(t, start(t, f.URL, fastRetries, patientTimeout).path)
			c.publish(7, "one")
			got := c.untilRefused(7)
			if got.code != tc.code || got.retryable != tc.retry || !strings.Contains(got.reason, tc.reason) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestEachCommandHasItsOwnAnswer(t *testing.T) {
	f := newFake(t)
	f.behave(func(n int, w http.ResponseWriter, _ *http.Request, batch []published) bool {
		parts := []string{}
		for _, c := range batch {
			switch {
			case string(c.Data) == "3":
				parts = append(parts, `{"error":{"code":102,"message":"unknown channel"}}`)
			case string(c.Data) == "4" && n <= 3:
				parts = append(parts, `{"error":{"code":100,"message":"internal server error"}}`)
			default:
				f.take([]published{c})
				parts = append(parts, `{"publish":{"offset":1,"epoch":"x"}}`)
			}
		}
		fmt.Fprintf(w, `{"replies": [%s]}`, strings.Join(parts, ", "))
		return true
	})
	c := connect(t, start(t, f.URL).path)
	for seq := range uint64(6) {
		c.publish(seq+1, "one")
	}
	c.untilTaken(5)
	if got := c.untilRefused(3); got.code != 102 || got.retryable {
		t.Errorf("%+v", got)
	}
	if got := len(f.got("one")); got != 5 {
		t.Errorf("%d were published", got)
	}
}

func TestThePauseBetweenAttemptsGrows(t *testing.T) {
	ended, cancel := context.WithCancel(context.Background())
	cancel() // so that rest returns at once
	l := &lane{ctx: ended}
	var pauses []time.Duration
	for range 8 {
		l.rest()
		pauses = append(pauses, l.pause/time.Millisecond)
	}
	if want := []time.Duration{50, 100, 200, 400, 800, 1600, 2000, 2000}; !slices.Equal(pauses, want) {
		t.Errorf("%d ms, want %d", pauses, want)
	}
	l.prepareNext(1, nil)
	if l.pause != 0 {
		t.Error("a success does not end the growth")
	}
}

func TestAttemptsAreFewWhileTheServerIsAway(t *testing.T) {
	f := newFake(t)
	until := time.Now().Add(time.Second)
	f.behave(func(n int, w http.ResponseWriter, r *http.Request, b []published) bool {
		return time.Now().Before(until) && odds["503"](n, w, r, b)
	})
	p := start(t, f.URL, func(c *config, _ *server) { c.RetryForMS = 20_000 })
	c := connect(t, p.path)
	c.publish(1, "one")
	c.untilTaken(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	// Pauses of at least 25, 50, 100, 200, 400 and 800 ms: seven attempts at most, and the last one succeeds.
	if f.requests < 2 || f.requests > 7 {
		t.Errorf("%d attempts", f.requests)
	}
}
