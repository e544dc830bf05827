// Xtext (RFC 3461 section 4).

package smtpwire

import "strings"

const hexDigits = "0123456789ABCDEF"

// AppendXtext appends s as xtext (RFC 3461 section 4).
func AppendXtext(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c > ' ' && c <= '~' && c != '+' && c != '=' {
			dst = append(dst, c)
		} else {
			dst = append(dst, '+', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return dst
}

// ParseXtext decodes xtext. It takes hexadecimal digits of either case, and
// UTF-8 as it is.
func ParseXtext(s string) (string, bool) {
	i := strings.IndexByte(s, '+')
	if i < 0 {
		return s, !strings.Contains(s, "=")
	}
	var buf [128]byte
	b := append(buf[:0], s[:i]...)
	for ; i < len(s); i++ {
		switch s[i] {
		case '=':
			return "", false
		case '+':
			if i+2 >= len(s) {
				return "", false
			}
			hi, lo := unhex(s[i+1]), unhex(s[i+2])
			if hi > 15 || lo > 15 {
				return "", false
			}
			b = append(b, hi<<4|lo)
			i += 2
		default:
			b = append(b, s[i])
		}
	}
	return string(b), true
}

func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 0xff
}
