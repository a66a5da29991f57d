package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// errSharingViolation is Windows' word for a file that another process has for itself.
const errSharingViolation = syscall.Errno(32)

// ownerOnly does nothing: the folder's rights are passed on.
func ownerOnly() {}

// takeLock holds the file until it is closed or the process ends: opened without sharing, no other process can open it.
func takeLock(path string) (*os.File, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, fmt.Errorf("opening the lock: %w", err)
	}
	const access = syscall.GENERIC_READ | syscall.GENERIC_WRITE
	handle, err := syscall.CreateFile(name, access, 0, nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, errSharingViolation) {
		return nil, errTaken
	}
	if err != nil {
		return nil, fmt.Errorf("taking the lock: %w", err)
	}
	return os.NewFile(uintptr(handle), path), nil
}
