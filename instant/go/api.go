package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// maxReply limits the bytes that are read of a response. The response to 1,000 commands has about 60 KiB.
const maxReply = 16 << 20

// api is a client of the server's HTTP API. It is safe for concurrent use.
type api struct {
	url     string
	key     string
	timeout time.Duration
	client  *http.Client
}

func newAPI(c config) *api {
	dialer := &net.Dialer{Timeout: milliseconds(c.TimeoutMS), KeepAlive: 30 * time.Second}
	transport := &http.Transport{
		// No Proxy: the site's settings name the server, and a worker's environment must not redirect requests.
		DialContext:         dialer.DialContext,
		MaxIdleConns:        c.Lanes,
		MaxIdleConnsPerHost: c.Lanes,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true,
		WriteBufferSize:     64 << 10,
		ReadBufferSize:      64 << 10,
	}
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &api{url: c.URL + "/api/batch", key: c.APIKey, timeout: milliseconds(c.TimeoutMS), client: client}
}

// close closes idle connections.
func (a *api) close() { a.client.CloseIdleConnections() }

// batch sends a body with n commands. If the request as a whole succeeds, failures has one entry for each failed
// command, by its index. reply is a buffer that is reused.
func (a *api) batch(ctx context.Context, body []byte, n int, reply *bytes.Buffer) (failures map[int]*failure, whole *failure) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	status, err := a.post(ctx, body, reply)
	switch {
	case err != nil:
		return nil, noAnswer("no answer from the server: %v", cause(err))
	case status != http.StatusOK:
		return nil, ofStatus(status, n)
	}
	return parseReply(reply.Bytes(), n)
}

func (a *api) post(ctx context.Context, body []byte, reply *bytes.Buffer) (status int, err error) {
	lent := &lentBody{Reader: *bytes.NewReader(body), returned: make(chan struct{})}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url, lent)
	if err != nil {
		return 0, fmt.Errorf("making a request: %w", err)
	}
	request.ContentLength = int64(len(body))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-API-Key", a.key)
	response, err := a.client.Do(request)
	if err == nil {
		err = readAll(response, reply)
		status = response.StatusCode
	}
	<-lent.returned
	return status, err
}

func readAll(response *http.Response, reply *bytes.Buffer) error {
	defer response.Body.Close()
	reply.Reset()
	n, err := reply.ReadFrom(io.LimitReader(response.Body, maxReply))
	if err == nil && n == maxReply {
		err = errors.New("the response is too long")
	}
	if err != nil {
		return fmt.Errorf("reading the response: %w", err)
	}
	return nil
}

// cause returns an error without the URL, which may contain a password.
func cause(err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("timeout")
	}
	return err
}

// lentBody reports when the transport has finished reading it. The transport may still read a body after the response
// has arrived, and our buffer is reused.
type lentBody struct {
	bytes.Reader
	returned chan struct{}
	once     sync.Once
}

// Close is called by the transport when it reads no more, possibly more than once.
func (b *lentBody) Close() error {
	b.once.Do(func() { close(b.returned) })
	return nil
}

var (
	replyStart = []byte(`{"replies":[`)
	replyEnd   = []byte(`]}`)
	replyTaken = []byte(`{"publish":`)
	replyError = []byte(`"error"`)
)

// parseReply parses the response to n commands. It parses JSON only if a command failed.
func parseReply(reply []byte, n int) (failures map[int]*failure, whole *failure) {
	reply = bytes.TrimSpace(reply)
	if bytes.HasPrefix(reply, replyStart) && bytes.HasSuffix(reply, replyEnd) &&
		!bytes.Contains(reply, replyError) && bytes.Count(reply, replyTaken) == n {
		return nil, nil
	}
	var a answer
	if json.Unmarshal(reply, &a) != nil {
		return nil, noAnswer("the server's response is not JSON")
	}
	if a.Error != nil {
		return nil, a.Error.failure()
	}
	if len(a.Replies) != n {
		whole = noAnswer("the server answered %d of %d commands", len(a.Replies), n)
		whole.inspect = true
		return nil, whole
	}
	return a.failures(), nil
}

// answer is the server's response to a batch.
type answer struct {
	Error   *apiError
	Replies []struct {
		Error   *apiError
		Publish json.RawMessage
	}
}

func (a *answer) failures() map[int]*failure {
	failures := map[int]*failure{}
	for i, r := range a.Replies {
		if r.Error != nil {
			failures[i] = r.Error.failure()
		} else if r.Publish == nil {
			failures[i] = noAnswer("the server's reply contains neither publish nor error")
		}
	}
	return failures
}
