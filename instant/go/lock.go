package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// errTaken says that another publisher holds the lock.
var errTaken = errors.New("another publisher has the lock")

// ownerOnly lets all files that are made from now on be the user's own, from their first moment.
func ownerOnly() { syscall.Umask(0o077) }

// takeLock holds the file's lock until it is closed or the process ends, whatever its end is like.
func takeLock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return file, nil
	}
	file.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errTaken
	}
	return nil, fmt.Errorf("taking the lock: %w", err)
}
