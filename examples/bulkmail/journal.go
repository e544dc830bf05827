package main

// The journal: a file that only grows, of batches that are there whole or not
// at all, each on the disk before what follows from it is done.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strconv"
)

// journalFile is what a journal needs of a file, so that tests can break it.
type journalFile interface {
	io.WriteCloser
	Sync() error
}

// journal appends batches of records. A line of it is
//
//	crc32 of the rest, 8 hex digits; a space; a JSON array of records; LF
//
// so that a write that a crash cut short is the last line and does not count,
// and what follows it is never mixed up with it.
type journal struct {
	path string
	f    journalFile
	err  error // the first failure: what the file ends with is not known then
}

// readJournal gives each record to on, in order. What stands behind the last
// whole line is torn; whole is where it begins, in octets. A file that is not
// there has no records.
func readJournal[R any](path string, on func(R) error) (whole int64, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for n := 1; ; n++ {
		end := bytes.IndexByte(data[whole:], '\n')
		if end < 0 {
			return whole, nil
		}
		line := data[whole : whole+int64(end)]
		batch, err := parseBatch[R](line)
		if err != nil {
			if whole+int64(end)+1 == int64(len(data)) {
				return whole, nil // torn, though its last octet came through
			}
			return whole, fmt.Errorf("%s:%d: damaged at offset %d: %w", path, n, whole, err)
		}
		for _, r := range batch {
			if err := on(r); err != nil {
				return whole, fmt.Errorf("%s:%d: %w", path, n, err)
			}
		}
		whole += int64(end) + 1
	}
}

func parseBatch[R any](line []byte) ([]R, error) {
	if len(line) < 9 || line[8] != ' ' {
		return nil, errors.New("expected a checksum and a space")
	}
	sum, err := strconv.ParseUint(string(line[:8]), 16, 32)
	if err != nil {
		return nil, errors.New("expected a checksum of 8 hex digits")
	}
	if crc32.ChecksumIEEE(line[9:]) != uint32(sum) {
		return nil, errors.New("the checksum is wrong")
	}
	var batch []R
	return batch, json.Unmarshal(line[9:], &batch)
}

// openJournal opens a journal for appending, behind its whole lines.
func openJournal(path string, whole int64) (*journal, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && st.Size() != whole {
		if err = f.Truncate(whole); err == nil {
			err = f.Sync()
		}
	}
	if err == nil && whole == 0 {
		err = syncParent(path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &journal{path: path, f: f}, nil
}

// appendRecords writes a batch, which is on the disk when it returns nil.
// After an error nothing more is written.
func appendRecords[R any](j *journal, batch ...R) error {
	if j.err != nil || len(batch) == 0 {
		return j.err
	}
	text, err := json.Marshal(batch)
	if err != nil {
		return err
	}
	line := fmt.Appendf(nil, "%08x ", crc32.ChecksumIEEE(text))
	line = append(append(line, text...), '\n')
	if _, err = j.f.Write(line); err == nil {
		err = j.f.Sync()
	}
	if err != nil {
		j.err = fmt.Errorf("%s: %w", j.path, err)
	}
	return j.err
}

func (j *journal) close() error { return j.f.Close() }
