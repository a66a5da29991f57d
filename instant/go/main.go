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

// The exit statuses of doc.go.
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

func run(args []string, in io.Reader, out, complaints io.Writer) int {
	// A reader of "ready" that is gone already, or a client that goes, must not end it for the others.
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	flags := flag.NewFlagSet("publisher", flag.ContinueOnError)
	flags.SetOutput(complaints)
	path := flags.String("socket", "", "the path of the Unix socket; the configuration is read from stdin")
	if flags.Parse(args) != nil {
		return exitUsage
	}
	config, err := readConfig(in)
	if err == nil && *path == "" {
		err = errors.New("-socket is needed")
	}
	if err != nil {
		fmt.Fprintln(complaints, "publisher:", err)
		return exitUsage
	}
	err = publish(*path, config, out)
	switch {
	case errors.Is(err, errTaken):
		return exitTaken
	case err != nil:
		fmt.Fprintln(complaints, "publisher:", err)
		return exitFailed
	}
	return exitDone
}

// publish holds the lock and the socket, and serves until the end.
func publish(path string, c config, out io.Writer) error {
	ownerOnly()
	debug.SetGCPercent(50) // a full queue is most of the heap, and twice that is too much; it costs little
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
	fmt.Fprintln(out, "ready") // an error: who started it is gone, but others may come
	letGo()
	newServer(c, listener, logger).serve(stop, unlink)
	logger.Printf("end: pid %d", os.Getpid())
	return nil
}

// openLog opens the log for adding to it, and empties it first where it has become large.
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

// listen makes the socket. The caller holds the lock: a socket that is there is a dead one's. unlink removes the
// socket, but not one that another process has put there.
func listen(path string) (listener *net.UnixListener, unlink func(), err error) {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == os.ModeSocket {
		_ = os.Remove(path) // listening fails when it is still there, and says so
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
		_ = os.Remove(path) // what stays is removed by the next one
	}
}

// standIns are what stdin, stdout and stderr are from now on.
var standIns []*os.File

// letGo closes stdin, stdout and stderr, so that nobody waits for their end. Their numbers are taken by the null
// device, lest a socket gets one and a panic is written into it.
func letGo() {
	for _, file := range []*os.File{os.Stdin, os.Stdout, os.Stderr} {
		file.Close()
		if null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0); err == nil {
			standIns = append(standIns, null)
		}
	}
}
