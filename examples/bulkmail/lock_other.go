//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || aix || solaris || windows)

package main

import (
	"errors"
	"os"
)

// lockFile fails: without a lock that ends with the process, nothing would
// keep two of them from sending the same messages.
func lockFile(path string) (*os.File, error) {
	return nil, &os.PathError{Op: "lock", Path: path, Err: errors.ErrUnsupported}
}
