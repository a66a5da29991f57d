package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"
)

// protocol is the version of the frames.
const protocol = 1

const (
	// maxConfigBytes limits the line on stdin.
	maxConfigBytes = 64 << 10
	// maxRetryFor is shorter than the 5 minutes for which the server remembers an idempotency key.
	maxRetryFor = 240 * time.Second
	maxLanes    = 64
)

// config is the configuration from stdin. Durations are in milliseconds.
type config struct {
	Protocol    int    `json:"protocol"`
	Fingerprint string `json:"fingerprint"`
	URL         string `json:"url"`
	APIKey      string `json:"api_key"`
	RetryForMS  int64  `json:"retry_for_ms"`
	QueueBytes  int64  `json:"queue_bytes"`
	IdleMS      int64  `json:"idle_ms"`
	TimeoutMS   int64  `json:"timeout_ms"`
	Lanes       int    `json:"lanes"`
}

func readConfig(in io.Reader) (config, error) {
	var c config
	line, err := bufio.NewReader(io.LimitReader(in, maxConfigBytes)).ReadBytes('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return c, fmt.Errorf("reading the configuration: %w", err)
	}
	if json.Unmarshal(line, &c) != nil {
		// The decoder's error is not shown, because it may quote the key.
		return c, errors.New("the configuration on stdin must be one line of JSON, as doc.go describes")
	}
	c.setDefaults()
	return c, c.check()
}

func (c *config) setDefaults() {
	c.URL = strings.TrimRight(c.URL, "/")
	setDefault(&c.RetryForMS, 30_000)
	setDefault(&c.QueueBytes, 64<<20)
	setDefault(&c.IdleMS, 600_000)
	setDefault(&c.TimeoutMS, 5_000)
	setDefault(&c.Lanes, 4)
	c.RetryForMS = min(c.RetryForMS, maxRetryFor.Milliseconds())
	c.Lanes = min(c.Lanes, maxLanes)
}

func setDefault[T int | int64](value *T, standard T) {
	if *value == 0 {
		*value = standard
	}
}

func (c *config) check() error {
	if c.Protocol != protocol {
		return fmt.Errorf("the configuration has protocol %d, this publisher protocol %d", c.Protocol, protocol)
	}
	if c.Fingerprint == "" {
		return errors.New("the configuration has no fingerprint")
	}
	if min(c.RetryForMS, c.QueueBytes, c.IdleMS, c.TimeoutMS, int64(c.Lanes)) < 0 {
		return errors.New("the configuration has a negative number")
	}
	address, err := url.Parse(c.URL)
	if err != nil || address.Host == "" || (address.Scheme != "http" && address.Scheme != "https") {
		return errors.New("the configuration's url is none of http:// or https://")
	}
	return nil
}

func milliseconds(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
