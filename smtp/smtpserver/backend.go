// What a server's owner implements: Backend, Session, and what is optional.

package smtpserver

import (
	"context"
	"io"
	"time"

	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/smtp"
)

// Backend takes connections.
type Backend interface {
	// NewSession is called for each connection, before the greeting. An
	// error refuses the connection; see Session for how it is said. ctx ends
	// with the connection, and is that of all calls of the Session.
	NewSession(ctx context.Context, c *Conn) (Session, error)
}

// BackendFunc is a function as a Backend.
type BackendFunc func(ctx context.Context, c *Conn) (Session, error)

// NewSession calls f.
func (f BackendFunc) NewSession(ctx context.Context, c *Conn) (Session, error) { return f(ctx, c) }

// MessageFunc is a function as a Backend that takes every sender and every
// recipient, and is called with each message: see Session.Data. It decides
// what to do for whom; nothing is relayed by itself.
type MessageFunc func(ctx context.Context, env *smtp.Envelope, r io.Reader) error

// NewSession makes a session that calls f.
func (f MessageFunc) NewSession(context.Context, *Conn) (Session, error) {
	return messageSession{f}, nil
}

type messageSession struct{ f MessageFunc }

func (messageSession) Mail(context.Context, smtp.Path, *smtp.MailOptions) error { return nil }
func (messageSession) Rcpt(context.Context, smtp.Path, *smtp.RcptOptions) error { return nil }
func (s messageSession) Data(ctx context.Context, env *smtp.Envelope, r io.Reader) (*smtp.Result, error) {
	return nil, s.f(ctx, env, r)
}
func (messageSession) Reset(context.Context) {}
func (messageSession) Close() error          { return nil }

// Session is one connection's side of the backend. Its calls never overlap.
//
// An error that is, or wraps, an *smtp.Error is said to the client, in clean
// text whatever it holds; code 421 then also ends the connection. Any other
// error is said as 451 4.3.0 without its text. A panic ends the connection.
type Session interface {
	// Mail begins a transaction. from may be the null path. Parameters are
	// those the server offers, already checked.
	Mail(ctx context.Context, from smtp.Path, o *smtp.MailOptions) error
	// Rcpt adds a recipient. In SMTP the path has a domain, or is
	// <postmaster>; in LMTP it may be a local part alone.
	Rcpt(ctx context.Context, to smtp.Path, o *smtp.RcptOptions) error
	// Data takes the message, sent by DATA or in chunks (BDAT). r is valid
	// until Data returns; lines end in CRLF, but for the last line of a
	// message in chunks, which may have no end, and but for BINARYMIME; dots
	// are taken away. env, with all accepted recipients, is the Session's to
	// keep.
	//
	// By DATA the client is asked for the message by the first read of r. An
	// error returned before it refuses the command DATA, and no message
	// comes. What Data leaves unread is thrown away.
	//
	// A nil *smtp.Result accepts the message for everyone. Otherwise its
	// Recipients, if not nil, has a verdict for each recipient. LMTP says
	// each. SMTP has one reply: if anyone was accepted, the client is told
	// that the message was, and the Session answers for the rest; if no one
	// was, the first temporary error is told, else the first error.
	//
	// A read of r fails with an *smtp.Error when the message breaks a rule
	// of the server's (size, bare line ends); the client is then told so
	// whatever Data returns. It fails with another error when the
	// connection broke, or when the client gave the message up between two
	// chunks: nothing was accepted.
	Data(ctx context.Context, env *smtp.Envelope, r io.Reader) (*smtp.Result, error)
	// Reset ends the transaction that Mail began: after Data, and when the
	// client gives it up. It is not called at the end of the connection.
	Reset(ctx context.Context)
	// Close ends the session.
	Close() error
}

// Middleware wraps a Session.
type Middleware func(Session) Session

// HeloHandler is a Session that wants to know of HELO, EHLO and LHLO. An
// error refuses the command. The Conn has the name already.
type HeloHandler interface {
	Helo(ctx context.Context, name string) error
}

// AuthHandler is a Session that wants to know who authenticated. An error
// refuses the authentication: a plain one is said as 454 4.7.0.
type AuthHandler interface {
	Authenticated(ctx context.Context, id sasl.Identity) error
}

// Verifier is a Session that answers VRFY (RFC 5321 section 3.5). The lines
// are said with 250. Without it the answer is 252.
type Verifier interface {
	Verify(ctx context.Context, name string) (lines []string, err error)
}

// Expander is a Session that answers EXPN. Without it the answer is 502.
type Expander interface {
	Expand(ctx context.Context, list string) (lines []string, err error)
}

// Capabilities are what a Session can do with the parameters of MAIL and RCPT.
// What is not said here is not offered, and refused where a client sends it.
type Capabilities struct {
	// DSN: RET, ENVID, NOTIFY and ORCPT are honoured or handed on (RFC
	// 3461).
	DSN bool
	// BinaryMIME: messages may hold any octets, in lines or not (RFC 3030).
	BinaryMIME bool
	// DeliverBy: BY is honoured (RFC 2852). MinDeliverBy is the shortest time
	// for DeliverReturn, in seconds.
	DeliverBy    bool
	MinDeliverBy int64
	// FutureRelease is the longest time that messages are held for, up to
	// 999999999 seconds (RFC 4865); zero where they are not.
	FutureRelease time.Duration
	// Priority: MT-PRIORITY is honoured (RFC 6710). PriorityProfile is the
	// name of the policy, such as MIXER; it may be empty.
	Priority        bool
	PriorityProfile string
	// ValidSince: RRVS is honoured (RFC 7293).
	ValidSince bool
	// RequireTLS: REQUIRETLS is honoured (RFC 8689). It is offered under TLS
	// alone.
	RequireTLS bool
	// Tracking: MTRK is honoured (RFC 3885).
	Tracking bool
	// NoSoliciting: SOLICIT is honoured (RFC 3865). Solicit are the keywords
	// that are refused always, with commas between them; it may be empty.
	NoSoliciting bool
	Solicit      string
	// SessionLimits announces LIMITS (RFC 9422): Limits.MaxRecipients and
	// Limits.MaxMessages.
	SessionLimits bool
	// Extra are lines of the Session's own in the answer to EHLO.
	Extra []smtp.Extension
}

// Capable is a Session that can do more. It is asked at each EHLO: the answer
// may depend on TLS and on who authenticated.
type Capable interface {
	Capabilities() Capabilities
}

// ETRNHandler is a Session that sends what waits for a node (RFC 1985). node
// has its "@" or "#" where it was given with one. A zero Reply is said as 250;
// it may be 250 to 253. Without it the answer is 502.
type ETRNHandler interface {
	Etrn(ctx context.Context, node string) (smtp.Reply, error)
}

// URLFetcher is a Session that fetches parts of messages by their URL (RFC
// 4468): BURL is offered to those who authenticated. What it returns is closed.
// An error that is no *smtp.Error is said as 554 5.6.6.
type URLFetcher interface {
	FetchURL(ctx context.Context, url string) (io.ReadCloser, error)
}

// XClientHandler is a Session that wants to see XCLIENT of a trusted client
// before it takes effect. An error refuses it. Afterwards the Session is closed
// and the Backend makes a new one for the client that was named.
type XClientHandler interface {
	XClient(ctx context.Context, attributes []smtp.Param) error
}

// CommandHandler is a Session with verbs of its own. verb is in capitals, of
// letters, digits and hyphens, arg what follows, UTF-8 without control
// characters. A nil Reply says that the verb is not known.
type CommandHandler interface {
	Command(ctx context.Context, verb, arg string) (*smtp.Reply, error)
}
