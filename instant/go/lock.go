package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// errTaken means that another publisher holds the lock.
var errTaken = errors.New("another publisher has the lock")

// ownerOnly sets the umask, so that only the user can access new files from the moment of their creation.
func ownerOnly() { syscall.Umask(0o077) }

// takeLock locks the file. The lock is released when the file is closed or the process ends in any way.
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
