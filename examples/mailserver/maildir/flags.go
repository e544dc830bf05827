package maildir

// Flags and keywords of a message, and how they are written in the name of its
// file.

import (
	"errors"
	"fmt"
	"math/bits"
	"runtime"
	"strings"
)

// Flags are the flags of a message that the Maildir format knows.
type Flags uint8

const (
	Draft    Flags = 1 << iota // D
	Flagged                    // F
	Passed                     // P: resent, forwarded or bounced
	Answered                   // R: replied
	Seen                       // S
	Deleted                    // T: trashed
)

const flagLetters = "DFPRST"

const allFlags = Draft | Flagged | Passed | Answered | Seen | Deleted

// String is the letters of the flags, as in the name of a file.
func (f Flags) String() string { return string(appendLetters(nil, f, 0)) }

// MaxKeywords is the number of keywords a folder can have in use.
const MaxKeywords = 64

// named is the number of keywords that have a letter.
const named = 26

const namedMask = 1<<named - 1

// separator parts the unique name of a file from its info.
var separator = func() byte {
	if runtime.GOOS == "windows" {
		return ';'
	}
	return ':'
}()

func appendLetters(dst []byte, f Flags, keywords uint64) []byte {
	for i := range len(flagLetters) {
		if f&(1<<i) != 0 {
			dst = append(dst, flagLetters[i])
		}
	}
	for k := keywords & namedMask; k != 0; k &= k - 1 {
		dst = append(dst, 'a'+byte(bits.TrailingZeros64(k)))
	}
	return dst
}

// suffix is the info of a name in cur, separator included. extra are letters
// that mean nothing here and are kept.
func suffix(f Flags, keywords uint64, extra string) string {
	b := make([]byte, 0, 40)
	b = append(b, separator, '2', ',')
	b = appendLetters(b, f, keywords)
	return string(append(b, extra...))
}

// splitName parts a file name. info begins with the separator or is empty.
func splitName(name string) (base, info string) {
	if i := strings.IndexByte(name, separator); i >= 0 {
		return name[:i], name[i:]
	}
	return name, ""
}

// parseInfo reads the info of a name. extra are the letters it does not know.
func parseInfo(info string) (f Flags, keywords uint64, extra string) {
	if len(info) < 3 || info[1:3] != "2," {
		return 0, 0, ""
	}
	for i := 3; i < len(info); i++ {
		c := info[i]
		if j := strings.IndexByte(flagLetters, c); j >= 0 {
			f |= 1 << j
		} else if 'a' <= c && c <= 'z' {
			keywords |= 1 << (c - 'a')
		} else if strings.IndexByte(extra, c) < 0 {
			extra += string(rune(c))
		}
	}
	return f, keywords, extra
}

// ErrKeyword is wrapped where a keyword is no IMAP atom, or is too long.
var ErrKeyword = errors.New("not a keyword")

const maxKeyword = 128

func checkKeyword(k string) error {
	if k == "" || len(k) > maxKeyword {
		return fmt.Errorf("maildir: %w: %d octets, want 1 to %d", ErrKeyword, len(k), maxKeyword)
	}
	for i := range len(k) {
		if c := k[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`(){%*"\]`, c) >= 0 {
			return fmt.Errorf("maildir: %w: %q at offset %d of %q", ErrKeyword, c, i, k)
		}
	}
	return nil
}
