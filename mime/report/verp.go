package report

// VERP: the recipient in the envelope's sender, so that a bounce tells of itself whom it is about.

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// AppendVERP appends the address that bounces of a message from sender to rcpt go to: "bounces@example.org" and "joe@example.net"
// make "bounces+joe=example.net@example.org". In the recipient's local part "+" is written +2B, "=" +3D, "@" +40 and "%" +25, and
// so are octets that an unquoted local part may not have, so that ParseVERP gives it back. It is an error if the sender is no
// plain address, the recipient is none, or the result's local part is longer than 64 octets, which RFC 5321 section 4.5.3.1.1 does not promise to carry.
func AppendVERP(dst []byte, sender, rcpt string) ([]byte, error) {
	at, rat := strings.LastIndexByte(sender, '@'), strings.LastIndexByte(rcpt, '@')
	if at <= 0 || rat <= 0 || at == len(sender)-1 || rat == len(rcpt)-1 || !plainLocal(sender[:at]) || !plainDomain(sender[at+1:]) || !plainDomain(rcpt[rat+1:]) || !verpLocal(rcpt[:rat]) {
		return dst, errors.New("report: VERP needs two addresses, the sender's local part unquoted and both domains names")
	}
	n := len(dst)
	dst = append(append(dst, sender[:at]...), '+')
	const hex = "0123456789ABCDEF"
	for i := 0; i < rat; i++ {
		if c := rcpt[i]; c != '+' && c != '=' && c != '%' && (isAtext(c) || c == '.' && i > 0 && i < rat-1 && rcpt[i-1] != '.') {
			dst = append(dst, c)
		} else {
			dst = append(dst, '+', hex[c>>4], hex[c&15])
		}
	}
	dst = append(append(dst, '='), rcpt[rat+1:]...)
	if len(dst)-n > 64 {
		return dst[:n], errors.New("report: VERP's local part is longer than 64 octets")
	}
	return append(dst, sender[at:]...), nil
}

// ParseVERP takes an address that AppendVERP made apart, given the sender that it was made with. Other makers' addresses without
// +XX escapes are read too. What does not decode to a local part, a word without blanks and specials or a quoted string, is none.
func ParseVERP(addr, sender string) (rcpt string, ok bool) {
	at, sat := strings.LastIndexByte(addr, '@'), strings.LastIndexByte(sender, '@')
	if at < 0 || sat < 0 || !strings.EqualFold(addr[at:], sender[sat:]) {
		return "", false
	}
	local := addr[:at]
	if len(local) <= sat || !strings.EqualFold(local[:sat], sender[:sat]) || local[sat] != '+' {
		return "", false
	}
	local = local[sat+1:]
	eq := strings.LastIndexByte(local, '=')
	if eq <= 0 || !plainDomain(local[eq+1:]) {
		return "", false
	}
	user := decodeEscapes(local[:eq])
	if !verpLocal(user) {
		return "", false
	}
	return user + "@" + local[eq+1:], true
}

// decodeEscapes decodes +XX in either case.
func decodeEscapes(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '+' && i+2 < len(s) {
			if h, l := unhex(s[i+1]), unhex(s[i+2]); h >= 0 && l >= 0 {
				b.WriteByte(byte(h<<4 | l))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func unhex(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

func isAtext(c byte) bool {
	return isAlnum(c) || strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

func plainLocal(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isAtext(s[i]) && s[i] != '.' {
			return false
		}
	}
	return s != ""
}

// verpLocal tells whether s is a local part, in quotes or without; in the latter dots may stand anywhere, as in old addresses.
func verpLocal(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	quoted := len(s) > 1 && s[0] == '"' && s[len(s)-1] == '"'
	if quoted {
		s = s[1 : len(s)-1]
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c < ' ' || c == 0x7f:
			return false
		case quoted && c == '"':
			return false
		case quoted && c == '\\':
			if i++; i == len(s) || s[i] < ' ' || s[i] == 0x7f {
				return false
			}
		case !quoted && !isAtext(c) && c != '.' && c < 0x80:
			return false
		}
	}
	return s != ""
}

func plainDomain(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isAlnum(s[i]) && s[i] != '.' && s[i] != '-' {
			return false
		}
	}
	return s != ""
}
