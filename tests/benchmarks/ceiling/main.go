// Command ceiling publishes what it reads, as fast as the server takes it: the most that any publisher on this machine
// can reach. Standard input has one command of the server's batch API a line; standard output gets the seconds.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

type sender struct {
	url, key string
	client   *http.Client
}

func main() {
	url := flag.String("url", "http://127.0.0.1:8427", "the server")
	connections := flag.Int("connections", 8, "kept connections")
	batch := flag.Int("batch", 1000, "commands in one request")
	flag.Parse()
	transport := &http.Transport{MaxIdleConnsPerHost: *connections, MaxConnsPerHost: *connections}
	s := sender{*url + "/api/batch", os.Getenv("CEILING_KEY"), &http.Client{Transport: transport}}
	seconds, err := run(s, *connections, *batch)
	if err != nil {
		fmt.Fprintln(os.Stderr, "ceiling:", err)
		os.Exit(1)
	}
	fmt.Printf("{\"seconds\":%.6f}\n", seconds)
}

func run(s sender, connections, batch int) (float64, error) {
	bodies, err := read(os.Stdin, batch)
	if err != nil {
		return 0, err
	}
	// Connections are opened before the clock starts.
	if err := s.all(repeat([]byte(`{"commands":[]}`), connections), connections); err != nil {
		return 0, err
	}
	start := time.Now()
	err = s.all(bodies, connections)
	return time.Since(start).Seconds(), err
}

// read joins lines to the bodies of batch requests.
func read(from io.Reader, batch int) ([][]byte, error) {
	var bodies [][]byte
	var lines [][]byte
	scanner := bufio.NewScanner(from)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		lines = append(lines, bytes.Clone(scanner.Bytes()))
		if len(lines) == batch {
			bodies, lines = append(bodies, body(lines)), nil
		}
	}
	if len(lines) > 0 {
		bodies = append(bodies, body(lines))
	}
	return bodies, scanner.Err()
}

func body(lines [][]byte) []byte {
	return append(append([]byte(`{"commands":[`), bytes.Join(lines, []byte(","))...), "]}"...)
}

func repeat(body []byte, times int) [][]byte {
	bodies := make([][]byte, times)
	for i := range bodies {
		bodies[i] = body
	}
	return bodies
}

// all posts the bodies over so many connections at once, and returns the first error.
func (s sender) all(bodies [][]byte, connections int) error {
	queue := make(chan []byte, len(bodies))
	for _, body := range bodies {
		queue <- body
	}
	close(queue)
	failed := make(chan error, connections)
	var group sync.WaitGroup
	for range make([]struct{}, connections) {
		group.Add(1)
		go func() {
			defer group.Done()
			for body := range queue {
				if err := s.post(body); err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	group.Wait()
	close(failed)
	return <-failed
}

// post sends one batch; an error of one of its commands is an error.
func (s sender) post(body []byte) error {
	request, err := http.NewRequest(http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("X-API-Key", s.key)
	request.Header.Set("Content-Type", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK || bytes.Contains(answer, []byte(`"error"`)) || !json.Valid(answer) {
		return fmt.Errorf("HTTP %d: %.200s", response.StatusCode, answer)
	}
	return nil
}
