package main

// Who gets nothing any more: those who unsubscribed, complained or bounced.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// suppressions are the addresses in some files. One line holds an address, or
// a domain as "@example.org", and after tabs whatever there is to say about it.
// Files that change are read again.
type suppressions struct {
	files []*suppressionFile // the state's own, that entries are added to, first
}

type suppressionFile struct {
	path string
	size int64 // when it was read, with its time
	at   time.Time
	keys map[string]bool
}

func openSuppressions(own string, more []string) (*suppressions, error) {
	s := &suppressions{}
	var problems []error
	for i, path := range append([]string{own}, more...) {
		f := &suppressionFile{path: path, keys: map[string]bool{}}
		s.files = append(s.files, f)
		if err := f.load(); err != nil && !(i == 0 && errors.Is(err, fs.ErrNotExist)) {
			problems = append(problems, err)
		}
	}
	return s, errors.Join(problems...)
}

// load reads the file. What is no address is an error, and the lines around it
// count nevertheless.
func (f *suppressionFile) load() error {
	st, err := os.Stat(f.path)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(f.path)
	if err != nil {
		return err
	}
	f.size, f.at = st.Size(), st.ModTime()
	f.keys = map[string]bool{}
	var problems []error
	n := 0
	for line := range strings.Lines(strings.TrimPrefix(string(data), "\uFEFF")) {
		n++
		addr, _, _ := strings.Cut(line, "\t")
		if addr = strings.TrimSpace(addr); addr == "" || addr[0] == '#' {
			continue
		}
		key, err := suppressionKey(addr)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s:%d: %w", f.path, n, err))
			continue
		}
		f.keys[key] = true
	}
	return errors.Join(problems...)
}

func suppressionKey(s string) (string, error) {
	if s[0] == '@' {
		_, key, err := parseRecipient("x" + s)
		return strings.TrimPrefix(key, "x"), err
	}
	_, key, err := parseRecipient(s)
	return key, err
}

// refresh reads files again that have changed. One that can not be read, or
// has gone, is as it was: an editor may be at it.
func (s *suppressions) refresh() {
	for _, f := range s.files {
		if st, err := os.Stat(f.path); err == nil && (st.Size() != f.size || !st.ModTime().Equal(f.at)) {
			_ = f.load()
		}
	}
}

// has reports whether the recipient of a key is to get nothing.
func (s *suppressions) has(key string) bool {
	domain := key[strings.LastIndexByte(key, '@'):]
	for _, f := range s.files {
		if f.keys[key] || f.keys[domain] {
			return true
		}
	}
	return false
}

// add adds an address to the state's own file, once.
func (s *suppressions) add(key, reason string, at time.Time) error {
	s.refresh()
	own := s.files[0]
	if own.keys[key] {
		return nil
	}
	f, err := os.OpenFile(own.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	line := fmt.Sprintf("%s\t%s\t%s\n", key, strings.NewReplacer("\t", " ", "\r", " ", "\n", " ").Replace(reason), at.UTC().Format(time.RFC3339))
	if st, e := f.Stat(); e == nil && st.Size() > 0 {
		last := make([]byte, 1)
		if _, e := f.ReadAt(last, st.Size()-1); e == nil && last[0] != '\n' {
			line = "\n" + line
		}
	}
	_, err = f.WriteString(line)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		own.keys[key] = true
	}
	return err
}
