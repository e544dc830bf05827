package mbox

// Writing: each message is copied through a window; what looks like a From_ line is quoted on the way.

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

// A Writer appends messages to a file.
type Writer struct {
	w       io.Writer
	variant Variant
	lim     Limits
	in, out []byte
	err     error
}

// NewWriter returns a Writer to w, which must stand behind the blank line of the message before. Auto is MboxRD.
func NewWriter(w io.Writer, v Variant, l Limits) *Writer {
	if v == Auto {
		v = MboxRD
	}
	return &Writer{w: w, variant: v, lim: l.defaults(), in: make([]byte, 32<<10)}
}

// ErrTooLarge tells that a message of unknown length exceeds Limits.Buffer.
var ErrTooLarge = errors.New("mbox: message exceeds the buffer in which it is measured; use an io.Seeker")

// WriteMessage writes a From_ line with sender and date, the message in m up to io.EOF, and the blank line. AppendFromLine says
// which senders it takes. The lines it adds end as the first line of the message does, in LF or CRLF; a message without a line
// ending at its end gains one.
//
// With MboxCL and MboxCL2 a Content-Length field is put before the header; m is read twice if it is an io.Seeker, else it is held
// in memory up to Limits.Buffer. In the header, which is not counted, lines are quoted with MboxCL2 too.
//
// An error about the sender or the date, or ErrTooLarge, comes before anything is written. Any other error leaves a part of the
// message written, and is returned by every later call.
func (w *Writer) WriteMessage(sender string, date time.Time, m io.Reader) error {
	if w.err != nil {
		return w.err
	}
	from, err := AppendFromLine(nil, sender, date)
	if err != nil {
		return err
	}
	want := int64(-1)
	if w.variant.counted() {
		var c copier
		s, ok := m.(io.Seeker)
		var at int64
		if ok {
			at, err = s.Seek(0, io.SeekCurrent)
			ok = err == nil
		}
		if !ok {
			b, err := io.ReadAll(io.LimitReader(m, w.lim.Buffer+1))
			if err != nil {
				return err
			}
			if int64(len(b)) > w.lim.Buffer {
				return ErrTooLarge
			}
			r := bytes.NewReader(b)
			m, s = r, r
		}
		if err := w.copy(&c, m, func([]byte) error { return nil }); err != nil {
			return err
		}
		want = c.length()
		if _, err := s.Seek(at, io.SeekStart); err != nil {
			return err
		}
	}
	if err := w.write(from, want, m); err != nil {
		w.err = err
	}
	return w.err
}

func (w *Writer) write(from []byte, want int64, m io.Reader) error {
	var c copier
	put := func(b []byte) error {
		if !c.begun {
			c.begun = true
			from = append(from, c.eol...)
			if want >= 0 {
				from = strconv.AppendInt(append(from, "Content-Length: "...), want, 10)
				from = append(from, c.eol...)
			}
			if _, err := w.w.Write(from); err != nil {
				return err
			}
		}
		_, err := w.w.Write(b)
		return err
	}
	if err := w.copy(&c, m, put); err != nil {
		return err
	}
	if want >= 0 && c.length() != want {
		return fmt.Errorf("mbox: the message has %d octets in its body when read again, %d before", c.length(), want)
	}
	end := c.eol
	if c.last != 0 && c.last != '\n' {
		end += c.eol
	}
	return put([]byte(end))
}

// A copier is where in a message the Writer stands.
type copier struct {
	begun     bool   // the From_ line has been written
	eol       string // of the message
	last      byte   // octet of the message, 0 if there is none
	body      bool   // behind the header
	octets    int64  // of the body as written
	midLine   bool
	midQuotes bool // in the '>' octets that begin a line
}

// length is the value of Content-Length.
func (c *copier) length() int64 { return c.octets }

// copy reads m to its end and hands it on with its lines quoted.
func (w *Writer) copy(c *copier, m io.Reader, put func([]byte) error) error {
	n := 0
	for {
		k, err := io.ReadFull(m, w.in[n:])
		n += k
		last := err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !last {
			return err
		}
		b := w.in[:n]
		if c.eol == "" {
			c.eol = "\n"
			if i := bytes.IndexByte(b, '\n'); i > 0 && b[i-1] == '\r' {
				c.eol = "\r\n"
			}
		}
		if n > 0 {
			c.last = b[n-1]
		}
		var used int
		w.out, used = c.quote(w.out[:0], b, w.variant, last)
		if len(w.out) > 0 {
			if err := put(w.out); err != nil {
				return err
			}
		}
		n = copy(w.in, b[used:])
		if last {
			return nil
		}
	}
}

// quote appends b to dst with its lines quoted, and returns how much of b it took; it leaves a few octets of a line that is not
// decided, unless b is the last of the message.
func (c *copier) quote(dst, b []byte, v Variant, last bool) ([]byte, int) {
	i := 0
	for i < len(b) {
		from := len(dst)
		start := i
		if !c.midLine {
			rest := b[i:]
			if !last && len(rest) < len(fromPrefix) {
				break
			}
			if !c.midQuotes && !c.body {
				if n := eolLen(rest); n > 0 {
					dst = append(dst, rest[:n]...)
					i += n
					c.body = true
					continue
				}
			}
			if v != MboxCL2 || !c.body {
				if rest[0] == '>' && (v == MboxRD || v == MboxCL2) {
					for i < len(b) && b[i] == '>' {
						i++
					}
					dst = append(dst, b[start:i]...)
					c.midQuotes = true
					c.count(len(dst) - from)
					continue
				}
				if bytes.HasPrefix(rest, []byte(fromPrefix)) {
					dst = append(dst, '>')
				}
			}
			c.midQuotes = false
			c.midLine = true
		}
		j := bytes.IndexByte(b[i:], '\n')
		if j < 0 {
			i = len(b)
		} else {
			i += j + 1
			c.midLine = false
		}
		dst = append(dst, b[start:i]...)
		c.count(len(dst) - from)
	}
	return dst, i
}

func (c *copier) count(n int) {
	if c.body {
		c.octets += int64(n)
	}
}
