package wire

import (
	"errors"
	"fmt"
	"strconv"
)

var (
	// ErrBareLF is matched (errors.Is) by the SyntaxError of a line or body
	// that holds an LF with no CR before it.
	ErrBareLF = errors.New("LF without CR")
	// ErrBareCR is matched by the SyntaxError of a line or body that holds
	// a CR with no LF after it.
	ErrBareCR = errors.New("CR without LF")
	// ErrUnread is returned for a read of the next frame while a literal or
	// a dot-stuffed body has octets left: they would run as commands.
	ErrUnread = errors.New("wire: the previous literal or body was not read to its end")
)

// SyntaxError is input that the grammar has no room for. The reader that
// returned it stands behind the bad frame and can go on.
type SyntaxError struct {
	// Offset is where in the stream, in octets from its start.
	Offset int64
	// Msg says what was found or what was expected.
	Msg string
	// Near is the beginning of what was found, at most 32 octets. It is a
	// copy; it is nil where the input may be a secret.
	Near []byte
	// Err is the kind of fault, where it has one: ErrBareLF, ErrBareCR.
	Err error
}

func (e *SyntaxError) Error() string {
	s := "syntax error at octet " + strconv.FormatInt(e.Offset, 10) + ": " + e.Msg
	if e.Near != nil {
		s += " at " + strconv.QuoteToASCII(string(e.Near))
	}
	return s
}

func (e *SyntaxError) Unwrap() error { return e.Err }

// LimitError is input larger than a limit.
type LimitError struct {
	// What names what was too large: "line", "literal", "body".
	What string
	// Limit is the limit that was passed, in octets unless What says
	// otherwise.
	Limit int64
	// Offset is where in the stream the too large thing began, in octets.
	Offset int64
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s longer than the limit of %d at octet %d", e.What, e.Limit, e.Offset)
}

const nearMax = 32

func near(b []byte) []byte {
	return append([]byte{}, b[:min(len(b), nearMax)]...)
}
