// The lines of a multi-line response.

package pop3wire

import (
	"io"

	"github.com/mailwire/mailwire/internal/wire"
)

// Lines reads the lines of a multi-line response behind its first line: the
// dots taken away, without the line that ends it. It ends at CRLF "." CRLF
// alone unless lines of LF alone are the server's habit.
type Lines struct {
	body *wire.DotReader
	r    *wire.Reader
}

// NewLines begins a multi-line response. Until it is read or drained to its
// end, r has no other lines. lf says that the server ends lines with LF alone.
func NewLines(r *wire.Reader, lf bool) *Lines {
	l := &Lines{body: Body(r, lf)}
	l.r = wire.NewReader(l.body, wire.Options{MaxLine: 8192, Lines: wire.LineLF})
	return l
}

// Next returns the next line without its line end, borrowed until the next
// call; io.EOF at the end. An error that Err does not return costs one line
// alone.
func (l *Lines) Next() ([]byte, error) { return l.r.Line(0) }

// Err is the error that sticks, nil while Next can go on and at the end.
func (l *Lines) Err() error {
	if err := l.r.Err(); err != io.EOF {
		return err
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
