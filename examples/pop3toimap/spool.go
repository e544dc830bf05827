package main

// A message between the servers: its size has to be known before the first
// octet goes to the second.

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mailwire/mailwire/mime"
)

// digest is that of a message and, apart, of its body.
type digest struct {
	all, body hash.Hash
	head      []byte // the header with its blank line, as far as it is kept
	inBody    bool
	size      int64
}

const maxHead = 1 << 20

func newDigest() *digest { return &digest{all: sha256.New(), body: sha256.New()} }

func (d *digest) Write(p []byte) (int, error) {
	d.size += int64(len(p))
	d.all.Write(p)
	if d.inBody {
		return d.body.Write(p)
	}
	from := max(0, len(d.head)-3)
	d.head = append(d.head, p...)
	if i := bytes.Index(d.head[from:], []byte("\r\n\r\n")); i >= 0 {
		end := from + i + 4
		d.body.Write(d.head[end:])
		d.head, d.inBody = d.head[:end], true
	} else if len(d.head) > maxHead {
		d.inBody = true
	}
	return len(p), nil
}

func (d *digest) sum() string     { return hex.EncodeToString(d.all.Sum(nil)) }
func (d *digest) bodySum() string { return hex.EncodeToString(d.body.Sum(nil)) }

// crlf makes a lone LF CRLF on the way to w: APPEND takes nothing else.
type crlf struct {
	w    io.Writer
	last byte
}

func (c *crlf) Write(p []byte) (int, error) {
	total := len(p)
	start := 0
	for i := 0; ; i++ {
		j := bytes.IndexByte(p[i:], '\n')
		if j < 0 {
			break
		}
		i += j
		before := c.last
		if i > 0 {
			before = p[i-1]
		}
		if before == '\r' {
			continue
		}
		if _, err := c.w.Write(p[start:i]); err != nil {
			return 0, err
		}
		if _, err := c.w.Write([]byte{'\r'}); err != nil {
			return 0, err
		}
		start = i
	}
	if total > 0 {
		c.last = p[total-1]
	}
	if _, err := c.w.Write(p[start:]); err != nil {
		return 0, err
	}
	return total, nil
}

// spool holds a message: in memory, and what is large in a file that has no
// name, or goes with the spool.
type spool struct {
	*digest
	small bytes.Buffer
	file  *os.File
}

const maxInMemory = 1 << 20

// spoolMessage reads a message to its end.
func spoolMessage(r io.Reader) (*spool, error) {
	s := &spool{digest: newDigest()}
	_, err := io.Copy(&crlf{w: io.MultiWriter(s.digest, storage{s})}, r)
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

type storage struct{ s *spool }

func (st storage) Write(p []byte) (int, error) {
	s := st.s
	if s.file == nil && s.small.Len()+len(p) > maxInMemory {
		f, err := os.CreateTemp("", "pop3toimap-*")
		if err != nil {
			return 0, err
		}
		s.file = f
		// Where a file that is open can be removed, it is gone whatever happens.
		_ = os.Remove(f.Name())
		if _, err := f.Write(s.small.Bytes()); err != nil {
			return 0, err
		}
		s.small.Reset()
	}
	if s.file != nil {
		return s.file.Write(p)
	}
	return s.small.Write(p)
}

// reader reads the message from its beginning.
func (s *spool) reader() (io.Reader, error) {
	if s.file == nil {
		return bytes.NewReader(s.small.Bytes()), nil
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return io.LimitReader(s.file, s.size), nil
}

func (s *spool) close() {
	if s.file == nil {
		return
	}
	s.file.Close()
	if err := os.Remove(s.file.Name()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return // of a folder for temporary files, which is emptied anyway
	}
}

// messageID is the field's value if a server can be asked to search for it.
func (s *spool) messageID() string {
	f, ok := mime.ParseHeader(s.head).Get("Message-ID")
	if !ok {
		return ""
	}
	id := strings.TrimSpace(f.Unfolded())
	for i := range len(id) {
		if id[i] < ' ' || id[i] > '~' {
			return ""
		}
	}
	if len(id) > 500 {
		return ""
	}
	return id
}

// date is when the message arrived, by its header; zero where that does not
// tell, or can not be true at a time.
func (s *spool) date(order string, now time.Time) time.Time {
	if order == "now" {
		return time.Time{}
	}
	h := mime.ParseHeader(s.head)
	var received, written time.Time
	if f, ok := h.Get("Received"); ok {
		received = f.Received().Date
	}
	if d, err := h.Date("Date"); err == nil {
		written = d
	}
	dates := []time.Time{received, written}
	if order == "date" {
		dates[0], dates[1] = written, received
	}
	for _, d := range dates {
		if d.Year() >= 1970 && d.Before(now.Add(48*time.Hour)) {
			return d
		}
	}
	return time.Time{}
}
