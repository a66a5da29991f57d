package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func fastRetries(c *config, _ *server) { c.RetryForMS, c.TimeoutMS = 300, 100 }

func TestMessagesArriveInOrderAndAreAcknowledged(t *testing.T) {
	f := newFake(t)
	c := connect(t, start(t, f.URL+"/prefix/").path)
	for seq := range uint64(500) {
		c.publish(seq+1, "one")
	}
	c.untilTaken(500)
	f.inOrder(t, "one", 500)
}

// held blocks a first request, so that messages queue up behind it, and returns a function that releases it.
func held(f *fake) (release func()) {
	gate := make(chan struct{})
	f.behave(func(n int, _ http.ResponseWriter, r *http.Request, _ []published) bool {
		if n == 1 {
			select {
			case <-gate:
			case <-r.Context().Done():
			}
		}
		return false
	})
	return func() { close(gate) }
}

func patientTimeout(c *config, _ *server) { c.TimeoutMS = 20_000 }

func TestOneBadCommandDoesNotFailTheOthers(t *testing.T) {
	for name, bad := range map[string]string{
		"not JSON":       `{"channel":`,
		"smuggled":       `{}},{"publish":{"channel":"x","data":1}`,
		"of wrong type":  `{"channel":5,"data":1}`,
		"not an object":  `"text"`,
		"nothing at all": ``,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			release := held(f)
			c := connect(t, start(t, f.URL, patientTimeout).path)
			c.publish(1, "one")
			c.publish(2, "one")
			c.raw(100, "one", bad)
			c.publish(3, "one")
			c.publish(4, "one")
			release()
			if got := c.untilRefused(100); got.code != 107 || got.retryable {
				t.Errorf("%+v", got)
			}
			c.untilTaken(4)
			f.inOrder(t, "one", 4)
		})
	}
}

func TestWhatWaitsIsOneBatchWithinItsLimits(t *testing.T) {
	f := newFake(t)
	release := held(f)
	c := connect(t, start(t, f.URL, patientTimeout).path)
	for seq := range uint64(2_500) {
		c.publish(seq+1, "one")
	}
	large := fmt.Sprintf(`{"channel":"one","data":%q}`, strings.Repeat("x", 300<<10))
	for seq := range uint64(4) {
		c.raw(seq+3_000, "one", large)
	}
	c.raw(4_000, "one", fmt.Sprintf(`{"channel":"one","data":%q}`, strings.Repeat("x", 900<<10)))
	release()
	c.untilTaken(2_505)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.sizes) > 10 {
		t.Errorf("%d requests, of %v commands", len(f.sizes), f.sizes)
	}
	for i, size := range f.sizes {
		if size > maxBatchCommands || (size > 1 && f.bodies[i] > maxBatchBytes) {
			t.Errorf("a request of %d commands, %d bytes", size, f.bodies[i])
		}
	}
}

func TestTooLargeForAProxyIsSentSingly(t *testing.T) {
	f := newFake(t)
	f.behave(func(_ int, w http.ResponseWriter, r *http.Request, batch []published) bool {
		if len(batch) > 1 || string(batch[0].Data) == "3" {
			w.WriteHeader(413)
			return true
		}
		return false
	})
	c := connect(t, start(t, f.URL).path)
	for seq := range uint64(40) {
		c.publish(seq+1, "one")
	}
	if got := c.untilRefused(3); got.code != 413 {
		t.Errorf("%+v", got)
	}
	c.untilTaken(39)
}

func TestAServerThatIsNotThere(t *testing.T) {
	p := start(t, fmt.Sprintf("http://127.0.0.1:%d", freePort(t)), fastRetries)
	c := connect(t, p.path)
	begin := time.Now()
	for seq := range uint64(5) {
		c.publish(seq+1, fmt.Sprint(seq))
	}
	got := c.untilRefused(5)
	if got.code != 0 || !got.retryable || !strings.Contains(got.reason, "refused") {
		t.Errorf("%+v", got)
	}
	if took := time.Since(begin); took < 250*time.Millisecond {
		t.Errorf("given up after %s", took)
	}
	c.until("five refusals", func() bool { return len(c.refused) == 5 })
}

func TestReplies(t *testing.T) {
	for reply, want := range map[string]string{
		`{"replies":[{"publish":{}},{"publish":{"offset":3,"epoch":"a"}}]}` + "\n":        "taken",
		`{"replies": [{"publish": {}}, {"publish": {}}]}`:                                 "taken",
		`{"replies":[{"publish":{}},{"error":{"code":102,"message":"unknown channel"}}]}`: "1: 102",
		`{"replies":[{"publish":{}}]}`:                                                    "whole: 0",
		`{"replies":[{"publish":{}},{"publish":{}}`:                                       "whole: 0",
		`{"error":{"code":107,"message":"bad request"}}`:                                  "whole: 107",
		``: "whole: 0",
	} {
		failures, whole := parseReply([]byte(reply), 2)
		got := "taken"
		if whole != nil {
			got = fmt.Sprintf("whole: %d", whole.code)
		} else if failures[1] != nil {
			got = fmt.Sprintf("1: %d", failures[1].code)
		}
		if got != want {
			t.Errorf("%s: %s, not %s", reply, got, want)
		}
	}
}
