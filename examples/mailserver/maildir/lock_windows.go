package maildir

// Locks by opening a file that nobody else may have open.

import (
	"errors"
	"os"
	"syscall"
)

type fileLock struct{ h syscall.Handle }

const errorSharingViolation = syscall.Errno(32)

func tryLock(path string) (*fileLock, error) {
	p, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	h, err := syscall.CreateFile(p, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, errorSharingViolation) {
		return nil, errLocked
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return &fileLock{h}, nil
}

func (l *fileLock) unlock() error { return syscall.CloseHandle(l.h) }
