package main

import (
	"fmt"
	"syscall"
)

// lock locks a file until unlock, or the process's end: nobody else can open
// it.
func lock(path string) (unlock func(), err error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	h, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: another pop3toimap is at work: %w", path, err)
	}
	return func() { syscall.CloseHandle(h) }, nil
}

// syncDir has nothing to do: a name is on the disk with its file.
func syncDir(string) error { return nil }
