package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// The exit statuses, which doc.go describes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
	exitTaken  = 3
)

const maxLog = 1_000_000

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func run(args []string, in io.Reader, out, stderr io.Writer) int {
	// The publisher must survive if the reader of "ready" or a client has disconnected.
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	flags := flag.NewFlagSet("publisher", flag.ContinueOnError)
	flags.SetOutput(stderr)
	path := flags.String("socket", "", "the path of the Unix socket; the configuration is read from stdin")
	if flags.Parse(args) != nil {
		return exitUsage
	}
	config, err := readConfig(in)
	if err == nil && *path == "" {
		err = errors.New("the option -socket is required")
	}
	if err != nil {
		fmt.Fprintln(stderr, "publisher:", err)
		return exitUsage
	}
	err = publish(*path, config, out)
	switch {
	case errors.Is(err, errTaken):
		return exitTaken
	case err != nil:
		fmt.Fprintln(stderr, "publisher:", err)
		return exitFailed
	}
	return exitDone
}

// publish acquires the lock and the socket, and serves until the end.
func publish(path string, c config, out io.Writer) error {
	ownerOnly()
	debug.SetGCPercent(50) // a full queue is most of the heap, and the default would double it
	lock, err := takeLock(path + ".lock")
	if err != nil {
		return err
	}
	defer lock.Close()
	logger, file, err := openLog(path + ".log")
	if err != nil {
		return err
	}
	defer file.Close()
	listener, unlink, err := listen(path)
	if err != nil {
		return err
	}
	stop := make(chan struct{})
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() { <-signals; close(stop) }()
	logger.Printf("start: pid %d, protocol %d", os.Getpid(), protocol)
	fmt.Fprintln(out, "ready") // ignore the error: the parent process has ended, but other clients may connect
	detachStdio()
	newServer(c, listener, logger).serve(stop, unlink)
	logger.Printf("end: pid %d", os.Getpid())
	return nil
}

// openLog opens the log for appending. A log that is larger than maxLog is emptied first.
func openLog(path string) (*log.Logger, *os.File, error) {
	mode := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		mode |= os.O_TRUNC
	}
	file, err := os.OpenFile(path, mode, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("opening the log: %w", err)
	}
	return log.New(file, "", log.LstdFlags|log.LUTC|log.Lmsgprefix), file, nil
}

// listen creates the socket. The caller holds the lock, so an existing socket belongs to a dead publisher. unlink
// removes the socket, unless another process has replaced it.
func listen(path string) (listener *net.UnixListener, unlink func(), err error) {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == os.ModeSocket {
		_ = os.Remove(path) // if this fails, listening returns an error
	}
	listener, err = net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, nil, fmt.Errorf("listening: %w", err)
	}
	listener.SetUnlinkOnClose(false)
	own, err := os.Lstat(path)
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		listener.Close()
		return nil, nil, fmt.Errorf("making the socket the user's own: %w", err)
	}
	return listener, func() { unlinkOwn(path, own) }, nil
}

func unlinkOwn(path string, own os.FileInfo) {
	if now, err := os.Lstat(path); err == nil && os.SameFile(own, now) {
		_ = os.Remove(path) // if this fails, the next publisher removes it
	}
}

// replacements are the files that replace stdin, stdout and stderr.
var replacements []*os.File

// detachStdio closes stdin, stdout and stderr, so that nobody waits for their end. The null device replaces them: otherwise a
// socket could get one of their numbers, and a panic would be written to it.
func detachStdio() {
	for _, file := range []*os.File{os.Stdin, os.Stdout, os.Stderr} {
		file.Close()
		if null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0); err == nil {
			replacements = append(replacements, null)
		}
	}
}
