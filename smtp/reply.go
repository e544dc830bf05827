// Replies, enhanced status codes and errors.

package smtp

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// EnhancedCode is an enhanced mail system status code (RFC 3463): class,
// subject and detail. The zero value is none.
type EnhancedCode [3]int

// IsZero reports whether there is no code.
func (c EnhancedCode) IsZero() bool { return c == EnhancedCode{} }

// Valid reports whether c follows RFC 3463 section 2: class 2, 4 or 5, and
// numbers of three digits at most.
func (c EnhancedCode) Valid() bool {
	return (c[0] == 2 || c[0] == 4 || c[0] == 5) &&
		c[1] >= 0 && c[1] <= 999 && c[2] >= 0 && c[2] <= 999
}

// String is the code with its dots, empty for none.
func (c EnhancedCode) String() string {
	if c.IsZero() {
		return ""
	}
	return fmt.Sprintf("%d.%d.%d", c[0], c[1], c[2])
}

// ParseEnhancedCode reads a code such as 5.1.1.
func ParseEnhancedCode(s string) (c EnhancedCode, ok bool) {
	for i := range c {
		part := s
		if i < 2 {
			dot := strings.IndexByte(s, '.')
			if dot < 0 {
				return EnhancedCode{}, false
			}
			part, s = s[:dot], s[dot+1:]
		}
		if len(part) < 1 || len(part) > 3 {
			return EnhancedCode{}, false
		}
		for j := range len(part) {
			if part[j] < '0' || part[j] > '9' {
				return EnhancedCode{}, false
			}
			c[i] = c[i]*10 + int(part[j]-'0')
		}
	}
	if !c.Valid() {
		return EnhancedCode{}, false
	}
	return c, true
}

// Reply is what a server says (RFC 5321 section 4.2).
type Reply struct {
	// Code is the three-digit code, 200 to 599.
	Code int
	// EnhancedCode is the code in front of the text (RFC 2034); that of
	// the first line which has one.
	EnhancedCode EnhancedCode
	// Lines are the texts, one for each line, without codes. A reply has
	// one line at least; its text may be empty.
	Lines []string
}

// Text is all lines, joined by a line feed.
func (r *Reply) Text() string {
	if len(r.Lines) == 1 {
		return r.Lines[0]
	}
	return strings.Join(r.Lines, "\n")
}

// String is the reply on one line, for people.
func (r *Reply) String() string { return describe(r.Code, r.EnhancedCode, strings.Join(r.Lines, " ")) }

func describe(code int, enhanced EnhancedCode, text string) string {
	s := strconv.Itoa(code)
	if !enhanced.IsZero() {
		s += " " + enhanced.String()
	}
	if text != "" {
		s += " " + text
	}
	return s
}

// Positive reports whether the server did or will do as asked (2yz, 3yz).
func (r *Reply) Positive() bool { return r.Code >= 200 && r.Code < 400 }

// Temporary reports whether the same may succeed later (4yz).
func (r *Reply) Temporary() bool { return r.Code >= 400 && r.Code < 500 }

// Permanent reports whether the same will fail again (5yz).
func (r *Reply) Permanent() bool { return r.Code >= 500 && r.Code < 600 }

// Err is the reply as an *Error, nil when it is positive. command is what it
// answers, empty for none.
func (r *Reply) Err(command string) error {
	if r.Positive() {
		return nil
	}
	return &Error{Code: r.Code, EnhancedCode: r.EnhancedCode, Message: r.Text(), Command: command}
}

// Error is a refusal: what a server said to a client, and what a server's
// backend returns to have it said.
type Error struct {
	// Code is the reply code, 400 to 599. A server says 451 for any other.
	Code int
	// EnhancedCode may be left out; a server then says x.0.0. A server puts
	// right a class that contradicts Code.
	EnhancedCode EnhancedCode
	// Message is the text, any text: a server sends it as CleanText leaves
	// it. From a client, its lines are joined by a line feed.
	Message string
	// Command is, from a client, what was refused, without parameters and
	// never with credentials: "RCPT TO:<user@example.org>". A server does
	// not look at it.
	Command string
}

// Errorf makes an Error with a formatted message.
func Errorf(code int, enhanced EnhancedCode, format string, args ...any) *Error {
	return &Error{Code: code, EnhancedCode: enhanced, Message: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string {
	s := "smtp: "
	if e.Command != "" {
		s += e.Command + ": "
	}
	return s + describe(e.Code, e.EnhancedCode, CleanText(e.Message))
}

// Temporary reports whether the same may succeed later (4yz).
func (e *Error) Temporary() bool { return e.Code >= 400 && e.Code < 500 }

// Permanent reports whether the same will fail again (5yz).
func (e *Error) Permanent() bool { return e.Code >= 500 && e.Code < 600 }

// maxReplyText is the longest text of a reply line that Reply makes, so that
// the line stays below 512 octets (RFC 5321 section 4.5.3.1.5) with its codes.
const maxReplyText = 480

// Reply is the error as a server says it: with codes that agree and a text
// of clean lines; more than one only if it is too long.
func (e *Error) Reply() Reply {
	r := Reply{Code: e.Code, EnhancedCode: e.EnhancedCode}
	if r.Code < 400 || r.Code > 599 {
		r.Code = 451
		if r.EnhancedCode.IsZero() {
			r.EnhancedCode = EnhancedCode{4, 3, 0}
		}
	}
	if !r.EnhancedCode.Valid() {
		r.EnhancedCode = EnhancedCode{}
	}
	r.EnhancedCode[0] = r.Code / 100
	r.Lines = splitText(CleanText(e.Message))
	if r.Lines[0] == "" {
		r.Lines[0] = defaultText(r.Code)
	}
	return r
}

// splitText cuts a clean text into lines of maxReplyText octets at most.
func splitText(s string) []string {
	var lines []string
	for len(s) > maxReplyText {
		n := strings.LastIndexByte(s[:maxReplyText], ' ')
		if n < maxReplyText/2 {
			n = maxReplyText
		}
		lines = append(lines, s[:n])
		s = strings.TrimPrefix(s[n:], " ")
		if len(lines) == 9 {
			s = s[:min(len(s), maxReplyText)]
		}
	}
	return append(lines, s)
}

func defaultText(code int) string {
	switch {
	case code == 421:
		return "Service not available, closing the channel"
	case code < 500:
		return "Temporary failure, try again later"
	}
	return "Refused"
}

// AsError is err as a server says it: the *Error in its chain, or, for any
// other, a temporary failure that shows nothing of err's text. nil stays nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) && e != nil {
		return e
	}
	return &Error{Code: 451, EnhancedCode: EnhancedCode{4, 3, 0}, Message: "Local error in processing"}
}
