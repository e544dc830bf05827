package report

// The fields of the parts for machines (RFC 3464 section 2.1.1): groups of header fields between blank lines.

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/mailwire/mailwire/mime"
)

// A Field is a field that this package gives no meaning, or whose value it cannot read. The value is unfolded and otherwise as it
// stands, comments included; octets that are not UTF-8 are U+FFFD.
type Field struct {
	Name, Value string
}

// maxFields is how many fields of one report are read.
const maxFields = 20000

// fieldGroups calls f with the fields of b, and with whether a blank line, or a run of them, precedes a field.
func fieldGroups(b []byte, f func(fd Field, first bool)) {
	n := 0
	first := true
	for len(b) > 0 && n < maxFields {
		if k := blankLines(b); k > 0 {
			b = b[k:]
			first = true
			continue
		}
		var h mime.Header
		line := b
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			line = b[:i+1]
		}
		if bytes.IndexByte(line, ':') > 0 {
			h = mime.ParseHeader(b)
		}
		raw := h.Raw()
		for fd := range h.Fields() {
			name := strings.TrimRight(fd.Name(), " \t")
			if name == "" || !isAtom(name) {
				continue
			}
			if n++; n > maxFields {
				return
			}
			f(Field{name, clean(fd.Unfolded())}, first)
			first = false
		}
		if len(raw) == 0 {
			raw = line // it is no field
		} else if len(bytes.TrimRight(raw, "\r\n \t")) < len(raw) && endsBlank(raw) {
			first = true
		}
		b = b[len(raw):]
	}
}

func endsBlank(raw []byte) bool {
	return bytes.HasSuffix(raw, []byte("\n\n")) || bytes.HasSuffix(raw, []byte("\n\r\n"))
}

// blankLines is the length of the lines at the beginning of b that hold nothing but blanks.
func blankLines(b []byte) int {
	n := 0
	for i, c := range b {
		switch c {
		case '\n':
			n = i + 1
		case '\r', ' ', '\t':
		default:
			return n
		}
	}
	return len(b)
}

// clean makes a value fit to be written: valid UTF-8 without CR, LF and NUL, and no blanks around it.
func clean(s string) string {
	if strings.ContainsAny(s, "\r\n\x00") {
		s = strings.Map(func(r rune) rune {
			if r == '\r' || r == '\n' || r == 0 {
				return ' '
			}
			return r
		}, s)
	}
	return strings.Trim(strings.ToValidUTF8(s, "\ufffd"), " \t")
}

// isAtom tells whether s can name a field or a type: printable ASCII without specials.
func isAtom(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;:\"[]`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

const (
	lineSoft = 78  // octets after which a line is folded (RFC 5322 section 2.1.1)
	lineHard = 998 // octets that no line may exceed
)

// appendField appends a field with CRLF, folded where it has blanks.
func appendField(dst []byte, name, value string) ([]byte, error) {
	if !isAtom(name) {
		return dst, fmt.Errorf("report: %q is no field name", name)
	}
	if err := checkValue(name, value); err != nil {
		return dst, err
	}
	start := len(dst)
	dst = append(append(dst, name...), ':', ' ')
	col := len(name) + 2
	value = strings.Trim(value, " \t")
	for value != "" {
		// A word, with the blanks before it.
		n := 0
		for n < len(value) && (value[n] == ' ' || value[n] == '\t') {
			n++
		}
		blanks := n
		for n < len(value) && value[n] != ' ' && value[n] != '\t' {
			n++
		}
		if blanks > 0 && col+n > lineSoft {
			dst = append(dst, "\r\n"...)
			col = 0
		}
		if col += n; col > lineHard {
			return dst[:start], fmt.Errorf("report: %s has %d octets without a blank to fold at", name, col)
		}
		dst = append(dst, value[:n]...)
		value = value[n:]
	}
	return append(dst, "\r\n"...), nil
}

func checkValue(name, value string) error {
	if i := strings.IndexAny(value, "\r\n\x00"); i >= 0 {
		return fmt.Errorf("report: %s has the octet 0x%02x at %d", name, value[i], i)
	}
	if !utf8.ValidString(value) {
		return fmt.Errorf("report: %s is not UTF-8", name)
	}
	return nil
}

// An encoder appends fields; its first error sticks.
type encoder struct {
	dst []byte
	err error
}

func (e *encoder) field(name, value string) {
	if e.err == nil {
		e.dst, e.err = appendField(e.dst, name, value)
	}
}

// optional writes a field unless it is empty.
func (e *encoder) optional(name, value string) {
	if value != "" {
		e.field(name, value)
	}
}

func (e *encoder) typed(name string, t Typed, def string) {
	if t.Value == "" {
		return
	}
	typ := t.Type
	if typ == "" {
		typ = def
	}
	if e.err == nil && !isAtom(typ) {
		e.err = fmt.Errorf("report: %s has %q for a type", name, typ)
	}
	e.field(name, typ+"; "+strings.Trim(t.Value, " \t"))
}

func (e *encoder) extensions(l []Field) {
	for _, f := range l {
		e.field(f.Name, f.Value)
	}
}

func (e *encoder) blank() {
	if e.err == nil {
		e.dst = append(e.dst, "\r\n"...)
	}
}

func (e *encoder) need(ok bool, what string) {
	if e.err == nil && !ok {
		e.err = fmt.Errorf("report: %s is missing", what)
	}
}

func (e *encoder) done(dst []byte) ([]byte, error) {
	if e.err != nil {
		return dst, e.err
	}
	return e.dst, nil
}
