// The lines of a multi-line response.

package pop3wire

import (
	"bytes"
	"io"

	"github.com/mailwire/mailwire/internal/wire"
)

// Lines reads the lines of a multi-line response behind its first line: the
// dots taken away, without the line that ends it. It ends at CRLF "." CRLF
// alone unless lines of LF alone are the server's habit.
type Lines struct {
	body *wire.DotReader
	buf  []byte
	r, w int   // what was read of the body and not returned is buf[r:w]
	skip int   // octets thrown away of a line that is too long; 0 for none
	at   int64 // offset of buf[0] in the body
	err  error // sticky
}

const (
	// maxLine is the longest line taken, in octets with its line end.
	maxLine = 8192
	// maxSkip bounds what is thrown away of one that is longer.
	maxSkip = 1 << 20

	lineBuffer = 2 * maxLine
)

// NewLines begins a multi-line response. Until it is read or drained to its
// end, r has no other lines. lf says that the server ends lines with LF alone.
func NewLines(r *wire.Reader, lf bool) *Lines {
	return &Lines{body: Body(r, lf)}
}

// Next returns the next line without its line end, borrowed until the next
// call; io.EOF at the end. An error that Err does not return costs one line
// alone.
func (l *Lines) Next() ([]byte, error) {
	for scanned := l.r; ; {
		if i := bytes.IndexByte(l.buf[scanned:l.w], '\n'); i >= 0 {
			line := l.buf[l.r : scanned+i]
			l.r = scanned + i + 1
			switch n := len(line); {
			case l.skip > 0:
				l.skip, scanned = 0, l.r
				continue
			case n >= maxLine:
				return nil, l.tooLong(l.r - n - 1)
			case n > 0 && line[n-1] == '\r':
				return line[:n-1], nil
			default:
				return line, nil
			}
		}
		switch n := l.w - l.r; {
		case l.skip > 0:
			if l.skip += n; l.skip > maxSkip && l.err == nil {
				l.err = &wire.LimitError{What: "line", Limit: maxSkip, Offset: l.at + int64(l.w)}
			}
			l.r = l.w
		case n >= maxLine:
			err := l.tooLong(l.r)
			l.r, l.skip = l.w, n
			return nil, err
		}
		if l.err != nil {
			return nil, l.err
		}
		scanned = l.fill()
	}
}

func (l *Lines) tooLong(begin int) error {
	return &wire.LimitError{What: "line", Limit: maxLine, Offset: l.at + int64(begin)}
}

// fill reads more, and returns where in buf it begins.
func (l *Lines) fill() int {
	if l.buf == nil {
		l.buf = make([]byte, lineBuffer)
	}
	n := copy(l.buf, l.buf[l.r:l.w])
	l.at += int64(l.r)
	l.r, l.w = 0, n
	more, err := l.body.Read(l.buf[n:])
	l.w += more
	if err != nil {
		l.err = err
		if err == io.EOF && n+more > 0 {
			l.err = io.ErrUnexpectedEOF
		}
	}
	return n
}

// Err is the error that sticks, nil while Next can go on and at the end.
func (l *Lines) Err() error {
	if l.err != io.EOF {
		return l.err
	}
	return nil
}

// Drain throws the rest away, limit octets at most: past them, as on every
// error, the connection must end.
func (l *Lines) Drain(limit int64) error { return l.body.Drain(limit) }

// Body begins the message that follows a reply to RETR or TOP. lf is as in
// NewLines. Line ends that are not CRLF are passed on as they are, unless they
// are the server's habit.
func Body(r *wire.Reader, lf bool) *wire.DotReader {
	if lf {
		return r.DotBody(wire.DotOptions{Bare: wire.BareLFLines})
	}
	return r.DotBody(wire.DotOptions{Bare: wire.BarePass})
}
