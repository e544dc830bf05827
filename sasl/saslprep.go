// SASLprep (RFC 4013), the preparation of user names and passwords.

package sasl

import (
	"errors"
	"sort"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

//go:generate go run ./internal/preptables -in internal/preptables/rfc3454.txt -out preptables.go

// ErrPrep says that a string can not be prepared by SASLprep. What is wrong
// with it is not told: it may be a password.
var ErrPrep = errors.New("sasl: the string holds characters that SASLprep does not allow")

// SASLprep prepares a user name or a password that is stored, as RFC 4013
// says: strange spaces become U+0020, invisible characters go, and characters
// that look alike become the same (NFKC). Control characters, private ones,
// such as are unassigned in Unicode 3.2, and mixed directions of writing are
// ErrPrep.
//
// Normalisation is that of the Unicode version of golang.org/x/text, which
// for the characters of Unicode 3.2 differs in none but a handful of CJK
// compatibility ideographs (Unicode's corrigendum 4).
func SASLprep(s string) (string, error) { return saslPrep(s, false) }

// SASLprepQuery is SASLprep of a string that is compared with stored ones:
// unassigned characters pass (RFC 3454 section 7).
func SASLprepQuery(s string) (string, error) { return saslPrep(s, true) }

func saslPrep(s string, query bool) (string, error) {
	if isPlainASCII(s) {
		return s, nil
	}
	if !utf8.ValidString(s) {
		return "", ErrPrep
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case in(prepSpace, r):
			return ' '
		case in(prepNothing, r):
			return -1
		}
		return r
	}, s)
	s = norm.NFKC.String(s)
	randAL, l := false, false
	for _, r := range s {
		if in(prepProhibited, r) || !query && in(prepUnassigned, r) {
			return "", ErrPrep
		}
		randAL = randAL || in(prepRandAL, r)
		l = l || in(prepL, r)
	}
	if randAL {
		// RFC 3454 section 6.
		first, _ := utf8.DecodeRuneInString(s)
		last, _ := utf8.DecodeLastRuneInString(s)
		if l || !in(prepRandAL, first) || !in(prepRandAL, last) {
			return "", ErrPrep
		}
	}
	return s, nil
}

func isPlainASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func in(table []prepSpan, r rune) bool {
	i := sort.Search(len(table), func(i int) bool { return table[i].hi >= r })
	return i < len(table) && table[i].lo <= r
}
