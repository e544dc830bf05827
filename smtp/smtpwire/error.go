// Errors of the codec.

package smtpwire

import (
	"fmt"

	"github.com/mailwire/mailwire/smtp"
)

// ParseError is a command or reply line that is not of the grammar. It never
// holds what a line of AUTH held.
type ParseError struct {
	// Code and EnhancedCode are what a server answers to such a command.
	// They are zero for a reply.
	Code         int
	EnhancedCode smtp.EnhancedCode
	// Offset is where in the line the fault is, in octets.
	Offset int
	// Msg says what was found or expected there.
	Msg string
}

func (e *ParseError) Error() string {
	return fmt.Sprintf("smtp: %s at octet %d of the line", e.Msg, e.Offset)
}

// Reply is what a server answers.
func (e *ParseError) Reply() smtp.Reply {
	return (&smtp.Error{Code: e.Code, EnhancedCode: e.EnhancedCode, Message: e.Msg}).Reply()
}

// EncodeError is a value that the grammar has no room for.
type EncodeError struct {
	// Field names the value.
	Field string
	// Reason says what is wrong with it.
	Reason string
}

func (e *EncodeError) Error() string { return "smtp: cannot send " + e.Field + ": " + e.Reason }

var (
	codeSyntax = smtp.EnhancedCode{5, 5, 2}
	codeArgs   = smtp.EnhancedCode{5, 5, 4}
	codeSender = smtp.EnhancedCode{5, 1, 7}
	codeRcpt   = smtp.EnhancedCode{5, 1, 3}
)
