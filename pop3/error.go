// Response codes and errors.

package pop3

import (
	"errors"
	"fmt"
	"strings"
)

// Code is a response code without its brackets (RFC 2449 section 8), such as
// SYS/TEMP; empty for none. Slashes part its levels, the coarsest first.
type Code string

// The registered response codes.
const (
	// CodeInUse: the maildrop is locked by another session (RFC 2449).
	CodeInUse Code = "IN-USE"
	// CodeLoginDelay: the last login is too recent (RFC 2449).
	CodeLoginDelay Code = "LOGIN-DELAY"
	// CodeAuth: the credentials were refused (RFC 3206).
	CodeAuth Code = "AUTH"
	// CodeSysTemp: a fault of the server that is likely to pass (RFC 3206).
	CodeSysTemp Code = "SYS/TEMP"
	// CodeSysPerm: a fault of the server that somebody has to mend (RFC
	// 3206).
	CodeSysPerm Code = "SYS/PERM"
	// CodeUTF8: the command needs UTF-8 mode (RFC 6856).
	CodeUTF8 Code = "UTF8"
)

// Is reports whether c is code or a finer form of it: SYS/TEMP/DISK is
// SYS/TEMP and SYS. ASCII case does not matter.
func (c Code) Is(code Code) bool {
	return code != "" && len(c) >= len(code) && equalFold(string(c[:len(code)]), string(code)) &&
		(len(c) == len(code) || c[len(code)] == '/')
}

// Valid reports whether c can be sent: levels of printable ASCII octets other
// than ] and /, with a slash between them.
func (c Code) Valid() bool {
	for level := range strings.SplitSeq(string(c), "/") {
		if level == "" {
			return false
		}
		for i := range len(level) {
			if level[i] <= ' ' || level[i] > '~' || level[i] == ']' {
				return false
			}
		}
	}
	return true
}

// Error is a refusal, -ERR: what a server said to a client, and what a
// server's backend returns to have it said.
type Error struct {
	// Code is the response code; empty for none.
	Code Code
	// Message is the text, any text: a server sends it as CleanText leaves
	// it.
	Message string
	// Command is, from a client, what was refused, never with credentials:
	// "RETR 3". A server does not look at it.
	Command string
}

// Errorf makes an Error with a formatted message.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string {
	s := "pop3: "
	if e.Command != "" {
		s += e.Command + ": "
	}
	s += "-ERR"
	if e.Code != "" {
		s += " [" + string(e.Code) + "]"
	}
	if text := CleanText(e.Message); text != "" {
		s += " " + text
	}
	return s
}

// Temporary reports whether the same may succeed later, as far as the code
// says.
func (e *Error) Temporary() bool {
	return e.Code.Is(CodeSysTemp) || e.Code.Is(CodeInUse) || e.Code.Is(CodeLoginDelay)
}

// Is makes errors.Is(err, ErrInUse) and its like true of any Error with that
// response code.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrInUse:
		return e.Code.Is(CodeInUse)
	case ErrLoginDelay:
		return e.Code.Is(CodeLoginDelay)
	case ErrAuth:
		return e.Code.Is(CodeAuth)
	}
	return false
}

// Errors for backends to return and for clients to compare with.
var (
	// ErrInUse: another session has the maildrop's lock.
	ErrInUse error = &Error{Code: CodeInUse, Message: "Maildrop is in use by another session"}
	// ErrLoginDelay: the last login is too recent.
	ErrLoginDelay error = &Error{Code: CodeLoginDelay, Message: "Last login is too recent, try again later"}
	// ErrAuth: the credentials were refused.
	ErrAuth error = &Error{Code: CodeAuth, Message: "Authentication failed"}
)

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
	return &Error{Code: CodeSysTemp, Message: "Local error in processing"}
}
