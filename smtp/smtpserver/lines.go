// The lines of a message that comes in chunks.

package smtpserver

import (
	"bytes"

	"github.com/mailwire/mailwire/smtp"
)

// textCheck holds the lines of a message in chunks to the rules that one in
// DATA has. It may be cut anywhere.
type textCheck struct {
	policy BareLineEnds // BarePass for BINARYMIME too
	max    int          // octets of a line with its CRLF; no limit when zero
	cr     bool         // the last octet was a CR, which was not delivered
	line   int          // octets of the current line that were scanned
	span   int          // how far scan looks behind a bare CR or LF; 0 for all
}

var crlf = []byte("\r\n")

// bareSpan is how far a scan looks behind a bare CR or LF, the double with each
// scan that finds none: the cost stays linear where there are many.
const bareSpan = 64

// scan takes n octets of b's front, which is not empty, and says what to
// deliver for them.
func (t *textCheck) scan(b []byte) (n int, out []byte, err error) {
	if t.policy == BarePass && t.max == 0 {
		return len(b), b, nil
	}
	if t.cr {
		t.cr = false
		if b[0] == '\n' {
			err := t.count(2)
			t.line = 0
			return 1, crlf, err
		}
		return 0, crlf, t.bare()
	}
	if t.span > 0 {
		b = b[:min(len(b), t.span)]
		if t.span *= 2; t.span > 16<<10 {
			t.span = 0
		}
	}
	if t.policy == BarePass {
		return t.scanAny(b)
	}
	for n < len(b) {
		rest := b[n:]
		i := bytes.IndexByte(rest, '\r')
		if i < 0 {
			i = len(rest)
		}
		if j := bytes.IndexByte(rest[:i], '\n'); j >= 0 {
			i = j
		} else if i+1 < len(rest) && rest[i+1] == '\n' {
			if err := t.count(i + 2); err != nil {
				return n, nil, err
			}
			t.line = 0
			n += i + 2
			continue
		}
		if n+i > 0 {
			// What is in front goes first; the rest is looked at again.
			if err := t.count(i); err != nil {
				return n, nil, err
			}
			n += i
			return n, b[:n], nil
		}
		if rest[0] == '\r' && len(rest) == 1 {
			t.cr = true
			return 1, nil, nil
		}
		return 1, crlf, t.bare()
	}
	return n, b[:n], nil
}

// scanAny counts the octets of lines alone.
func (t *textCheck) scanAny(b []byte) (int, []byte, error) {
	for n := 0; n < len(b); {
		j := bytes.IndexByte(b[n:], '\n')
		if j < 0 {
			return len(b), b, t.count(len(b) - n)
		}
		if err := t.count(j + 1); err != nil {
			return len(b), nil, err
		}
		t.line = 0
		n += j + 1
	}
	return len(b), b, nil
}

// bare deals with a CR or LF that stands alone.
func (t *textCheck) bare() error {
	t.cr, t.line, t.span = false, 0, bareSpan
	if t.policy == BareReject {
		return errBare
	}
	return nil
}

func (t *textCheck) count(n int) error {
	if t.line += n; t.max > 0 && t.line > t.max {
		return longLine(t.max)
	}
	return nil
}

var errBare = smtp.Errorf(550, codeMedia, "Message holds a CR or LF alone, lines must end in CRLF")

func longLine(limit int) *smtp.Error {
	return smtp.Errorf(550, codeMedia, "Message has a line longer than the limit of %d octets", limit)
}
