// Limits, and their defaults.

package pop3server

import "time"

// Limits bound what a client can cost. For each, zero stands for the default
// and a negative value for no limit.
type Limits struct {
	// MaxErrors is the number of refused commands after which the
	// connection is closed; 20 by default. A command that succeeds on a
	// message sets the count back.
	MaxErrors int
	// SoftErrors is the number of refused commands after which each further
	// one is answered late; 5 by default.
	SoftErrors int
	// ErrorDelay is how late; 1 second by default. Failed authentications
	// are always answered late.
	ErrorDelay time.Duration
	// MaxNoops is the number of commands without use (NOOP, CAPA, AUTH,
	// USER, RSET, UTF8, LANG, XCLIENT) after which the connection is closed; 1000 by default. A
	// command that succeeds on a message sets the count back.
	MaxNoops int
	// MaxAuthFailures is the number of failed authentications after which
	// the connection is closed; 3 by default.
	MaxAuthFailures int

	// MaxConns is the greatest number of connections; 10000 by default.
	MaxConns int
	// MaxConnsPerAddr is that from one IPv4 address or IPv6 /64; 100 by
	// default.
	MaxConnsPerAddr int

	// LoginTimeout is the longest time from the greeting to the login; 10
	// minutes by default.
	LoginTimeout time.Duration
	// IdleTimeout is the autologout timer: the longest wait for the next
	// command. It is 10 minutes by default and at least (RFC 1939 section
	// 3); a shorter one counts as that. The connection is then closed
	// without a word, and nothing deleted.
	IdleTimeout time.Duration
	// WriteTimeout is the longest time for a client to take a chunk of at
	// most 16 KiB; 1 minute by default.
	WriteTimeout time.Duration
	// HandshakeTimeout is the longest time of a TLS handshake; 30 seconds
	// by default.
	HandshakeTimeout time.Duration
	// MinRate is the slowest a client may send for a minute once it has
	// begun a command, in octets per second; 64 by default.
	MinRate int64
}

// minAutologout is what RFC 1939 section 3 asks for.
const minAutologout = 10 * time.Minute

// limits are Limits in which zero is no limit, where this package sees to
// them; those for packages below are as they were.
type limits struct{ Limits }

func (l Limits) withDefaults() limits {
	def(&l.MaxErrors, 20)
	def(&l.SoftErrors, 5)
	def(&l.ErrorDelay, time.Second)
	def(&l.MaxNoops, 1000)
	def(&l.MaxAuthFailures, 3)
	def(&l.LoginTimeout, 10*time.Minute)
	if l.IdleTimeout >= 0 {
		l.IdleTimeout = max(l.IdleTimeout, minAutologout)
	}
	return limits{l}
}

func def[T int | int64 | time.Duration](v *T, to T) {
	if *v == 0 {
		*v = to
	}
	*v = max(*v, 0)
}
