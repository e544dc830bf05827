package imapclient

// What can go wrong, apart from what the server says (*imap.Error).

import (
	"errors"
	"strconv"
	"strings"

	"github.com/mailwire/mailwire/imap"
)

var (
	// ErrBusy: another call is going on.
	ErrBusy = errors.New("imapclient: another call is in progress on the connection")
	// ErrClosed: the connection was closed, by Close, Logout or an error
	// before, which it wraps.
	ErrClosed = errors.New("imapclient: the connection is closed")
	// ErrCleartextAuth: the login would show the secret to whoever reads the
	// line.
	ErrCleartextAuth = errors.New("imapclient: credentials are not sent over a line that is not encrypted")
	// ErrTLSRequired: TLS is required and could not be begun.
	ErrTLSRequired = errors.New("imapclient: TLS is required and could not be begun")
	// ErrProtocol: an answer that no server should give.
	ErrProtocol = errors.New("imapclient: protocol error")
	// ErrNotFound: there is no such message, part or section.
	ErrNotFound = errors.New("imapclient: no such message or part")
)

// ExtensionError says that what was asked for needs an extension that the
// server does not offer. Nothing was sent.
type ExtensionError struct {
	// Extension is its capability, such as "QUOTA".
	Extension string
	// For is what needs it.
	For string
}

func (e *ExtensionError) Error() string {
	return "imapclient: the server does not offer " + e.Extension + ", needed for " + e.For
}

// ReferralError is a refusal with the address of where to go instead: of the
// user's server (RFC 2221), or of the mailbox (RFC 2193). It unwraps to the
// *imap.Error of the refusal.
type ReferralError struct {
	// URLs are IMAP URLs (RFC 5092), the best first.
	URLs []string
	Err  *imap.Error
}

func (e *ReferralError) Error() string {
	return "imapclient: referred to " + strings.Join(e.URLs, " ") + ": " + e.Err.Error()
}

func (e *ReferralError) Unwrap() error { return e.Err }

// MessageLimitError says that a command was done for a part of the messages
// alone, since there were more than the server works on at once (RFC 9738). What
// was done is done; the command can be repeated for the rest.
type MessageLimitError struct {
	// Limit is how many messages it works on.
	Limit uint32
	// LastUID is the lowest UID that was done; zero where not told. The rest
	// are those below.
	LastUID imap.UID
}

func (e *MessageLimitError) Error() string {
	s := "imapclient: done for " + strconv.FormatUint(uint64(e.Limit), 10) + " messages alone"
	if e.LastUID > 0 {
		s += ", down to UID " + strconv.FormatUint(uint64(e.LastUID), 10)
	}
	return s
}

// ModifiedError says which messages a conditional STORE left alone: they
// changed after FlagChange.UnchangedSince (RFC 7162 section 3.1.3). All others
// were changed.
type ModifiedError struct {
	// Set is a UIDSet where the command named UIDs, else a SeqSet.
	Set imap.NumSet
}

func (e *ModifiedError) Error() string {
	return "imapclient: changed meanwhile: " + e.Set.String()
}
