package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// built returns the publisher as it is distributed, built once for all tests of the process.
var built string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(testAll(m))
}

func testAll(m *testing.M) int {
	folder, err := os.MkdirTemp("", "publisher")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)
	built = filepath.Join(folder, "publisher")
	build := exec.Command("go", "build", "-o", built, ".")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		panic(err)
	}
	before := runtime.NumGoroutine()
	status := m.Run()
	fuzzing := flag.Lookup("test.fuzz").Value.String() != ""
	if status == 0 && !fuzzing && leaked(before) {
		return 1
	}
	return status
}

// leaked reports which goroutines are left.
func leaked(before int) bool {
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if runtime.NumGoroutine() <= before {
			return false
		}
	}
	stacks := make([]byte, 1<<20)
	fmt.Fprintf(os.Stderr, "goroutines are left:\n%s", stacks[:runtime.Stack(stacks, true)])
	return true
}

func testLog(t testing.TB) *log.Logger {
	if testing.Verbose() && os.Getenv("PUBLISHER_LOG") != "" {
		return log.New(os.Stderr, t.Name()+" ", 0)
	}
	return log.New(io.Discard, "", 0)
}
