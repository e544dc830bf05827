package maildir

// Locks between processes.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

var errLocked = errors.New("locked by another process")

// lock takes the lock that a file stands for, and waits for it until ctx ends.
// The directory must exist. The lock ends with the process at the latest.
func lock(ctx context.Context, path string) (*fileLock, error) {
	wait := 200 * time.Microsecond
	for {
		l, err := tryLock(path)
		if err == nil {
			return l, nil
		}
		if !errors.Is(err, errLocked) {
			return nil, fmt.Errorf("maildir: lock %s: %w", path, err)
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, fmt.Errorf("maildir: lock %s: %w", path, context.Cause(ctx))
		}
		wait = min(2*wait, 10*time.Millisecond)
	}
}

// unchanged reports whether the file at path is still f.
func unchanged(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(path)
	return err == nil && os.SameFile(a, b)
}
