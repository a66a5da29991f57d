package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const secret = "a-secret-key"

// process is a publisher that runs as Django starts it.
type process struct {
	*exec.Cmd
	path   string
	stderr bytes.Buffer
}

// launch starts a publisher with a configuration, and does not wait for it.
func launch(t *testing.T, path, config string) (*process, *bufio.Reader) {
	t.Helper()
	p := &process{Cmd: exec.Command(built, "-socket", path), path: path}
	p.Stdin, p.Stderr = strings.NewReader(config+"\n"), &p.stderr
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill(); p.Process.Wait() })
	return p, bufio.NewReader(out)
}

func spawnReady(t *testing.T, path, url string) *process {
	t.Helper()
	p, out := launch(t, path, processConfig(url, "key"))
	if line, _ := out.ReadString('\n'); line != "ready\n" {
		t.Fatalf("%q %s", line, &p.stderr)
	}
	if rest, err := out.ReadByte(); err == nil {
		t.Fatalf("stdout goes on with %q", rest)
	}
	return p
}

func processConfig(url, key string) string {
	c := config{Protocol: 1, Fingerprint: fingerprint, URL: url, APIKey: key, TimeoutMS: 2_000}
	text, _ := json.Marshal(c)
	return string(text)
}

func (p *process) exit(t *testing.T, want int) {
	t.Helper()
	timer := time.AfterFunc(20*time.Second, func() { p.Process.Kill() })
	defer timer.Stop()
	p.Wait()
	if got := p.ProcessState.ExitCode(); got != want {
		t.Errorf("exit status %d, not %d: %s", got, want, &p.stderr)
	}
}

func TestTwoAreNeverThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	f := newFake(t)
	first := spawnReady(t, path, f.URL)
	second, _ := launch(t, path, processConfig(f.URL, "key"))
	second.exit(t, exitTaken)
	if second.stderr.Len() > 0 {
		t.Errorf("it says %q", &second.stderr)
	}
	c := connect(t, path)
	c.publish(1, "one")
	c.untilTaken(1)
	first.Process.Kill() // leaves its socket and its lock file behind
	first.Process.Wait()
	third := spawnReady(t, path, f.URL)
	connect(t, path)
	third.Process.Signal(syscall.SIGINT)
	third.exit(t, exitDone)
}

func TestSIGTERMDrains(t *testing.T) {
	f := newFake(t)
	release := held(f)
	path := filepath.Join(t.TempDir(), "s")
	p := spawnReady(t, path, f.URL)
	c := connect(t, path)
	for seq := range uint64(1_000) {
		c.publish(seq+1, "one")
	}
	eventually(t, "all is queued", func() bool { return c.stats().Queued == 1_000 })
	p.Process.Signal(syscall.SIGHUP) // is ignored
	p.Process.Signal(syscall.SIGTERM)
	eventually(t, "the socket is gone", func() bool { _, err := os.Stat(path); return os.IsNotExist(err) })
	release()
	p.exit(t, exitDone)
	c.until("X", func() bool { return c.closed == "stopping" })
	f.inOrder(t, "one", 1_000)
}

func TestOnlyItsOwnSocketIsRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	p := spawnReady(t, path, newFake(t).URL)
	os.Remove(path)
	other, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	p.Process.Signal(syscall.SIGTERM)
	p.exit(t, exitDone)
	if _, err := os.Stat(path); err != nil {
		t.Error("the other's socket is gone")
	}
}

func TestFilesAreTheUsersOwnAndHoldNoSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	os.WriteFile(path+".log", bytes.Repeat([]byte("x"), maxLog+1), 0o600)
	url := strings.Replace(newFake(t).URL, "http://", "http://user:"+secret+"@", 1)
	p, out := launch(t, path, processConfig(url, secret))
	out.ReadString('\n')
	c := connect(t, path)
	c.raw(1, "one", `{"channel":"one","data":"`+secret+`"}`)
	c.untilRefused(1)
	p.Process.Signal(syscall.SIGTERM)
	for _, name := range []string{path, path + ".lock", path + ".log"} {
		if info, err := os.Stat(name); err == nil && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has %v", filepath.Base(name), info.Mode())
		}
	}
	p.exit(t, exitDone)
	text, _ := os.ReadFile(path + ".log")
	if bytes.Contains(text, []byte(secret)) || len(text) > 1000 || !bytes.Contains(text, []byte("401")) {
		t.Errorf("the log: %.1000s", text)
	}
}

func TestWhatCannotStartSaysWhy(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "file")
	os.WriteFile(file, nil, 0o600)
	good := processConfig("http://127.0.0.1:1", secret)
	for name, tc := range map[string]struct {
		path, config, says string
		status             int
	}{
		"no JSON":       {folder + "/s", `{"api_key":"` + secret, "line of JSON", exitUsage},
		"wrong type":    {folder + "/s", `{"api_key":{"x":"` + secret + `"}}`, "line of JSON", exitUsage},
		"protocol":      {folder + "/s", strings.Replace(good, `l":1`, `l":9`, 1), "protocol 9", exitUsage},
		"url":           {folder + "/s", processConfig("ftp://x", secret), "url", exitUsage},
		"fingerprint":   {folder + "/s", strings.Replace(good, fingerprint, "", 1), "fingerprint", exitUsage},
		"negative":      {folder + "/s", strings.Replace(good, `2000`, `-1`, 1), "negative", exitUsage},
		"no path":       {"", good, "-socket", exitUsage},
		"no folder":     {folder + "/not/there", good, "lock", exitFailed},
		"not a socket":  {file, good, "listening", exitFailed},
		"too long path": {folder + "/" + strings.Repeat("x", 120), good, "listening", exitFailed},
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := launch(t, tc.path, tc.config)
			p.exit(t, tc.status)
			said := p.stderr.String()
			if !strings.Contains(said, tc.says) || strings.Contains(said, secret) {
				t.Errorf("it says %q", said)
			}
		})
	}
	if _, err := os.Stat(file); err != nil {
		t.Error("a file was removed")
	}
}

func TestTheRealServer(t *testing.T) {
	url := realCentrifugo(t)
	path := filepath.Join(t.TempDir(), "s")
	p := spawnReady(t, path, url)
	c := connect(t, path)
	for seq := range uint64(1_500) {
		c.publish(seq+1, "kept:one")
	}
	c.raw(5_000, "nowhere:x", command("nowhere:x", 1))
	c.raw(5_001, "kept:one", `{"channel":7}`)
	if got := c.untilRefused(5_000); got.code != 102 || got.retryable {
		t.Errorf("%+v", got)
	}
	if got := c.untilRefused(5_001); got.code != 107 || got.retryable {
		t.Errorf("%+v", got)
	}
	c.untilTaken(1_500)
	c.publish(1_500, "kept:one") // the server knows its key
	c.publish(1_501, "kept:one")
	c.untilTaken(1_501)
	p.Process.Signal(syscall.SIGTERM)
	p.exit(t, exitDone)
	for i, data := range history(t, url, "kept:one") {
		if data != i+1 {
			t.Fatalf("message %d at place %d", data, i+1)
		}
	}
}

func history(t *testing.T, url, channel string) (all []int) {
	t.Helper()
	a := newAPI(config{URL: url, APIKey: "key", TimeoutMS: 5000, Lanes: 1})
	defer a.close()
	a.url = url + "/api/history"
	var reply bytes.Buffer
	if _, err := a.post(context.Background(), fmt.Appendf(nil, `{"channel":%q,"limit":-1}`, channel), &reply); err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Result struct{ Publications []struct{ Data int } }
	}
	if err := json.Unmarshal(reply.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	for _, p := range answer.Result.Publications {
		all = append(all, p.Data)
	}
	if len(all) != 1_501 {
		t.Fatalf("%d publications", len(all))
	}
	return all
}

func TestTheServerIsStartedAgain(t *testing.T) {
	f := newFake(t)
	address := f.Listener.Addr().String()
	c := connect(t, start(t, f.URL).path)
	for seq := range uint64(100) {
		c.publish(seq+1, "one")
	}
	c.untilTaken(100)
	f.Close()
	for seq := range uint64(100) {
		c.publish(seq+101, "one")
	}
	time.Sleep(200 * time.Millisecond)
	again := newFakeAt(t, address)
	c.untilTaken(200)
	if got := again.got("one"); len(got) != 100 || got[0] != "101" {
		t.Errorf("%d, from %s", len(got), got[0])
	}
}
