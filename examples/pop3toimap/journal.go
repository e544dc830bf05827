package main

// The journal: what is known of each message, in a file that is on the disk
// before the next step is taken.

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// A message's states, in their order.
type state string

const (
	intended state = "intent"  // it may have been stored, or not
	refused  state = "refused" // it was not: the server said so
	appended state = "stored"
	deleted  state = "deleted"
)

// entry is what is known of a message.
type entry struct {
	Key   string `json:"key"`
	State state  `json:"is"`
	At    int64  `json:"at"` // when, in milliseconds since 1970
	// Of an intent: the message, and the mailbox before it: what comes has
	// UIDs from Next on. Zero where that is not known.
	Digest    string `json:"sha256,omitempty"`
	Size      int64  `json:"size,omitempty"`
	MessageID string `json:"id,omitempty"`
	Validity  uint32 `json:"validity,omitempty"`
	Next      uint32 `json:"next,omitempty"`
	// Of what is stored, where the server tells.
	UID uint32 `json:"uid,omitempty"`
}

// line is a line of the file: a checksum and an entry.
func line(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.ChecksumIEEE(data), data), nil
}

func parseLine(b []byte, v any) bool {
	sum, data, ok := bytes.Cut(bytes.TrimSuffix(b, []byte("\n")), []byte(" "))
	n, err := strconv.ParseUint(string(sum), 16, 32)
	return ok && err == nil && len(sum) == 8 && uint32(n) == crc32.ChecksumIEEE(data) && json.Unmarshal(data, v) == nil
}

// heading is the first line: whose journal it is.
type heading struct {
	Journal int    `json:"pop3toimap"` // the format
	From    string `json:"from"`
	To      string `json:"to"`
}

// journal is the file, and what it says. Its name with ".lock" is locked while
// it is open.
type journal struct {
	path    string
	entries map[string]entry
	head    heading
	file    *os.File
	unlock  func()
	// written is called for each write with the octets, and may cut it short.
	written func([]byte) ([]byte, error)
}

const maxJournalLine = 1 << 20

// openJournal reads the file, or begins one, unless readOnly.
func openJournal(path string, head heading, readOnly bool) (*journal, error) {
	j := &journal{path: path, entries: map[string]entry{}, head: head, unlock: func() {}}
	if !readOnly {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, err
		}
		var err error
		if j.unlock, err = lock(path + ".lock"); err != nil {
			return nil, err
		}
	}
	good, err := j.read()
	if err == nil && !readOnly {
		err = j.open(good)
	}
	if err != nil {
		j.unlock()
		return nil, err
	}
	return j, nil
}

// read returns how many octets of the file are whole lines.
func (j *journal) read() (good int64, err error) {
	f, err := os.Open(j.path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, maxJournalLine)
	for n := 1; ; n++ {
		b, err := r.ReadSlice('\n')
		if err == io.EOF { // what is behind the last line end was cut short by a crash
			return good, nil
		}
		if err != nil {
			return 0, fmt.Errorf("%s: line %d: %w", j.path, n, err)
		}
		var e entry
		var head heading
		ok := false
		if n == 1 {
			if ok = parseLine(b, &head); ok && head != j.head {
				return 0, fmt.Errorf("%s is the journal of %s to %s", j.path, head.From, head.To)
			}
		} else if ok = parseLine(b, &e) && e.Key != ""; ok {
			j.set(e)
		}
		if !ok {
			if _, err := r.Peek(1); err == io.EOF && n > 1 { // so was this
				return good, nil
			}
			return 0, fmt.Errorf("%s: line %d is damaged: with it, what is stored is not known", j.path, n)
		}
		good += int64(len(b))
	}
}

func (j *journal) set(e entry) {
	if old, ok := j.entries[e.Key]; ok && e.State != intended {
		old.State, old.At = e.State, e.At
		if e.State == appended {
			old.Validity, old.UID = e.Validity, e.UID
		}
		e = old
	}
	j.entries[e.Key] = e
}

func (j *journal) open(good int64) error {
	f, err := os.OpenFile(j.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if err := f.Truncate(good); err != nil {
		f.Close()
		return err
	}
	j.file = f
	if good == 0 {
		b, err := line(j.head)
		if err == nil {
			err = j.write(b)
		}
		if err == nil {
			err = syncDir(filepath.Dir(j.path))
		}
		if err != nil {
			f.Close()
			return err
		}
	}
	return nil
}

func (j *journal) write(b []byte) error {
	var cut error
	if j.written != nil {
		b, cut = j.written(b)
	}
	if _, err := j.file.Write(b); err != nil {
		return err
	}
	if cut != nil {
		return cut
	}
	return j.file.Sync()
}

// add writes entries down: they are on the disk when it returns.
func (j *journal) add(entries ...entry) error {
	var b []byte
	for _, e := range entries {
		l, err := line(e)
		if err != nil {
			return err
		}
		b = append(b, l...)
	}
	if err := j.write(b); err != nil {
		return fmt.Errorf("the journal: %w", err)
	}
	for _, e := range entries {
		j.set(e)
	}
	return nil
}

// forget rewrites the file without what is on the server no longer and was
// dealt with before a time, where that is much of it.
func (j *journal) forget(listed map[string]bool, before time.Time) error {
	var keep []entry
	for key, e := range j.entries {
		if listed[key] || e.State == intended || e.At >= before.UnixMilli() {
			keep = append(keep, e)
		}
	}
	if gone := len(j.entries) - len(keep); gone < 1000 || gone < len(keep) {
		return nil
	}
	b, err := line(j.head)
	if err != nil {
		return err
	}
	kept := map[string]entry{}
	for _, e := range keep {
		l, err := line(e)
		if err != nil {
			return err
		}
		b = append(b, l...)
		kept[e.Key] = e
	}
	tmp := j.path + ".new"
	f, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close(), j.file.Close()); err == nil {
		err = os.Rename(tmp, j.path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(j.path))
	}
	if err != nil {
		return err
	}
	j.entries = kept
	j.file, err = os.OpenFile(j.path, os.O_RDWR|os.O_APPEND, 0o600)
	return err
}

func (j *journal) close() {
	if j.file != nil {
		j.file.Close()
	}
	j.unlock()
}
