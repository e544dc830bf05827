package mime

// Headers and fields as views of their raw octets, decoded on demand.

import (
	"bytes"
	"encoding/binary"
	"errors"
	"iter"
	"math/bits"
	"strings"
	"time"
)

// maxFieldName bounds how far the colon of a field is looked for.
const maxFieldName = 1024

// ftext marks the octets of a field name (RFC 5322 section 3.6.8), and 8-bit ones, which RFC 6532 leaves out and some
// senders put in.
var ftext = func() (t [256]bool) {
	for c := 33; c < 256; c++ {
		t[c] = c != ':' && c != 127
	}
	return
}()

// fieldName returns the length of the field name at the start of b, or 0 if no field begins there. Blanks may stand before
// the colon (RFC 5322 section 4.5).
func fieldName(b []byte) int {
	n, m := 0, uint64(0)
	for len(b)-n >= 8 && n < maxFieldName {
		// The first octet that is no ftext makes the first of the high bits.
		v := binary.LittleEndian.Uint64(b[n:])
		colon, del := v^(':'*octets), v^(127*octets)
		if m = ((v-33*octets)&^v | (colon-octets)&^colon | (del-octets)&^del) & (0x80 * octets); m != 0 {
			n += bits.TrailingZeros64(m) >> 3
			break
		}
		n += 8
	}
	if m == 0 {
		for n < len(b) && n < maxFieldName && ftext[b[n]] {
			n++
		}
	}
	if n < len(b) && b[n] == ':' && n > 0 && n < maxFieldName {
		return n
	}
	i := n
	for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
		i++
	}
	if n == 0 || i >= len(b) || i >= maxFieldName || b[i] != ':' {
		return 0
	}
	return n
}

// octets makes a word of eight times an octet.
const octets = 0x0101010101010101

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// equalFold compares under ASCII case folding; name is in lower case.
func equalFold[T []byte | string](b T, name string) bool {
	if len(b) != len(name) {
		return false
	}
	for i := 0; i < len(name); i++ {
		if lower(b[i]) != lower(name[i]) {
			return false
		}
	}
	return true
}

// fieldValue returns what follows the colon, without blanks and line endings around it, still folded.
func fieldValue(f []byte, name int) []byte {
	from, to := valueBounds(f, name)
	return f[from:to]
}

func valueBounds(f []byte, name int) (from, to int) {
	from, to = name, len(f)
	for from < to && f[from] != ':' {
		from++
	}
	if from < to {
		from++
	}
	for from < to && isBlank(f[from]) {
		from++
	}
	for from < to && isBlank(f[to-1]) {
		to--
	}
	return from, to
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func trimBlank[T []byte | string](b T) T {
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isBlank(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// A Header is the raw octets of a header, fields in order, with or without the blank line behind them. It is a view: no
// octet is copied, and each lookup goes through the fields once. The zero value is an empty header.
type Header struct {
	raw []byte
	lim *Limits
}

// ParseHeader returns the header at the start of b, which is borrowed. It ends with the blank line, or where a line is
// neither a field nor followed by one.
func ParseHeader(b []byte) Header {
	s := NewScannerBytes(b, nil)
	n := 0
	for {
		t, err := s.Next()
		if err != nil {
			break
		}
		n += len(t.Raw)
		if t.Kind == KindHeaderEnd {
			break
		}
	}
	return Header{raw: b[:n:n]}
}

// Raw returns the header's octets, blank line included if the message has one. They are borrowed from what was parsed.
func (h Header) Raw() []byte { return h.raw }

// Fields yields the fields in order, lines that are no field included (their Name is empty).
func (h Header) Fields() iter.Seq[Field] {
	return func(yield func(Field) bool) {
		b := h.raw
		if bytes.HasPrefix(b, byteOrderMark) {
			if n := len(byteOrderMark); !yield(Field{raw: b[:n:n], lim: h.lim}) {
				return
			}
			b = b[len(byteOrderMark):]
		}
		for {
			var f Field
			if f, b = cutField(b); f.raw == nil {
				return
			}
			f.lim = h.lim
			if !yield(f) {
				return
			}
		}
	}
}

// cutField splits the first field from b. The field's raw is nil at the end of the header.
func cutField(b []byte) (Field, []byte) {
	if len(b) == 0 || b[0] == '\n' || b[0] == '\r' && (len(b) == 1 || b[1] == '\n') {
		return Field{}, nil
	}
	name := fieldName(b)
	end := 0
	for {
		i := bytes.IndexByte(b[end:], '\n')
		if i < 0 {
			end = len(b)
			break
		}
		end += i + 1
		if name == 0 || end == len(b) || b[end] != ' ' && b[end] != '\t' {
			break
		}
	}
	return Field{raw: b[:end:end], name: name}, b[end:]
}

// Get returns the first field of the name.
func (h Header) Get(name string) (Field, bool) {
	for f := range h.Fields() {
		if f.Is(name) {
			return f, true
		}
	}
	return Field{}, false
}

// All yields all fields of the name in order.
func (h Header) All(name string) iter.Seq[Field] {
	return func(yield func(Field) bool) {
		for f := range h.Fields() {
			if f.Is(name) && !yield(f) {
				return
			}
		}
	}
}

// Has tells whether there is a field of the name.
func (h Header) Has(name string) bool {
	_, ok := h.Get(name)
	return ok
}

// Text returns the decoded text of the first field of the name, or "".
func (h Header) Text(name string) string {
	f, _ := h.Get(name)
	return f.Text()
}

// Addresses returns the addresses of all fields of the name, put together as RFC 5322 section 4.5.3 says.
func (h Header) Addresses(name string) []Address {
	var l []Address
	for f := range h.All(name) {
		l = appendAddresses(l, string(f.Value()), h.limits().Addresses)
	}
	return l
}

// Date returns the date of the first field of the name.
func (h Header) Date(name string) (time.Time, error) {
	f, ok := h.Get(name)
	if !ok {
		return time.Time{}, errNoField
	}
	return f.Date()
}

var errNoField = errors.New("mime: no such field")

// MessageIDs returns the message identifiers of the first field of the name, without angle brackets.
func (h Header) MessageIDs(name string) []string {
	f, _ := h.Get(name)
	return f.MessageIDs()
}

// ContentType returns the first Content-Type field's value, or text/plain; charset=us-ascii where there is none or it
// cannot be read (RFC 2045 section 5.2).
func (h Header) ContentType() ContentType {
	if f, ok := h.Get("Content-Type"); ok {
		if ct, ok := parseContentType(string(f.Value()), h.limits().Parameters); ok {
			return ct
		}
	}
	return defaultContentType()
}

// Disposition returns the first Content-Disposition field's value (RFC 2183).
func (h Header) Disposition() (Disposition, bool) {
	if f, ok := h.Get("Content-Disposition"); ok {
		return parseDisposition(string(f.Value()), h.limits().Parameters)
	}
	return Disposition{}, false
}

func (h Header) limits() *Limits {
	if h.lim == nil {
		return &defaultLimits
	}
	return h.lim
}

// AppendFields appends to dst the raw fields whose names are among names, in the header's order (or, if not is set, all the
// others), and the blank line: IMAP's HEADER.FIELDS and HEADER.FIELDS.NOT (RFC 3501 section 6.4.5). The blank line is
// written even where the message has none. A last field without a line ending gets one.
func (h Header) AppendFields(dst []byte, names []string, not bool) []byte {
	var set map[string]bool
	if len(names) > 8 {
		set = make(map[string]bool, len(names))
		for _, n := range names {
			set[strings.ToLower(n)] = true
		}
	}
	eol := "\r\n"
	if i := bytes.IndexByte(h.raw, '\n'); i == 0 || i > 0 && h.raw[i-1] != '\r' {
		eol = "\n"
	}
	for f := range h.Fields() {
		match := false
		switch {
		case f.name == 0:
			if bytes.Equal(f.raw, byteOrderMark) {
				continue
			}
		case set != nil:
			match = set[string(bytes.ToLower(f.raw[:f.name]))]
		default:
			for _, n := range names {
				if f.Is(n) {
					match = true
					break
				}
			}
		}
		if match != not {
			dst = append(dst, f.raw...)
			if f.raw[len(f.raw)-1] != '\n' {
				dst = append(dst, eol...)
			}
		}
	}
	return append(dst, eol...)
}

// A Field is one header field: a view of its raw octets. The zero value is a field without name and value.
type Field struct {
	raw  []byte
	name int
	lim  *Limits
}

// Raw returns the field's octets with its folded lines and its line ending. They are borrowed.
func (f Field) Raw() []byte { return f.raw }

// Name returns the name as it stands, or "" for a line that is no field.
func (f Field) Name() string { return string(f.raw[:f.name]) }

// Is tells whether the field has the name, in any case of its ASCII letters.
func (f Field) Is(name string) bool {
	return f.name == len(name) && f.name > 0 && equalFold(f.raw[:f.name], name)
}

// Value returns the octets behind the colon without the blanks around them, still folded and encoded. They are borrowed.
func (f Field) Value() []byte {
	if f.name == 0 {
		return trimBlank(f.raw)
	}
	return fieldValue(f.raw, f.name)
}

// Unfolded returns the value on one line, not decoded.
func (f Field) Unfolded() string { return unfold(string(f.Value())) }

// Text returns the value unfolded, its encoded-words (RFC 2047) decoded, in UTF-8.
func (f Field) Text() string { return DecodeText(string(f.Value())) }

// Addresses returns the value as a list of addresses.
func (f Field) Addresses() []Address {
	n := defaultAddresses
	if f.lim != nil {
		n = f.lim.Addresses
	}
	return appendAddresses(nil, string(f.Value()), n)
}

// Date returns the value as a date.
func (f Field) Date() (time.Time, error) { return ParseDate(string(f.Value())) }

// MessageIDs returns the message identifiers of the value, without angle brackets.
func (f Field) MessageIDs() []string { return ParseMessageIDs(string(f.Value())) }

// unfold removes line endings (RFC 5322 section 2.2.3) and replaces NUL, for which no protocol has room.
func unfold(s string) string {
	if strings.IndexByte(s, '\n') < 0 && strings.IndexByte(s, '\r') < 0 && strings.IndexByte(s, 0) < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '\r', '\n':
		case 0:
			b = append(b, '?')
		default:
			b = append(b, c)
		}
	}
	return string(b)
}
