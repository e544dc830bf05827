package maildir

// Locks where the system has none that end with the process: a file that
// exists while the lock is held, and is touched so long.

import (
	"errors"
	"io/fs"
	"os"
	"time"
)

const (
	touchEvery = 10 * time.Second
	staleAfter = 60 * time.Second
)

type existenceLock struct {
	path string
	stop chan struct{}
	done chan struct{}
}

func tryExistence(path string) (*existenceLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		fi, err := os.Stat(path)
		if err != nil || time.Since(fi.ModTime()) < staleAfter {
			return nil, errLocked
		}
		// Whoever renames it first clears it away; a lock that another took
		// meanwhile would be young, and is put back.
		away := path + "." + uniqueName("stale")
		if os.Rename(path, away) == nil {
			if fi, err := os.Stat(away); err == nil && time.Since(fi.ModTime()) < staleAfter {
				os.Link(away, path)
			}
			os.Remove(away)
		}
		return nil, errLocked
	}
	if err != nil {
		return nil, err
	}
	f.Close()
	l := &existenceLock{path, make(chan struct{}), make(chan struct{})}
	go l.touch()
	return l, nil
}

func (l *existenceLock) touch() {
	defer close(l.done)
	t := time.NewTicker(touchEvery)
	defer t.Stop()
	for {
		select {
		case now := <-t.C:
			os.Chtimes(l.path, now, now)
		case <-l.stop:
			return
		}
	}
}

func (l *existenceLock) unlock() error {
	close(l.stop)
	<-l.done
	return os.Remove(l.path)
}
