package mime

// Transfer encodings undone (RFC 2045 section 6).

import (
	"io"
	"strings"

	"github.com/mailwire/mailwire/internal/wire"
)

type transferEncoding uint8

const (
	identity transferEncoding = iota
	base64Encoding
	quotedPrintable
)

func (e transferEncoding) encoded() bool { return e != identity }

// encodingOf reads a Content-Transfer-Encoding value. Unknown encodings are passed as they are.
func encodingOf(s string) transferEncoding {
	p := paramParser{s: s}
	p.skip()
	if p.i < len(s) && s[p.i] == '"' {
		p.i++
	}
	switch strings.ToLower(p.token()) {
	case "base64", "b", "base-64", "x-base64":
		return base64Encoding
	case "quoted-printable", "quoted_printable", "quotedprintable", "qp", "quoted":
		return quotedPrintable
	}
	return identity
}

// NewDecoder returns a reader of r with the transfer encoding undone. base64 may hold line breaks, junk, padding in its
// midst and no padding at its end; quoted-printable may hold wrong escapes, which stand for themselves, and any line
// endings. 7bit, 8bit, binary and unknown encodings pass. The only errors are r's.
func NewDecoder(r io.Reader, encoding string) io.Reader {
	switch encodingOf(encoding) {
	case base64Encoding:
		return wire.NewBase64Reader(r)
	case quotedPrintable:
		return &qpReader{r: r}
	}
	return r
}

// qpReader decodes quoted-printable (RFC 2045 section 6.7). A run of up to qpMaxBlanks blanks at a line's end is dropped; a
// longer one, which no line of 76 octets can hold, is kept whole.
type qpReader struct {
	r    io.Reader
	in   [4096]byte
	i, n int
	err  error
	eof  bool
	kept bool // in[i] stands in a run of blanks that was found to stay
}

const qpMaxBlanks = 1024

var (
	qpSpecial  = [256]bool{'=': true, ' ': true, '\t': true}
	qpBlank    = [256]bool{' ': true, '\t': true, '\r': true, '\n': true}
	unhexTable = func() (t [256]byte) {
		for c := range t {
			t[c] = byte(unhex(byte(c))) // 255 for what is no digit
		}
		return
	}()
)

func (q *qpReader) fill() {
	n := copy(q.in[:], q.in[q.i:q.n])
	q.i, q.n = 0, n
	for empty := 0; q.n < len(q.in); {
		m, err := q.r.Read(q.in[q.n:])
		q.n += m
		if err == nil && m == 0 {
			if empty++; empty == 100 {
				err = io.ErrNoProgress
			}
		}
		if err != nil {
			q.eof, q.err = true, err
			return
		}
		if m > 0 {
			return
		}
	}
}

func (q *qpReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	out := 0
	for out < len(p) {
		if q.i == q.n {
			if q.eof {
				break
			}
			if out > 0 {
				return out, nil
			}
			q.fill()
			continue
		}
		if q.kept {
			for out < len(p) && q.i < q.n && (q.in[q.i] == ' ' || q.in[q.i] == '\t') {
				p[out] = q.in[q.i]
				out++
				q.i++
			}
			q.kept = out == len(p) || q.i == q.n
			continue
		}
		// What needs no look beyond the next two octets.
		in, i := q.in[q.i:q.n], 0
	fast:
		for out < len(p) && i < len(in) {
			c := in[i]
			switch {
			case !qpSpecial[c]:
			case i+2 >= len(in):
				break fast
			case c == '=':
				h, l := unhexTable[in[i+1]], unhexTable[in[i+2]]
				if h|l >= 16 {
					break fast
				}
				c = h<<4 | l
				i += 2
			case qpBlank[in[i+1]]:
				break fast
			}
			p[out] = c
			out++
			i++
		}
		q.i += i
		if out == len(p) || q.i == q.n {
			continue
		}
		c := q.in[q.i]
		// An escape or a run of blanks: what it means depends on what follows.
		j := q.i + 1
		for j < q.n && j-q.i <= qpMaxBlanks && (q.in[j] == ' ' || q.in[j] == '\t') {
			j++
		}
		if !q.eof && q.n-j < 2 && j-q.i <= qpMaxBlanks {
			q.fill()
			continue
		}
		rest := q.in[j:q.n]
		eol := 0
		switch {
		case len(rest) > 0 && rest[0] == '\n':
			eol = 1
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			eol = 2
		}
		if c == '=' {
			switch {
			case j-q.i > qpMaxBlanks:
				p[out] = c
				out++
				q.i++
			case eol > 0:
				q.i = j + eol
			case len(rest) == 0: // at the end: a soft line break
				q.i = j
			case j == q.i+1 && len(rest) > 1 && unhex(rest[0]) >= 0 && unhex(rest[1]) >= 0:
				p[out] = byte(unhex(rest[0])<<4 | unhex(rest[1]))
				out++
				q.i += 3
			default:
				p[out] = c
				out++
				q.i++
			}
			continue
		}
		if j-q.i <= qpMaxBlanks && (eol > 0 || len(rest) == 0) {
			q.i = j // trailing blanks
			continue
		}
		q.kept = true
	}
	if out == 0 {
		return 0, q.err
	}
	return out, nil
}
