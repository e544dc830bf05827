package imapwire

// Tokens to octets: strings, names, flags and lists. Every function leaves
// dst's content as it was where it returns an error.

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/internal/wire"
)

// maxQuoted is the longest string that is sent quoted, in octets. Peers bound
// their lines, and never literals as tightly.
const maxQuoted = 1024

// quotable reports whether s can be a quoted string.
func quotable(s string) bool {
	if len(s) > maxQuoted {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c >= 0x80 || c == 0 || c == '\r' || c == '\n' {
			return false
		}
	}
	return true
}

// quotableUTF8 reports whether s can be a quoted string where UTF8=ACCEPT is in
// force (RFC 6855 section 3).
func quotableUTF8(s string) bool {
	return len(s) <= maxQuoted && !strings.ContainsAny(s, "\x00\r\n") && utf8.ValidString(s)
}

// appendQuoted appends s, which is quotable.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for {
		i := strings.IndexByte(s, '"')
		if j := strings.IndexByte(s, '\\'); j >= 0 && (i < 0 || j < i) {
			i = j
		}
		if i < 0 {
			break
		}
		dst = append(dst, s[:i]...)
		dst = append(dst, '\\', s[i])
		s = s[i+1:]
	}
	dst = append(dst, s...)
	return append(dst, '"')
}

// AppendString appends s as a server sends a string: quoted where it can be,
// else as a literal. A string that holds NUL is an error (RFC 3501 section 9,
// CHAR8).
func AppendString(dst []byte, s string) ([]byte, error) {
	if quotable(s) {
		return appendQuoted(dst, s), nil
	}
	if strings.IndexByte(s, 0) >= 0 {
		return dst, errEncode
	}
	dst = AppendLiteralHeader(dst, int64(len(s)))
	return append(dst, s...), nil
}

// AppendLiteralHeader appends "{n}" CRLF. The caller sends n octets behind it.
func AppendLiteralHeader(dst []byte, n int64) []byte {
	dst = append(dst, '{')
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, '}', '\r', '\n')
}

// appendAString appends s as an atom where it is one, else as a string.
func appendAString(dst []byte, s string) ([]byte, error) {
	if classAString.All(s) && !wire.EqualFold(s, "NIL") {
		return append(dst, s...), nil
	}
	return AppendString(dst, s)
}

// appendText appends s, which may come from a message, as a string; NUL, for
// which no string has room, becomes "?".
func appendText(dst []byte, s string) []byte {
	out, err := AppendString(dst, s)
	if err != nil {
		out, _ = AppendString(dst, strings.ReplaceAll(s, "\x00", "?"))
	}
	return out
}

// appendName appends a mailbox name, in modified UTF-7 unless utf8Names.
func appendName(dst []byte, name string, utf8Names bool) ([]byte, error) {
	if imap.IsInbox(name) {
		return append(dst, imap.Inbox...), nil
	}
	if utf8Names {
		if classAString.All(name) && !wire.EqualFold(name, "NIL") {
			return append(dst, name...), nil
		}
		return appendUTF8Name(dst, name)
	}
	s, err := imap.EncodeUTF7(name)
	if err != nil {
		return dst, err
	}
	return appendAString(dst, s)
}

// appendUTF8Name appends a name as a string where UTF8=ACCEPT is in force.
func appendUTF8Name(dst []byte, name string) ([]byte, error) {
	if quotableUTF8(name) {
		return appendQuoted(dst, name), nil
	}
	if !validName(name) {
		return dst, imap.ErrMailboxName
	}
	return AppendString(dst, name)
}

// validName reports whether a name can be sent as UTF-8.
func validName(name string) bool {
	return utf8.ValidString(name) && !strings.ContainsAny(name, "\x00\r\n")
}

// appendFlags appends flags in parentheses.
func appendFlags(dst []byte, flags []imap.Flag) ([]byte, error) {
	from := len(dst)
	dst = append(dst, '(')
	for i, f := range flags {
		if !f.Valid() {
			return dst[:from], &badToken{"flag", string(f)}
		}
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = append(dst, f...)
	}
	return append(dst, ')'), nil
}

// badToken is a value that the grammar has no room for.
type badToken struct{ what, value string }

func (e *badToken) Error() string {
	return "imap: " + strconv.QuoteToASCII(e.value) + " cannot be a " + e.what
}

// appendAtom appends s, which must be an atom.
func appendAtom(dst []byte, s string) ([]byte, error) {
	if !classAtom.All(s) {
		return dst, &badToken{"word", s}
	}
	return append(dst, s...), nil
}

// appendDelimiter appends a hierarchy delimiter, or NIL for zero.
func appendDelimiter(dst []byte, d rune) []byte {
	switch {
	case d == 0 || d == '\r' || d == '\n' || d > 0x7f:
		return append(dst, "NIL"...)
	case d == '"' || d == '\\':
		return append(dst, '"', '\\', byte(d), '"')
	}
	return append(dst, '"', byte(d), '"')
}

// appendRaw appends text that stands on the wire as it is: printable ASCII in
// one line.
func appendRaw(dst []byte, text string) ([]byte, error) {
	if !plain(text) {
		return dst, &badToken{"raw value", text}
	}
	return append(dst, text...), nil
}

// appendWire appends text that stands on the wire as it is: printable ASCII,
// and literals with their headers, all of whose octets are there. What is
// behind the text could not be told from a literal's octets where it ended in a
// header.
func appendWire(dst []byte, text string) ([]byte, error) {
	from := len(dst)
	for {
		run, h, rest, err := cutLiteral(text)
		if err != nil {
			return dst[:from], err
		}
		dst = append(dst, run...)
		if h == nil {
			return dst, nil
		}
		if h.binary {
			dst = append(dst, '~')
		}
		dst = AppendLiteralHeader(dst, h.size)
		dst = append(dst, rest[:h.size]...)
		text = rest[h.size:]
	}
}

// cutLiteral cuts text at its first literal: run is what is before its header,
// and rest its octets and what follows. h is nil where there is none.
func cutLiteral(text string) (run string, h *header, rest string, err error) {
	line, rest, more := strings.Cut(text, "\r\n")
	x, ok := literalHeader([]byte(line))
	if ok != more || more && (x.overflow || x.size > int64(len(rest)) || !x.binary && strings.IndexByte(rest[:x.size], 0) >= 0) {
		return "", nil, "", &badToken{"raw value", text}
	}
	if !more {
		rest = ""
	} else {
		line, h = line[:x.at], &x
	}
	if !plain(line) {
		return "", nil, "", &badToken{"raw value", text}
	}
	return line, h, rest, nil
}

// appendRawValue appends one value as it stands on the wire: an atom, a string
// or a list. Nothing at all would be taken for what comes next.
func appendRawValue(dst []byte, text string) ([]byte, error) {
	if text == "" {
		return dst, &badToken{"raw value", text}
	}
	return appendWire(dst, text)
}

func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
