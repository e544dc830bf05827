package wire

// Class is a set of octets, as a table: Class[b] reports whether b is in it.
type Class [256]bool

// NewClass returns the class of the octets in chars and of the ranges, each
// given as its first and last octet.
func NewClass(chars string, ranges ...[2]byte) *Class {
	c := new(Class)
	for i := range len(chars) {
		c[chars[i]] = true
	}
	for _, r := range ranges {
		for b := int(r[0]); b <= int(r[1]); b++ {
			c[b] = true
		}
	}
	return c
}

// Without returns c less the octets in chars.
func (c *Class) Without(chars string) *Class {
	d := *c
	for i := range len(chars) {
		d[chars[i]] = false
	}
	return &d
}

// Span is the number of octets at b's front that are in c.
func (c *Class) Span(b []byte) int {
	for i, x := range b {
		if !c[x] {
			return i
		}
	}
	return len(b)
}

// All reports whether s is not empty and has no octet outside c.
func (c *Class) All(s string) bool {
	for i := range len(s) {
		if !c[s[i]] {
			return false
		}
	}
	return s != ""
}

func upper(b byte) byte {
	if 'a' <= b && b <= 'z' {
		return b - ('a' - 'A')
	}
	return b
}

// EqualFold reports whether b and s are the same but for the case of ASCII
// letters. No other letters fold: protocol words are ASCII.
func EqualFold[T, U []byte | string](b T, s U) bool {
	if len(b) != len(s) {
		return false
	}
	if string(b) == string(s) {
		return true
	}
	for i := range len(b) {
		if upper(b[i]) != upper(s[i]) {
			return false
		}
	}
	return true
}

// Lower returns s with its ASCII letters in lower case.
func Lower(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for i, c := range b {
				if 'A' <= c && c <= 'Z' {
					b[i] = c + ('a' - 'A')
				}
			}
			return string(b)
		}
	}
	return s
}

// Upper returns s with its ASCII letters in upper case.
func Upper(s string) string {
	for i := range len(s) {
		if s[i] != upper(s[i]) {
			b := []byte(s)
			for i := range b {
				b[i] = upper(b[i])
			}
			return string(b)
		}
	}
	return s
}
