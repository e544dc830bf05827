package mime

// Octets made fit for headers and bodies: encoded-words (RFC 2047), parameters (RFC 2231), transfer encodings (RFC 2045
// section 6) and the choice among them.

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mailwire/mailwire/internal/wire"
)

const (
	wordStart  = "=?utf-8?" // of an encoded-word, before its encoding
	wordMax    = 75         // octets of an encoded-word (RFC 2047 section 2)
	wordFrame  = len(wordStart) + len("q?") + len("?=")
	upperHex   = "0123456789ABCDEF"
	quantum    = 4 // octets of base64 for three octets
	quantumRaw = 3
)

// qText marks the octets that Q encodes as themselves in text, qPhrase those in a display name (RFC 2047 section 5).
var qText, qPhrase = func() (t, p [256]bool) {
	for c := '!'; c < 127; c++ {
		t[c] = c != '=' && c != '?' && c != '_'
		p[c] = isAlnum(byte(c)) || strings.ContainsRune("!*+-/", c)
	}
	return
}()

// encoded appends text as encoded-words, of which none splits a character, each behind blanks, folded. Of Q and B it takes
// the shorter for the whole.
func (f *folder) encoded(blanks, text string, phrase bool) {
	plain := &qText
	if phrase {
		plain = &qPhrase
	}
	q := 0
	for i := 0; i < len(text); i++ {
		q += qCost(text[i], plain)
	}
	b := (len(text) + quantumRaw - 1) / quantumRaw * quantum
	for text != "" {
		n := f.wordFit(f.col, blanks, text, plain, b < q)
		if n < len(text) && !f.fresh || n == 0 {
			// A new line, if this one has no room, or if all fits there in one word.
			if m := f.wordFit(0, blanks, text, plain, b < q); n == 0 || m == len(text) {
				f.fold()
				n = m
			}
		}
		from := len(f.b)
		f.b = append(f.b, blanks...)
		f.b = append(f.b, wordStart...)
		if b < q {
			f.b = append(f.b, "b?"...)
			f.b = base64.StdEncoding.AppendEncode(f.b, []byte(text[:n]))
		} else {
			f.b = append(f.b, "q?"...)
			for i := 0; i < n; i++ {
				switch c := text[i]; {
				case c == ' ':
					f.b = append(f.b, '_')
				case plain[c]:
					f.b = append(f.b, c)
				default:
					f.b = append(f.b, '=', upperHex[c>>4], upperHex[c&15])
				}
			}
		}
		f.b = append(f.b, "?="...)
		f.col += len(f.b) - from
		f.fresh, f.word = false, true
		text, blanks = text[n:], " "
	}
}

func qCost(c byte, plain *[256]bool) int {
	if c == ' ' || plain[c] {
		return 1
	}
	return 3
}

// wordFit returns how many octets of text, whole characters, one encoded-word behind col octets of its line can hold. On a new
// line that is one character at least.
func (f *folder) wordFit(col int, blanks, text string, plain *[256]bool, b bool) int {
	room := min(wordMax, encodedWidth-f.keep-col-len(blanks)) - wordFrame
	n, used := 0, 0
	for n < len(text) {
		size := 1
		if text[n] >= utf8.RuneSelf {
			_, size = utf8.DecodeRuneInString(text[n:])
		}
		if b {
			used = (n + size + quantumRaw - 1) / quantumRaw * quantum
		} else {
			for i := n; i < n+size; i++ {
				used += qCost(text[i], plain)
			}
		}
		if used > room {
			break
		}
		n += size
	}
	return n
}

// attrChar marks what RFC 2231 section 7 writes as itself in an extended value.
var attrChar = func() (t [256]bool) {
	for c := '!'; c < 127; c++ {
		t[c] = isToken(byte(c)) && !strings.ContainsRune("*'%", c)
	}
	return
}()

// maxSections bounds the continuations of one parameter; readers bound them too.
const maxSections = 400

// param appends one parameter with exactly this value: as a token or in quotes where it is ASCII (or UTF-8 headers are
// written) and a line holds it, else as RFC 2231 has it.
func (f *folder) param(name, value string) error {
	if name == "" {
		return fault(-1, "a parameter without a name")
	}
	if len(name) > maxNewName/2 {
		return fault(-1, "a parameter name longer than %d octets", maxNewName/2)
	}
	for i := 0; i < len(name); i++ {
		if !attrChar[name[i]] {
			return fault(i, "octet 0x%02x in the parameter name %q", name[i], name)
		}
	}
	if err := checkText(value); err != nil {
		e := err.(*FieldError)
		e.Msg += " of parameter " + name
		return e
	}
	f.keep = len(";")
	f.b = append(f.b, ';')
	f.col++
	extended, token := strings.Contains(value, "=?"), value != ""
	for i := 0; i < len(value); i++ {
		c := value[i]
		extended = extended || c < ' ' || c == 127 || c > 127 && !f.utf8
		token = token && isToken(c) && c < 128
	}
	const width = foldWidth - len(" ;")
	if !extended {
		v := value
		if !token {
			v = quoted(value)
		}
		if len(name)+1+len(v) <= width {
			f.token(" ", name+"="+v)
			return nil
		}
	} else if v := percent(nil, value); len(name)+len("*=utf-8''")+len(v) <= width {
		f.token(" ", name+"*=utf-8''"+string(v))
		return nil
	}
	var b []byte
	for n := 0; value != "" || n == 0; n++ {
		if n == maxSections {
			return fault(-1, "the value of parameter %s is too long", name)
		}
		b = append(append(b[:0], name...), '*')
		b = strconv.AppendInt(b, int64(n), 10)
		end := ""
		if extended {
			b = append(b, "*="...)
			if n == 0 {
				b = append(b, "utf-8''"...)
			}
		} else {
			b = append(b, '=', '"')
			end = "\""
		}
		for value != "" {
			_, size := utf8.DecodeRuneInString(value)
			was := len(b)
			switch {
			case extended:
				b = percent(b, value[:size])
			case value[0] == '"' || value[0] == '\\':
				b = append(b, '\\', value[0])
			default:
				b = append(b, value[:size]...)
			}
			if len(b)+len(end) > width {
				b = b[:was]
				break
			}
			value = value[size:]
		}
		f.token(" ", string(b)+end)
		if value != "" {
			f.b = append(f.b, ';')
			f.col++
		}
	}
	return nil
}

// percent appends s with all but attribute characters percent-encoded.
func percent(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; attrChar[c] {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

// A ContentError is content that its transfer encoding can not carry.
type ContentError struct {
	Encoding string
	Offset   int64 // in octets of the content
	Msg      string
}

func (e *ContentError) Error() string {
	return fmt.Sprintf("mime: %s content: %s at offset %d", e.Encoding, e.Msg, e.Offset)
}

// NewEncoder returns a writer that sends what is written to it to w in a transfer encoding: "7bit", "8bit", "binary",
// "quoted-printable" or "base64", in any case. Close writes what is left; it does not close w. What is written may be cut
// anywhere; the outcome is the same.
//
// If text is set, CRLF and LF are line endings, and reach the encoding as CRLF (RFC 2049 section 4). Otherwise each octet is
// kept: quoted-printable then writes CR and LF as octets, and 7bit and 8bit take CRLF alone.
//
// Encoded lines have at most 76 octets and end in CRLF. The last line of base64 ends so too, that of quoted-printable as
// its content does. 7bit and 8bit add nothing and fail with a *ContentError at what they can not carry: NUL, CR or LF alone,
// a line of more than 998 octets, and, in 7bit, octets over 127.
func NewEncoder(w io.Writer, encoding string, text bool) (io.WriteCloser, error) {
	switch e := strings.ToLower(encoding); e {
	case "7bit", "8bit":
		return &plainWriter{w: w, encoding: e, text: text}, nil
	case "binary":
		if text {
			return &lineWriter{w: w}, nil
		}
		return nopCloser{w}, nil
	case "quoted-printable":
		return &qpWriter{w: w, text: text, buf: make([]byte, 0, encoderBuffer)}, nil
	case "base64":
		b := wire.NewBase64Writer(w)
		if text {
			return &lineWriter{w: b, c: b}, nil
		}
		return b, nil
	}
	return nil, fmt.Errorf("mime: no transfer encoding %q", encoding)
}

// encoderBuffer is the octets that an encoder gathers before it writes.
const encoderBuffer = 4096

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// lineWriter makes every LF that follows no CR a CRLF.
type lineWriter struct {
	w   io.Writer
	c   io.Closer
	cr  bool // the last octet was CR
	err error
}

func (l *lineWriter) Write(p []byte) (int, error) {
	from := 0
	for i := 0; i < len(p) && l.err == nil; {
		j := indexLF(p[i:])
		if j < 0 {
			break
		}
		j += i
		if bare := j == 0 && !l.cr || j > 0 && p[j-1] != '\r'; bare {
			if j > from {
				_, l.err = l.w.Write(p[from:j])
			}
			if l.err == nil {
				_, l.err = l.w.Write(lineCRLF)
			}
			from = j + 1
		}
		i = j + 1
	}
	if l.err == nil && from < len(p) {
		_, l.err = l.w.Write(p[from:])
	}
	if l.err != nil {
		return 0, l.err
	}
	if len(p) > 0 {
		l.cr = p[len(p)-1] == '\r'
	}
	return len(p), nil
}

func (l *lineWriter) Close() error {
	if l.c != nil && l.err == nil {
		l.err = l.c.Close()
	}
	return l.err
}

var lineCRLF = []byte("\r\n")

func indexLF(p []byte) int { return bytes.IndexByte(p, '\n') }

// plainWriter is 7bit and 8bit.
type plainWriter struct {
	w        io.Writer
	encoding string
	text     bool
	cr       bool // the last octet was CR, which was not written yet
	col      int
	off      int64
	err      error
}

func (l *plainWriter) fail(at int, msg string) {
	l.err = &ContentError{Encoding: l.encoding, Offset: l.off + int64(at), Msg: msg}
}

func (l *plainWriter) Write(p []byte) (int, error) {
	plain := &plain8
	if l.encoding == "7bit" {
		plain = &plain7
	}
	from := 0 // p[from:i] is not written
	for i := 0; i < len(p) && l.err == nil; {
		c := p[i]
		switch {
		case l.cr && c == '\n':
			l.cr = false
			l.send(lineCRLF)
			i++
			from, l.col = i, 0
		case l.cr:
			l.fail(i-1, "CR alone")
		case plain[c]:
			j := i + 1
			for j < len(p) && plain[p[j]] {
				j++
			}
			if l.col+j-i > hardWidth {
				l.fail(i+hardWidth-l.col, "a line of more than 998 octets")
			}
			l.col += j - i
			i = j
		case c == '\n' && !l.text:
			l.fail(i, "LF alone")
		case c == '\n':
			l.send(p[from:i])
			l.send(lineCRLF)
			i++
			from, l.col = i, 0
		case c == '\r' && i+1 < len(p) && p[i+1] == '\n':
			i += 2
			l.col = 0
		case c == '\r':
			l.send(p[from:i])
			i++
			from, l.cr = i, true
		case c == 0:
			l.fail(i, "NUL")
		default:
			l.fail(i, "an octet over 127")
		}
	}
	if l.err == nil {
		l.send(p[from:])
	}
	if l.err != nil {
		return 0, l.err
	}
	l.off += int64(len(p))
	return len(p), nil
}

// plain7 and plain8 mark what 7bit and 8bit carry anywhere in a line.
var plain7, plain8 = func() (t, u [256]bool) {
	for c := range t {
		u[c] = c != 0 && c != '\r' && c != '\n'
		t[c] = u[c] && c < 128
	}
	return
}()

func (l *plainWriter) send(p []byte) {
	if l.err == nil && len(p) > 0 {
		_, l.err = l.w.Write(p)
	}
}

func (l *plainWriter) Close() error {
	if l.cr && l.err == nil {
		l.fail(-1, "CR alone")
	}
	return l.err
}

// qpLine is the longest line of quoted-printable, the equals sign of a soft line break included.
const qpLine = 76

// qpPlain marks the octets that quoted-printable writes as themselves, but for blanks at a line's end.
var qpPlain = func() (t [256]bool) {
	for c := ' '; c < 127; c++ {
		t[c] = c != '='
	}
	t['\t'] = true
	return
}()

// qpWriter is quoted-printable (RFC 2045 section 6.7). One octet is held back, for what follows says whether it ends its line.
type qpWriter struct {
	w    io.Writer
	text bool
	buf  []byte
	col  int
	last [3]byte // held back, as written
	held int
	cr   bool // of text: the last octet was CR
	err  error
}

func (q *qpWriter) Write(p []byte) (int, error) {
	for i := 0; i < len(p) && q.err == nil; {
		c := p[i]
		if q.cr {
			q.cr = false
			if c == '\n' {
				q.hardBreak()
				i++
				continue
			}
			q.escape('\r')
		}
		if qpPlain[c] {
			j := i + 1
			for j < len(p) && qpPlain[p[j]] {
				j++
			}
			q.plain(p[i:j])
			i = j
			continue
		}
		i++
		switch {
		case c == '\r' && q.text:
			q.cr = true
		case c == '\n' && q.text:
			q.hardBreak()
		default:
			q.escape(c)
		}
	}
	if q.err != nil {
		return 0, q.err
	}
	return len(p), nil
}

// plain appends octets that stand for themselves, and holds the last of them back.
func (q *qpWriter) plain(run []byte) {
	q.release(qpLine - 1)
	for len(run) > 1 {
		if q.col == qpLine-1 {
			q.softBreak()
		}
		n := min(qpLine-1-q.col, len(run)-1)
		q.buf = append(q.buf, run[:n]...)
		q.col += n
		run = run[n:]
	}
	q.last[0], q.held = run[0], 1
}

func (q *qpWriter) escape(c byte) {
	q.release(qpLine - 1)
	q.last, q.held = [3]byte{'=', upperHex[c>>4], upperHex[c&15]}, 3
}

// release appends what is held back, on a line of at most width octets.
func (q *qpWriter) release(width int) {
	if q.col+q.held > width {
		q.softBreak()
	}
	q.buf = append(q.buf, q.last[:q.held]...)
	q.col += q.held
	q.held = 0
}

// releaseLast appends what is held back at a line's end.
func (q *qpWriter) releaseLast() {
	if c := q.last[0]; q.held == 1 && (c == ' ' || c == '\t') {
		q.last, q.held = [3]byte{'=', upperHex[c>>4], upperHex[c&15]}, 3
	}
	q.release(qpLine)
}

func (q *qpWriter) softBreak() {
	q.buf = append(q.buf, '=')
	q.lineEnd()
}

func (q *qpWriter) hardBreak() {
	q.releaseLast()
	q.lineEnd()
}

func (q *qpWriter) lineEnd() {
	q.buf = append(q.buf, '\r', '\n')
	q.col = 0
	if len(q.buf)+2*qpLine > cap(q.buf) {
		q.send()
	}
}

func (q *qpWriter) send() {
	if q.err == nil && len(q.buf) > 0 {
		_, q.err = q.w.Write(q.buf)
	}
	q.buf = q.buf[:0]
}

func (q *qpWriter) Close() error {
	if q.cr {
		q.cr = false
		q.escape('\r')
	}
	q.releaseLast()
	q.send()
	return q.err
}

// A survey counts what decides about a transfer encoding. It is written to.
type survey struct {
	n      int64 // octets
	high   int64 // over 127
	escape int64 // other octets that quoted-printable escapes, but for CR and LF
	nul    int64
	bareCR int64
	bareLF int64
	long   bool // a line has more than 998 octets
	col    int
	cr     bool
}

// surveyed marks what a survey counts octet by octet.
var surveyed = func() (t [256]bool) {
	for c := range t {
		t[c] = !qpPlain[c]
	}
	return
}()

func (s *survey) Write(p []byte) (int, error) {
	s.n += int64(len(p))
	for i := 0; i < len(p); i++ {
		c := p[i]
		if s.cr {
			s.cr = false
			if c == '\n' {
				s.col = 0
				continue
			}
			s.bareCR++
		}
		if s.col++; !surveyed[c] {
			continue
		}
		switch {
		case c == '\n':
			s.bareLF++
			s.col--
		case c == '\r':
			s.cr = true
			s.col--
		case c > 127:
			s.high++
		case c == 0:
			s.nul++
			s.escape++
		default:
			s.escape++
		}
		if s.col > hardWidth {
			s.long = true
		}
		if c == '\n' {
			s.col = 0
		}
	}
	s.long = s.long || s.col > hardWidth
	return len(p), nil
}

// done ends the content.
func (s *survey) done() {
	if s.cr {
		s.cr = false
		s.bareCR++
	}
}

// lines tells whether the content's lines are such that 7bit and 8bit can carry it as it is, or as text.
func (s *survey) lines(text bool) bool {
	return s.nul == 0 && s.bareCR == 0 && !s.long && (text || s.bareLF == 0)
}

// encoding chooses the transfer encoding.
func (s *survey) encoding(text, eightBit bool) string {
	switch {
	case s.lines(text) && s.high == 0:
		return "7bit"
	case s.lines(text) && eightBit:
		return "8bit"
	case s.nul > 0, !text && s.bareCR+s.bareLF > 0:
		return "base64"
	}
	return s.armour()
}

// armour chooses between quoted-printable and base64 by size. Of equals it takes the one that people can read.
func (s *survey) armour() string {
	if qp := s.n + 2*(s.high+s.escape+s.bareCR); qp <= (s.n+quantumRaw-1)/quantumRaw*quantum {
		return "quoted-printable"
	}
	return "base64"
}

// TransferEncoding returns the transfer encoding that fits the content: "7bit" if it is ASCII of lines of at most 998 octets;
// "8bit" if eightBit allows it and octets over 127 are all that 7bit lacks; else "quoted-printable" or "base64", by which is
// shorter. text says, as for NewEncoder, that LF is a line ending; without it content whose lines end otherwise than in CRLF
// gets "base64".
func TransferEncoding(content []byte, text, eightBit bool) string {
	var s survey
	_, _ = s.Write(content)
	s.done()
	return s.encoding(text, eightBit)
}
