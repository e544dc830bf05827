package mbox

// The From_ line: read in the forms that stand in files, written in one.

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mailwire/mailwire/mime"
)

const fromPrefix = "From "

type fromKind uint8

const (
	fromNone fromKind = iota
	fromWeak          // a sender alone: needs a blank line before it and a header behind it
	fromFull          // with a date
)

// ParseFromLine reads a From_ line, with or without its line ending. sender is what stands before the date, as it stands; it
// may be empty. date is the zero time where the line has none; a date without a zone is UTC, as mbox files have it. ok is false
// if the line is none of the forms in the package's description.
func ParseFromLine(line string) (sender string, date time.Time, ok bool) {
	sender, date, kind := parseFromLine(strings.TrimRight(line, "\r\n"))
	return sender, date, kind != fromNone
}

func parseFromLine(line string) (sender string, date time.Time, kind fromKind) {
	rest, ok := strings.CutPrefix(line, fromPrefix)
	if !ok || len(line) > maxFromLine {
		return "", time.Time{}, fromNone
	}
	rest = strings.Trim(rest, " \t")
	// A date has a time of day, or is none.
	if strings.IndexByte(rest, ':') >= 0 {
		if at, date, ok := findDate(rest); ok {
			return strings.TrimRight(rest[:at], " \t"), date, fromFull
		}
	}
	if rest == "" || senderEnd(rest) != len(rest) {
		return "", time.Time{}, fromNone
	}
	if rest == "-" || rest == "<>" || strings.EqualFold(rest, "MAILER-DAEMON") || strings.IndexByte(rest, '@') > 0 {
		return rest, time.Time{}, fromWeak
	}
	return "", time.Time{}, fromNone
}

// senderEnd is the length of the word at the start of s; a quoted string is part of a word.
func senderEnd(s string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ' ' || c == '\t'):
			return i
		}
	}
	if quoted {
		return 0
	}
	return len(s)
}

// maxDates is how many words of a line are tried as the beginning of its date.
const maxDates = 8

// findDate finds the first word of s at which a date begins that reaches to its end.
func findDate(s string) (at int, date time.Time, ok bool) {
	tried := 0
	// A quoted sender may hold what looks like a date.
	first := 0
	if s[0] == '"' {
		if first = senderEnd(s); first == 0 {
			return 0, time.Time{}, false
		}
	}
	for i := first; i < len(s); {
		for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
			i++
		}
		end := i
		for end < len(s) && s[end] != ' ' && s[end] != '\t' {
			end++
		}
		if word := s[i:end]; dateStart(word) {
			if tried++; tried > maxDates {
				return 0, time.Time{}, false
			}
			rest := s[i:]
			if j := strings.Index(rest, " remote from "); j >= 0 {
				rest = rest[:j]
			}
			if dateShape(rest) {
				if d, err := mime.ParseDate(rest); err == nil {
					return i, d, true
				}
			}
		}
		i = end
	}
	return 0, time.Time{}, false
}

const names = "sun mon tue wed thu fri sat jan feb mar apr may jun jul aug sep oct nov dec "

// dateStart tells whether a date may begin with word: a weekday, a month, a day, or a date in digits.
func dateStart(word string) bool {
	word = strings.TrimRight(word, ",.")
	if word == "" {
		return false
	}
	if c := word[0]; c >= '0' && c <= '9' {
		return len(word) <= 2 || len(word) >= 10 && (word[4] == '-' || word[4] == '/')
	}
	if len(word) < 3 || len(word) > 9 {
		return false
	}
	return isName(word)
}

func isName(word string) bool {
	return len(word) >= 3 && strings.Contains(names, strings.ToLower(word[:3])+" ") && isAlpha(word)
}

func isAlpha(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}

// dateShape tells whether s is of words as a date has them: few, and a time of day among them.
func dateShape(s string) bool {
	words, clock := 0, false
	for w := range strings.FieldsSeq(s) {
		if words++; words > 9 {
			return false
		}
		switch c := w[0]; {
		case c >= '0' && c <= '9':
			if strings.IndexByte(w, ':') > 0 {
				clock = true
			}
		case c == '+' || c == '-' || c == '(':
		default:
			// A weekday, a month, AM, or a zone.
			if w = strings.TrimRight(w, ",.)"); !isName(w) && (len(w) > 5 || strings.ToUpper(w) != w) && !strings.EqualFold(w,
				"am") && !strings.EqualFold(w, "pm") {
				return false
			}
		}
	}
	return clock
}

// AppendFromLine appends a From_ line without its line ending: the sender, or MAILER-DAEMON where it is empty, and the date in
// UTC as asctime prints it. It refuses a sender that would not be read back: with blanks outside quotes, controls, or unclosed quotes.
func AppendFromLine(dst []byte, sender string, date time.Time) ([]byte, error) {
	if sender == "" {
		sender = "MAILER-DAEMON"
	}
	for i := 0; i < len(sender); i++ {
		if c := sender[i]; c < ' ' || c == 0x7f {
			return dst, fmt.Errorf("mbox: control octet 0x%02x in the sender of a From_ line, at octet %d", c, i)
		}
	}
	if senderEnd(sender) != len(sender) {
		return dst, errors.New("mbox: a blank or an unclosed quote in the sender of a From_ line")
	}
	date = date.UTC()
	if y := date.Year(); y < 1 || y > 9999 {
		return dst, fmt.Errorf("mbox: year %d in the date of a From_ line", y)
	}
	n := len(dst)
	dst = append(append(append(dst, fromPrefix...), sender...), ' ')
	dst = date.AppendFormat(dst, time.ANSIC)
	if got, d, kind := parseFromLine(string(dst[n:])); kind != fromFull || got != sender || !d.Equal(date.Truncate(time.Second)) {
		return dst[:n], errors.New("mbox: sender and date do not read back from a From_ line")
	}
	return dst, nil
}

// fieldLike tells whether b begins with a header field.
func fieldLike(b []byte) bool {
	if bytes.HasPrefix(b, []byte(">"+fromPrefix)) {
		return true
	}
	for i, c := range b {
		if c == ':' {
			return i > 0
		}
		if c <= ' ' || c == 0x7f || i == headerAhead-2 {
			return false
		}
	}
	return false
}
