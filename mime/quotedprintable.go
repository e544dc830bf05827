package mime

// quoted-printable undone (RFC 2045 section 6.7), whole lines at a time.

import (
	"encoding/binary"
	"io"
	"math/bits"
)

// qpReader decodes quoted-printable (RFC 2045 section 6.7). A run of up to qpMaxBlanks blanks at a line's end is dropped; a
// longer one, which no line of 76 octets can hold, is kept whole.
type qpReader struct {
	r    io.Reader
	in   [4096]byte
	i, n int
	err  error
	eof  bool
	kept bool // in[i] stands in a run of blanks that was found to stay
	slow int  // in[i:slow] is not for bulk
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
	q.slow = max(0, q.slow-q.i)
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

// bulk decodes what needs no long look, eight octets at a time, from q.in[q.i:] into p, and returns what it wrote. It may
// write a few octets of p more than it says. What it leaves to Read it marks by slow.
func (q *qpReader) bulk(p []byte) (n int) {
	in := q.in[q.i:q.n]
	i, stop := 0, 0
loop:
	for len(in)-i >= 10 && len(p)-n >= 8 {
		v := binary.LittleEndian.Uint64(in[i:])
		binary.LittleEndian.PutUint64(p[n:], v)
		// The first '=' or LF is where the first octet of one of these is zero.
		e, f := v^('='*octets), v^('\n'*octets)
		m := ((e-octets)&^e | (f-octets)&^f) & (0x80 * octets)
		if m == 0 {
			n, i = n+8, i+8
			continue
		}
		k := bits.TrailingZeros64(m) >> 3
		n, i = n+k, i+k
		if in[i] == '\n' {
			eol := i
			if i > 0 && in[i-1] == '\r' {
				eol--
			}
			text := eol
			for text > 0 && (in[text-1] == ' ' || in[text-1] == '\t') {
				text--
			}
			if text < eol {
				if eol-text > qpMaxBlanks {
					stop = i
					break
				}
				n -= i - text
				n += copy(p[n:], in[eol:i])
			}
			p[n] = '\n'
			n, i = n+1, i+1
			continue
		}
		for {
			c, d := in[i+1], in[i+2]
			if h, l := unhexTable[c], unhexTable[d]; h|l < 16 {
				p[n] = h<<4 | l
				n, i = n+1, i+3
				if i+2 < len(in) && n < len(p) && in[i] == '=' {
					continue // many escapes come in a row
				}
				break
			}
			switch {
			case c == '\r' && d == '\n':
				i += 3
			case c == '\n':
				i += 2
			case qpBlank[c] && c != '\r' && qpBlank[d]:
				stop = i + 1
				break loop
			default:
				p[n] = '='
				n, i = n+1, i+1
			}
			break
		}
	}
	switch {
	case stop > 0:
	case len(in)-i < 10:
		stop = len(in)
	default:
		stop = i + 1
	}
	q.slow = q.i + stop
	// Blanks may turn out to stand at a line's end.
	if i > 0 && in[i-1] == '\r' {
		n, i = n-1, i-1
	}
	for i > 0 && (in[i-1] == ' ' || in[i-1] == '\t') {
		n, i = n-1, i-1
	}
	q.i += i
	return n
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
		if q.i >= q.slow {
			out += q.bulk(p[out:])
			continue
		}
		// What needs no look beyond the next two octets.
		in, i := q.in[q.i:q.n], 0
	fast:
		for out < len(p) && i < q.slow-q.i {
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
		if out == len(p) || q.i >= q.slow {
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
