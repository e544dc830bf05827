//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package maildir

type fileLock struct{ *existenceLock }

func tryLock(path string) (*fileLock, error) {
	l, err := tryExistence(path + ".held")
	if err != nil {
		return nil, err
	}
	return &fileLock{l}, nil
}
