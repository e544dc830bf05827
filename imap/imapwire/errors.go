package imapwire

// What a reader says of a frame that did not parse.

import (
	"errors"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/internal/wire"
)

// SyntaxError is input that the grammar has no room for, with its offset in
// the stream and the first octets that did not fit. LimitError is input larger
// than a limit.
type (
	SyntaxError = wire.SyntaxError
	LimitError  = wire.LimitError
)

var (
	errBase64 = errors.New("imap: invalid base64")
	errEncode = errors.New("imap: an octet that the grammar has no room for")
)

// ParseError is one command or one response that could not be read. The
// reader stands behind it and can go on, unless Close is set.
type ParseError struct {
	// Tag is the command's tag, empty where none could be told.
	Tag string
	// Name is the command's or the response's first word, if it is known.
	Name string
	// Answer is what a server should say: BAD, or NO for what is only too
	// large. It is nil for BAD without a code.
	Answer *imap.Error
	// Raw is what was read of the frame, borrowed until the next call. It is
	// nil where it may hold a secret.
	Raw []byte
	// Close says that the stream cannot be read on: what follows would be
	// taken for commands.
	Close bool
	// Err is the cause: as a rule a *[SyntaxError] or a *[LimitError].
	Err error
}

func (e *ParseError) Error() string {
	s := "imap: "
	if e.Name != "" {
		s += e.Name + ": "
	}
	return s + e.Err.Error()
}

func (e *ParseError) Unwrap() error { return e.Err }

// Response is what a server answers: BYE where Close is set, else Answer, else
// BAD with the cause as text.
func (e *ParseError) Response() *imap.Error {
	var r imap.Error
	if e.Answer != nil {
		r = *e.Answer
	} else {
		r = imap.Error{Kind: imap.BAD, Text: e.Err.Error()}
	}
	if e.Close {
		r.Kind = imap.BYE
	}
	return &r
}
