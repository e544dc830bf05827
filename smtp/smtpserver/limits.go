// Limits, and their defaults.

package smtpserver

import "time"

// Limits bound what a client can cost. For each, zero stands for the default
// and a negative value for no limit.
type Limits struct {
	// MaxMessageSize is the largest message in octets, announced by SIZE
	// (RFC 1870); 64 MiB by default.
	MaxMessageSize int64
	// MaxDrain is how many octets of a message that is refused while it
	// comes are read to get to its end, before the connection is closed
	// instead; 256 MiB by default.
	MaxDrain int64
	// MaxRecipients is the greatest number of recipients of a message; 1000
	// by default. More are refused for now; as many again, and each counts as
	// an error.
	MaxRecipients int
	// MaxMessages is the greatest number of transactions of a connection; no
	// limit by default.
	MaxMessages int
	// MaxTextLine is the longest line of a message in octets with its CRLF;
	// no limit by default. RFC 5321 section 4.5.3.1.6 has 1000.
	MaxTextLine int

	// MaxErrors is the number of refused commands after which the
	// connection is closed; 20 by default. An accepted message sets the
	// count back.
	MaxErrors int
	// MaxBadRecipients is the number of recipients refused by the backend
	// after which the connection is closed; 100 by default. They are not
	// among the errors: long lists have some. An accepted message sets the
	// count back.
	MaxBadRecipients int
	// SoftErrors is the number of either after which each further
	// one is answered late; 5 by default.
	SoftErrors int
	// ErrorDelay is how late; 1 second by default. Failed authentications
	// are always answered late.
	ErrorDelay time.Duration
	// MaxNoops is the number of commands without use (NOOP, RSET, VRFY,
	// EXPN, HELP, HELO, EHLO) after which the connection is closed; 100 by
	// default. An accepted message sets the count back.
	MaxNoops int
	// MaxAuthFailures is the number of failed authentications after which
	// the connection is closed; 3 by default.
	MaxAuthFailures int

	// MaxConns is the greatest number of connections; 10000 by default.
	MaxConns int
	// MaxConnsPerAddr is that from one IPv4 address or IPv6 /64; 100 by
	// default.
	MaxConnsPerAddr int

	// GreetDelay is how long the greeting is held back, to refuse clients
	// that talk before it; 1 millisecond by default.
	GreetDelay time.Duration
	// CommandTimeout is the longest wait for the next command; 5 minutes by
	// default (RFC 5321 section 4.5.3.2.7).
	CommandTimeout time.Duration
	// DataTimeout is the longest wait for more of a message; 3 minutes by
	// default.
	DataTimeout time.Duration
	// TransactionTimeout is the longest time from MAIL to the message's
	// end; 1 hour by default.
	TransactionTimeout time.Duration
	// WriteTimeout is the longest time for a client to take a reply; 1
	// minute by default.
	WriteTimeout time.Duration
	// HandshakeTimeout is the longest time of a TLS handshake; 30 seconds
	// by default.
	HandshakeTimeout time.Duration
	// MinRate is the slowest a client may send for a minute, in octets per
	// second; 64 by default.
	MinRate int64
}

// limits are Limits in which zero is no limit, where this package sees to
// them; those for packages below are as they were.
type limits struct{ Limits }

func (l Limits) withDefaults() limits {
	def(&l.MaxMessageSize, 64<<20)
	def(&l.MaxDrain, 256<<20)
	def(&l.MaxRecipients, 1000)
	def(&l.MaxMessages, 0)
	def(&l.MaxTextLine, 0)
	def(&l.MaxErrors, 20)
	def(&l.MaxBadRecipients, 100)
	def(&l.SoftErrors, 5)
	def(&l.ErrorDelay, time.Second)
	def(&l.MaxNoops, 100)
	def(&l.MaxAuthFailures, 3)
	def(&l.GreetDelay, time.Millisecond)
	def(&l.DataTimeout, 3*time.Minute)
	def(&l.TransactionTimeout, time.Hour)
	if l.CommandTimeout == 0 {
		l.CommandTimeout = 5 * time.Minute
	}
	return limits{l}
}

func def[T int | int64 | time.Duration](v *T, to T) {
	if *v == 0 {
		*v = to
	}
	*v = max(*v, 0)
}
