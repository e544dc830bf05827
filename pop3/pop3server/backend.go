// What a server's owner implements: Backend, Maildrop, and what is optional.

package pop3server

import (
	"context"
	"io"

	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/sasl"
)

// Backend opens maildrops.
type Backend interface {
	// Open opens and locks the maildrop of a user who has authenticated:
	// id.Name. While it is locked, Open of the same maildrop returns
	// pop3.ErrInUse (RFC 1939 section 4). ctx ends with the connection, and
	// is that of all calls of the Maildrop; ConnFrom gives its connection.
	//
	// An error that is, or wraps, a *pop3.Error is said to the client, in
	// clean text whatever it holds. Any other error is said as [SYS/TEMP]
	// without its text, and logged. The same is true of a Maildrop's errors.
	// That of pop3.Refer sends the client to another server.
	Open(ctx context.Context, id sasl.Identity) (Maildrop, error)
}

// BackendFunc is a function as a Backend.
type BackendFunc func(ctx context.Context, id sasl.Identity) (Maildrop, error)

// Open calls f.
func (f BackendFunc) Open(ctx context.Context, id sasl.Identity) (Maildrop, error) { return f(ctx, id) }

// Maildrop is a maildrop that one session has open, as it was when it was
// opened. Its calls never overlap. A panic ends the connection.
type Maildrop interface {
	// Messages lists the messages, once, after the login. An error fails
	// the login.
	//
	// A Message's Size must be exactly what RETR will send. A UID that is
	// not of the grammar is replaced by one derived from it. One that is
	// empty or that two messages share is replaced by another in every
	// session: clients fetch such messages again, and never miss one.
	Messages(ctx context.Context) ([]pop3.Message, error)
	// Open opens the content of the i-th of Messages, from 0. Its line ends
	// may be of any kind; the server sends CRLF. A read that fails closes
	// the connection, so that half a message is not taken for a whole one.
	Open(ctx context.Context, i int) (io.ReadCloser, error)
	// Commit is called by QUIT, with the messages to delete, as indexes of
	// Messages in ascending order; there may be none. A session that ends
	// otherwise has no Commit and deletes nothing. An error is said to the
	// client, who then knows that messages may not have been deleted.
	Commit(ctx context.Context, deleted []int) error
	// Close ends the session and unlocks the maildrop. It is called once,
	// whatever happened before.
	Close() error
}

// Seener is a Maildrop that marks messages as seen.
type Seener interface {
	// Seen is called when RETR has sent the whole of the i-th of Messages.
	// An error is logged, the client does not hear of it.
	Seen(ctx context.Context, i int) error
}

// Enveloper is a Maildrop that knows the envelopes of its messages. With it
// the server takes *ENV (SDPS).
type Enveloper interface {
	// Envelope returns that of the i-th of Messages.
	Envelope(ctx context.Context, i int) (*pop3.Envelope, error)
}

// Topper is a Maildrop that can give the top of a message without reading all
// of it. Without it the server reads what it needs of Open's reader.
type Topper interface {
	// Top opens the content of the i-th of Messages up to at least the
	// given number of lines of the body.
	Top(ctx context.Context, i, lines int) (io.ReadCloser, error)
}
