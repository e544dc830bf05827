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
	b    []byte // of the body, borrowed from it
	r    int    // b[r:] was not looked at yet
	part []byte // the beginning of a line, whose end is in the next b
	at   int64  // offset of b in the body
	skip int    // octets thrown away of a line that is too long; 0 for none
	err  error  // sticky
}

const (
	// maxLine is the longest line taken, in octets with its line end.
	maxLine = 8192
	// maxSkip bounds what is thrown away of one that is longer.
	maxSkip = 1 << 20
	// partSize is room for the beginnings of most lines.
	partSize = 128
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
	if l.r == len(l.b) && len(l.part) == 0 && l.skip == 0 && l.err == nil {
		line, err := l.body.Line(maxLine)
		if err == nil {
			l.at += int64(len(line)) + 2
		}
		if err != wire.ErrNoLine {
			return line, err
		}
	}
	for {
		line := l.b[l.r:]
		i := bytes.IndexByte(line, '\n')
		if i < 0 {
			if err := l.more(line); err != nil {
				return nil, err
			}
			continue
		}
		line = line[:i]
		l.r += i + 1
		if l.skip > 0 {
			l.skip = 0
			continue
		}
		if len(l.part) > 0 {
			line = append(l.part, line...)
			l.part = line[:0]
		}
		switch n := len(line); {
		case n >= maxLine:
			return nil, l.tooLong(n + 1)
		case n > 0 && line[n-1] == '\r':
			return line[:n-1], nil
		default:
			return line, nil
		}
	}
}

// tooLong is the error of a line that began n octets ago.
func (l *Lines) tooLong(n int) error {
	return &wire.LimitError{What: "line", Limit: maxLine, Offset: l.at + int64(l.r-n)}
}

// more keeps rest, the end of b and no whole line, and gets what follows it.
func (l *Lines) more(rest []byte) error {
	n := len(rest)
	l.r += n
	switch {
	case l.skip > 0:
		if l.skip += n; l.skip > maxSkip && l.err == nil {
			l.err = &wire.LimitError{What: "line", Limit: maxSkip, Offset: l.at + int64(l.r)}
		}
	case len(l.part)+n >= maxLine:
		n += len(l.part)
		l.skip, l.part = n, l.part[:0]
		return l.tooLong(n)
	case n > 0:
		if l.part == nil {
			l.part = make([]byte, 0, partSize)
		}
		l.part = append(l.part, rest...)
	}
	if l.err != nil {
		return l.err
	}
	l.at += int64(l.r)
	l.r = 0
	if l.b, l.err = l.body.Next(); l.err == io.EOF && len(l.part) > 0 {
		l.err = io.ErrUnexpectedEOF
	}
	return l.err
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
