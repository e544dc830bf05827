package mime

// The canonicalisations of DKIM (RFC 6376 section 3.4).

import (
	"bytes"
	"io"
)

// A Canonicalization is how DKIM prepares headers or bodies for hashing: a name of the c= tag.
type Canonicalization uint8

// The canonicalisations of RFC 6376.
const (
	Simple Canonicalization = iota
	Relaxed
)

func (c Canonicalization) String() string {
	if c == Relaxed {
		return "relaxed"
	}
	return "simple"
}

// AppendCanonicalHeader appends the fields that names, an h= tag, selects from h, in the order of names. Of fields with one
// name the last is taken first (RFC 6376 section 5.4.2); a name that stands more often than there are fields adds nothing.
// Each field ends in CRLF, whatever line endings the message has.
func AppendCanonicalHeader(dst []byte, h Header, names []string, c Canonicalization) []byte {
	fields := make(map[string][]Field)
	for _, n := range names {
		fields[lowerName(n)] = nil
	}
	for f := range h.Fields() {
		if f.name == 0 {
			continue
		}
		n := lowerName(string(f.raw[:f.name]))
		if l, ok := fields[n]; ok {
			fields[n] = append(l, f)
		}
	}
	for _, n := range names {
		n = lowerName(n)
		if l := fields[n]; len(l) > 0 {
			dst = AppendCanonicalField(dst, l[len(l)-1], c)
			fields[n] = l[:len(l)-1]
		}
	}
	return dst
}

// lowerName returns an element of an h= tag in lower case, without the blanks that may stand around it.
func lowerName(n string) string {
	n = trimBlank(n)
	b := make([]byte, len(n))
	for i := range b {
		b[i] = lower(n[i])
	}
	return string(b)
}

// AppendCanonicalField appends one field, with CRLF at its end.
func AppendCanonicalField(dst []byte, f Field, c Canonicalization) []byte {
	return append(appendCanonical(dst, f.raw, f.name, c), '\r', '\n')
}

// AppendCanonicalSignature appends a DKIM-Signature field as it goes into its own hash: the value of its b= tag taken away,
// and no CRLF at its end (RFC 6376 section 3.7).
func AppendCanonicalSignature(dst []byte, f Field, c Canonicalization) []byte {
	from, _ := valueBounds(f.raw, f.name)
	raw := f.raw
	for at := from; at < len(raw); {
		end := len(raw)
		if i := bytes.IndexByte(raw[at:], ';'); i >= 0 {
			end = at + i
		}
		if i := bytes.IndexByte(raw[at:end], '='); i >= 0 && string(trimBlank(raw[at:at+i])) == "b" {
			cut := make([]byte, 0, len(raw))
			cut = append(cut, raw[:at+i+1]...)
			if end == len(raw) {
				// The line ending is the field's, not the tag's.
				end -= len(raw) - len(bytes.TrimRight(raw, "\r\n"))
			}
			raw = append(cut, raw[end:]...)
			break
		}
		at = end + 1
	}
	return appendCanonical(dst, raw, f.name, c)
}

// appendCanonical appends a field without its line ending.
func appendCanonical(dst, raw []byte, name int, c Canonicalization) []byte {
	if n := len(raw); n > 0 && raw[n-1] == '\n' {
		raw = raw[:n-1]
		if n > 1 && raw[n-2] == '\r' {
			raw = raw[:n-2]
		}
	}
	if c == Simple || name == 0 {
		for i, o := range raw {
			if o == '\n' && (i == 0 || raw[i-1] != '\r') {
				dst = append(dst, '\r')
			}
			dst = append(dst, o)
		}
		return dst
	}
	for _, o := range raw[:name] {
		dst = append(dst, lower(o))
	}
	dst = append(dst, ':')
	i := name
	for raw[i] != ':' {
		i++
	}
	start, blank := len(dst), false
	for i++; i < len(raw); i++ {
		switch o := raw[i]; {
		case o == ' ' || o == '\t':
			blank = true
		case o == '\n' || o == '\r' && i+1 < len(raw) && raw[i+1] == '\n':
		default:
			if blank && len(dst) > start {
				dst = append(dst, ' ')
			}
			blank = false
			dst = append(dst, o)
		}
	}
	return dst
}

// NewCanonicalBody returns a reader of the canonical form of body, a message's octets behind the blank line (Part.Raw). Lines
// that end in LF come with CRLF. limit is the value of the l= tag: how many octets of the canonical form are read; a negative
// limit is none. Memory does not grow with the body. The only errors are body's.
func NewCanonicalBody(body io.Reader, c Canonicalization, limit int64) io.Reader {
	r := &canonicalBody{r: body, relaxed: c == Relaxed, in: make([]byte, 4096)}
	if limit >= 0 {
		return io.LimitReader(r, limit)
	}
	return r
}

type canonicalBody struct {
	r       io.Reader
	relaxed bool
	in      []byte
	i, n    int
	err     error
	out     []byte // made and not yet read
	at      int

	ends    int64 // line endings held back: they count only if more follows
	release bool  // it follows
	blank   bool  // relaxed: blanks held back
	cr      bool  // a CR held back
	any     bool  // an octet that is no part of a line ending was met
	done    bool
}

const canonicalChunk = 4096

func (b *canonicalBody) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, idle := 0, 0
	for n < len(p) {
		if b.at < len(b.out) {
			m := copy(p[n:], b.out[b.at:])
			b.at += m
			n += m
			continue
		}
		b.out, b.at = b.out[:0], 0
		switch {
		case b.release:
			for b.ends > 0 && len(b.out) < canonicalChunk {
				b.out = append(b.out, '\r', '\n')
				b.ends--
			}
			b.release = b.ends > 0
		case b.i < b.n:
			b.step()
		case n > 0:
			return n, nil
		case b.err == nil:
			b.i = 0
			b.n, b.err = b.r.Read(b.in)
			if idle++; b.n > 0 {
				idle = 0
			} else if idle == 100 && b.err == nil {
				b.err = io.ErrNoProgress
			}
		case b.err == io.EOF && !b.done:
			b.finish()
		default:
			return 0, b.err
		}
	}
	return n, nil
}

// data tells whether an octet that is no part of a line ending may be appended now; if not, the line endings held back are
// read first. Blanks held back are appended.
func (b *canonicalBody) data() bool {
	if b.ends > 0 {
		b.release = true
		return false
	}
	if b.blank {
		b.blank = false
		b.out = append(b.out, ' ')
	}
	b.any = true
	return true
}

// step goes through what was read of the body, until line endings have to be released.
func (b *canonicalBody) step() {
	for b.i < b.n {
		c := b.in[b.i]
		switch {
		case c == '\n':
			b.cr, b.blank = false, false
			b.ends++
			b.i++
		case b.cr:
			if !b.data() {
				return
			}
			b.out = append(b.out, '\r')
			b.cr = false
		case c == '\r':
			b.cr = true
			b.i++
		case b.relaxed && (c == ' ' || c == '\t'):
			b.blank = true
			b.i++
		default:
			if !b.data() {
				return
			}
			n := b.run(b.in[b.i:b.n])
			b.out = append(b.out, b.in[b.i:b.i+n]...)
			b.i += n
		}
	}
}

// run returns how many octets at p's front, the first being one, are neither line endings nor, under Relaxed, blanks.
func (b *canonicalBody) run(p []byte) int {
	if !b.relaxed {
		if i := bytes.IndexByte(p, '\n'); i >= 0 {
			p = p[:i]
		}
		if i := bytes.IndexByte(p, '\r'); i >= 0 {
			p = p[:i]
		}
		return len(p)
	}
	n := 1
	for n < len(p) && !qpBlank[p[n]] {
		n++
	}
	return n
}

// finish appends what ends the body: of all its empty last lines nothing, and one CRLF, but for a body of nothing at all under
// Relaxed.
func (b *canonicalBody) finish() {
	if b.cr {
		if !b.data() {
			return
		}
		b.out = append(b.out, '\r')
		b.cr = false
	}
	if b.any || !b.relaxed {
		b.out = append(b.out, '\r', '\n')
	}
	b.done = true
}
