// What TOP shows of a message.

package pop3server

import "io"

// topReader reads the header of a message, the empty line behind it, and a
// number of lines of the body (RFC 1939 section 7). Lines end in CRLF, LF or
// CR, as what is sent of them will.
type topReader struct {
	r      io.Reader
	left   int // lines of the body to come
	header bool
	empty  bool // the line has nothing so far
	cr     bool // the last octet was a CR
	done   bool
}

func newTopReader(r io.Reader, lines int) *topReader {
	return &topReader{r: r, left: lines, header: true, empty: true}
}

func (t *topReader) Read(p []byte) (int, error) {
	if t.done {
		return 0, io.EOF
	}
	n, err := t.r.Read(p)
	if n < 0 || n > len(p) {
		return n, err
	}
	if end := t.scan(p[:n]); t.done {
		return end, io.EOF
	}
	return n, err
}

// scan is where in p the top ends, if it does.
func (t *topReader) scan(p []byte) int {
	for i, b := range p {
		if t.cr && b != '\n' && t.lineEnd() {
			// The CR was a line end by itself.
			return i
		}
		switch {
		case b == '\n':
			if t.lineEnd() {
				return i + 1
			}
		case b != '\r':
			t.empty = false
		}
		t.cr = b == '\r'
	}
	return len(p)
}

// lineEnd notes the end of a line and reports whether the top ends with it.
func (t *topReader) lineEnd() bool {
	switch {
	case !t.header:
		t.left--
	case t.empty:
		t.header = false
	}
	t.empty = true
	t.done = !t.header && t.left <= 0
	return t.done
}
