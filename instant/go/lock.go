package main

import "errors"

// errTaken says that another publisher holds the lock.
var errTaken = errors.New("another publisher has the lock")
