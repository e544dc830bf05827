// ASCII case and cleaning, shared by the names here.

package pop3

import "unicode/utf8"

// equalFold folds ASCII letters alone: in a protocol U+017F is not an S.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if upper(a[i]) != upper(b[i]) {
			return false
		}
	}
	return true
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		return c - ('a' - 'A')
	}
	return c
}

// CleanText makes any text fit for a reply line: a run of spaces and control
// characters becomes one space, none at the ends, and each character that is
// not ASCII a question mark.
func CleanText(s string) string {
	clean := true
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == ' ' && (i == 0 || i == len(s)-1 || s[i-1] == ' ') {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	b := make([]byte, 0, len(s))
	for _, r := range s {
		switch {
		case r <= ' ' || r == 0x7f:
			if len(b) > 0 && b[len(b)-1] != ' ' {
				b = append(b, ' ')
			}
		case r >= utf8.RuneSelf:
			b = append(b, '?')
		default:
			b = append(b, byte(r))
		}
	}
	if n := len(b); n > 0 && b[n-1] == ' ' {
		b = b[:n-1]
	}
	return string(b)
}
