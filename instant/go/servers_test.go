package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// published is the content of a command that the fake server received.
type published struct {
	Channel string          `json:"channel"`
	Data    json.RawMessage `json:"data"`
	Key     string          `json:"idempotency_key"`
}

// fake is a Centrifugo whose responses can be changed. It remembers all idempotency keys, keeps the order of a batch,
// and accepts nothing of a batch that it cannot parse, like the real server.
type fake struct {
	*httptest.Server
	mu       sync.Mutex
	odd      func(n int, w http.ResponseWriter, r *http.Request, batch []published) bool
	requests int
	sizes    []int
	bodies   []int
	received map[string][]string // by channel
	seen     map[string]bool
}

func newFake(t testing.TB) *fake { return newFakeAt(t, "127.0.0.1:0") }

func newFakeAt(t testing.TB, address string) *fake {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{received: map[string][]string{}, seen: map[string]bool{}}
	f.Server = httptest.NewUnstartedServer(f)
	f.Server.Listener.Close()
	f.Server.Listener = listener
	f.Start()
	t.Cleanup(f.Close)
	return f
}

// behave sets a function that responds instead of the fake if it returns true. n counts requests from 1.
func (f *fake) behave(odd func(n int, w http.ResponseWriter, r *http.Request, batch []published) bool) {
	f.mu.Lock()
	f.odd = odd
	f.mu.Unlock()
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var batch struct {
		Commands []struct{ Publish *published }
	}
	err := json.Unmarshal(body, &batch)
	commands := []published{}
	for _, c := range batch.Commands {
		if c.Publish == nil {
			err = io.ErrUnexpectedEOF
			break
		}
		commands = append(commands, *c.Publish)
	}
	f.mu.Lock()
	f.requests++
	f.bodies = append(f.bodies, len(body))
	n, odd := f.requests, f.odd
	f.mu.Unlock()
	switch {
	case r.URL.Path != "/prefix/api/batch" && r.URL.Path != "/api/batch":
		http.NotFound(w, r)
	case r.Header.Get("X-API-Key") != "key":
		w.WriteHeader(http.StatusUnauthorized)
	case odd != nil && odd(n, w, r, commands):
	case err != nil:
		http.Error(w, "Bad Request", http.StatusBadRequest)
	default:
		io.WriteString(w, f.take(commands))
	}
}

// take accepts commands, each key once, and returns the response.
func (f *fake) take(commands []published) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sizes = append(f.sizes, len(commands))
	var answer bytes.Buffer
	answer.WriteString(`{"replies":[`)
	for i, c := range commands {
		if i > 0 {
			answer.WriteByte(',')
		}
		answer.WriteString(`{"publish":{}}`)
		if c.Key == "" || !f.seen[c.Key] {
			f.seen[c.Key] = true
			f.received[c.Channel] = append(f.received[c.Channel], string(c.Data))
		}
	}
	answer.WriteString("]}")
	return answer.String()
}

func (f *fake) got(channel string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.received[channel]...)
}

// inOrder fails the test unless the channel received 1 to n in order.
func (f *fake) inOrder(t *testing.T, channel string, n int) {
	t.Helper()
	got := f.got(channel)
	if len(got) != n {
		t.Fatalf("%s got %d messages, not %d", channel, len(got), n)
	}
	for i, data := range got {
		if data != fmt.Sprint(i+1) {
			t.Fatalf("%s: message %s at place %d", channel, data, i+1)
		}
	}
}

// realCentrifugo runs the real server, with history in the namespace "kept", and returns its URL.
func realCentrifugo(t testing.TB) string {
	t.Helper()
	binary, err := exec.LookPath("centrifugo")
	if err != nil {
		t.Skip("no centrifugo on PATH")
	}
	port := freePort(t)
	config := fmt.Sprintf(`{"http_server":{"address":"127.0.0.1","port":%d},"http_api":{"key":"key"},"log":{"level":"error"},
		"usage_stats":{"disabled":true},"health":{"enabled":true},
		"channel":{"namespaces":[{"name":"kept","history_size":2000,"history_ttl":"300s"}]}}`, port)
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	server := exec.Command(binary, "-c", path)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Process.Kill(); server.Wait() })
	url := fmt.Sprintf("http://127.0.0.1:%d", port)
	eventually(t, "centrifugo is up", func() bool {
		response, err := http.Get(url + "/health")
		if err == nil {
			response.Body.Close()
		}
		return err == nil
	})
	http.DefaultClient.CloseIdleConnections()
	return url
}

func freePort(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func eventually(t testing.TB, what string, true func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !true(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}
