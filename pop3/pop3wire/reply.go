// Replies: the first line of every response, and what is in its text.

package pop3wire

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/pop3"
)

// Status is a status indicator.
type Status uint8

const (
	// OK is +OK.
	OK Status = iota
	// ERR is -ERR.
	ERR
	// Continue is +, which asks for more of a SASL exchange.
	Continue
)

func (s Status) String() string {
	switch s {
	case OK:
		return "+OK"
	case ERR:
		return "-ERR"
	case Continue:
		return "+"
	}
	return fmt.Sprintf("Status(%d)", uint8(s))
}

// Reply is the first line of a response.
type Reply struct {
	Status Status
	// Code is the response code; empty for none. Continue has none.
	Code pop3.Code
	// Text is the text, without the code; the challenge of Continue.
	Text string
}

// String is the reply as a line.
func (r *Reply) String() string {
	s := r.Status.String()
	if r.Code != "" {
		s += " [" + string(r.Code) + "]"
	}
	if r.Text != "" {
		s += " " + r.Text
	}
	return s
}

// Err is the reply as a *pop3.Error, nil when it is no refusal. command is
// what it answers, without credentials.
func (r *Reply) Err(command string) error {
	if r.Status != ERR {
		return nil
	}
	return &pop3.Error{Code: r.Code, Message: r.Text, Command: command}
}

// ParseReply reads the first line of a response, without its line end. The
// error is a *ParseError.
func ParseReply(line []byte) (Reply, error) {
	var r Reply
	var rest []byte
	switch {
	case len(line) >= 3 && wire.EqualFold(line[:3], "+OK"):
		rest = line[3:]
	case len(line) >= 4 && wire.EqualFold(line[:4], "-ERR"):
		r.Status, rest = ERR, line[4:]
	case len(line) >= 1 && line[0] == '+' && (len(line) == 1 || line[1] == ' '):
		r.Status, rest = Continue, line[1:]
	default:
		return Reply{}, badLine(line, 0, "expected +OK or -ERR")
	}
	if i := bytes.IndexByte(line, 0); i >= 0 {
		return Reply{}, badLine(line, i, "NUL in a reply")
	}
	rest = bytes.TrimPrefix(rest, []byte{' '})
	if r.Status != Continue {
		if code, n := responseCode(rest); n > 0 {
			r.Code = code
			rest = bytes.TrimPrefix(rest[n:], []byte{' '})
		}
	}
	r.Text = string(rest)
	return r, nil
}

// responseCode is the code at b's front and the length of its brackets'
// text, zero if there is none.
func responseCode[T []byte | string](b T) (pop3.Code, int) {
	if len(b) == 0 || b[0] != '[' {
		return "", 0
	}
	for i := 1; i < len(b); i++ {
		if b[i] == ']' {
			if code := pop3.Code(b[1:i]); code.Valid() {
				return code, i + 1
			}
			break
		}
	}
	return "", 0
}

// AppendReply appends a reply with CRLF. The error is an *EncodeError.
func AppendReply(dst []byte, r *Reply) ([]byte, error) {
	start := len(dst)
	if r.Status > Continue {
		return dst, &EncodeError{Field: "the reply", Reason: "it has no status"}
	}
	dst = append(dst, r.Status.String()...)
	if r.Code != "" {
		if !r.Code.Valid() || r.Status == Continue {
			return dst[:start], &EncodeError{Field: "the response code", Reason: "it is not of the grammar"}
		}
		dst = append(append(append(dst, ' ', '['), r.Code...), ']')
	} else if r.Status != Continue {
		if _, n := responseCode(r.Text); n > 0 {
			return dst[:start], &EncodeError{Field: "the text of a reply", Reason: "it begins like a response code"}
		}
	}
	if err := checkText("the text of a reply", r.Text); err != nil {
		return dst[:start], err
	}
	if r.Text != "" || r.Status == Continue {
		dst = append(append(dst, ' '), r.Text...)
	}
	return append(dst, '\r', '\n'), nil
}

// AppendStat appends the answer to STAT.
func AppendStat(dst []byte, s pop3.Stat) ([]byte, error) {
	if s.Count < 0 || s.Size < 0 {
		return dst, &EncodeError{Field: "a drop listing", Reason: "a number is negative"}
	}
	dst = strconv.AppendInt(append(dst, "+OK "...), int64(s.Count), 10)
	dst = strconv.AppendInt(append(dst, ' '), s.Size, 10)
	return append(dst, '\r', '\n'), nil
}

// ParseStat reads the drop listing in the text of the answer to STAT.
func ParseStat(text string) (pop3.Stat, error) {
	l, err := parseListing([]byte(text), 0)
	return pop3.Stat{Count: l.Number, Size: l.Size}, err
}

// ParseLast reads the number in the text of the answer to LAST.
func ParseLast(text string) (int, error) {
	n, rest, ok := number([]byte(strings.TrimLeft(text, " ")))
	if !ok || len(rest) > 0 && rest[0] != ' ' {
		return 0, badLine([]byte(text), 0, "expected a message number")
	}
	return n, nil
}
