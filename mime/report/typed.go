package report

// Values with a type before them (RFC 3464 section 2.1.2), xtext (RFC 3461 section 4) and the utf-8 address type (RFC 6533).

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Typed is a value and what kind of value it is, written "type; value". The types of addresses are rfc822 and utf-8, that of
// names of mail systems is dns, those of diagnostics are smtp and whatever a system makes up.
type Typed struct {
	Type, Value string
}

func (t Typed) String() string {
	if t.Type == "" {
		return t.Value
	}
	return t.Type + "; " + t.Value
}

// parseTyped reads a value; def is the type of one that has none. ok is false if there is no value.
func parseTyped(s, def string) (t Typed, ok bool) {
	typ, value, found := strings.Cut(s, ";")
	if typ = strings.Trim(typ, " \t"); !found || !isAtom(typ) {
		typ, value = def, s
	}
	value = strings.Trim(value, " \t")
	return Typed{typ, value}, value != ""
}

// Address returns the value as an address: without comments and angle brackets, and the utf-8 type's escapes decoded.
func (t Typed) Address() string {
	s := bareAddress(t.Value)
	if strings.EqualFold(t.Type, "utf-8") {
		s = decodeUnitext(s)
	}
	return s
}

// bareAddress removes what may stand around an address.
func bareAddress(s string) string {
	s = strings.Trim(s, " \t")
	if i := strings.LastIndexByte(s, '<'); i >= 0 && !strings.HasPrefix(s, `"`) {
		s = s[i+1:]
		if j := strings.IndexByte(s, '>'); j >= 0 {
			s = s[:j]
		}
	}
	// A comment may follow, as in "joe@example.org (expanded)".
	if !strings.HasPrefix(s, `"`) {
		if i := strings.IndexAny(s, " \t("); i > 0 && strings.HasPrefix(strings.TrimLeft(s[i:], " \t"), "(") {
			s = s[:i]
		}
	}
	s = strings.TrimPrefix(s, "mailto:")
	return strings.Trim(s, " \t;")
}

// maxPoint is how many digits a code point has (RFC 6533 section 3).
const maxPoint = 6

// decodeUnitext decodes \x{HEX}; what is no escape stands for itself.
func decodeUnitext(s string) string {
	if !strings.Contains(s, `\x{`) {
		return s
	}
	var b strings.Builder
	for {
		i := strings.Index(s, `\x{`)
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		s = s[i:]
		if j := strings.IndexByte(s[:min(len(s), 3+maxPoint+1)], '}'); j > 3 {
			if n, err := strconv.ParseUint(s[3:j], 16, 32); err == nil && n >= ' ' && n != 0x7f && utf8.ValidRune(rune(n)) {
				b.WriteRune(rune(n))
				s = s[j+1:]
				continue
			}
		}
		b.WriteString(s[:3])
		s = s[3:]
	}
}

// AppendXtext appends s in the xtext form of SMTP's DSN parameters: "+", "=" and all that is not printable ASCII as +XX.
func AppendXtext(dst []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '+' || c == '=' {
			dst = append(dst, '+', hex[c>>4], hex[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}

// ParseXtext decodes xtext.
func ParseXtext(s string) (string, error) {
	if strings.IndexByte(s, '+') < 0 {
		return s, checkXtext(s)
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '+' {
			if c <= ' ' || c >= 0x7f || c == '=' {
				return "", xtextError(s, i)
			}
			b.WriteByte(c)
			continue
		}
		if i+2 >= len(s) || !isUpperHex(s[i+1]) || !isUpperHex(s[i+2]) {
			return "", xtextError(s, i)
		}
		n, _ := strconv.ParseUint(s[i+1:i+3], 16, 8)
		b.WriteByte(byte(n))
		i += 2
	}
	return b.String(), nil
}

func isUpperHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'A' && c <= 'F' }

func checkXtext(s string) error {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '=' {
			return xtextError(s, i)
		}
	}
	return nil
}

func xtextError(s string, i int) error {
	return fmt.Errorf("report: xtext at octet %d: octet 0x%02x, or two hexadecimal digits missing", i, s[i])
}

// ParseORCPT reads the value of SMTP's ORCPT parameter (RFC 3461 section 4.2, RFC 6533 section 3) as what belongs in
// Original-Recipient: the xtext decoded, or for the type utf-8 the \x{HEX} escapes.
func ParseORCPT(s string) (Typed, error) {
	typ, value, ok := strings.Cut(s, ";")
	if !ok || !isAtom(typ) || value == "" {
		return Typed{}, errors.New("report: an address type, a semicolon and an address expected in ORCPT")
	}
	if strings.EqualFold(typ, "utf-8") {
		value = decodeUnitext(value)
	} else {
		var err error
		if value, err = ParseXtext(value); err != nil {
			return Typed{}, err
		}
	}
	if err := checkValue("ORCPT", value); err != nil {
		return Typed{}, err
	}
	return Typed{typ, value}, nil
}

// AppendORCPT appends t as the value of SMTP's ORCPT parameter. A value of the type utf-8 is written with \x{HEX} escapes, which
// servers without SMTPUTF8 take too; of any other type it must be ASCII.
func AppendORCPT(dst []byte, t Typed) ([]byte, error) {
	if !isAtom(t.Type) || t.Value == "" {
		return dst, errors.New("report: ORCPT needs an address type and an address")
	}
	if err := checkValue("ORCPT", t.Value); err != nil {
		return dst, err
	}
	n := len(dst)
	dst = append(append(dst, t.Type...), ';')
	if !strings.EqualFold(t.Type, "utf-8") {
		if !isASCII(t.Value) {
			return dst[:n], fmt.Errorf("report: an address of type %s must be ASCII; use the type utf-8", t.Type)
		}
		return AppendXtext(dst, t.Value), nil
	}
	for i, r := range t.Value {
		if r < ' ' || r == 0x7f {
			return dst[:n], fmt.Errorf("report: control octet 0x%02x at %d of an address", r, i)
		}
		if r == ' ' || r == '\\' || r == '+' || r == '=' || r >= 0x7f {
			dst = append(dst, `\x{`...)
			dst = append(dst, strings.ToUpper(strconv.FormatUint(uint64(r), 16))...)
			dst = append(dst, '}')
		} else {
			dst = append(dst, byte(r))
		}
	}
	return dst, nil
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
