package imapserver

// The server: its settings, and the life of its listeners.

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
	"github.com/mailwire/mailwire/internal/netconn"
	"github.com/mailwire/mailwire/internal/serve"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/sasl"
)

// Server is an IMAP server. Its fields must not change after the first Serve.
type Server struct {
	// Backend is the mail store.
	Backend Backend
	// Auth says who may log in. Without it nobody can.
	Auth *sasl.Auth
	// TLSConfig is for STARTTLS, which is offered where it is set, and for
	// implicit TLS.
	TLSConfig *tls.Config
	// Limits bound what a client can cost; the zero value is safe.
	Limits Limits
	// ID is what ID (RFC 2971) answers; NIL where empty.
	ID []imap.IDParam
	// Greeting is the text of the greeting, for people.
	Greeting string
	// Logger gets one line for each session that ended abnormally and for
	// each error of the Backend that is not an *imap.Error; slog.Default
	// where nil.
	Logger *slog.Logger
	// Trace, if set, gets all conversations line by line, without credentials
	// and without the octets of messages and their parts.
	Trace io.Writer

	once  sync.Once
	inner serve.Server
	tls   *tls.Config
}

// Limits bound what a client can cost. A zero field has its default. A
// negative one means no limit for connections, durations, rates and the counts
// of what failed; sizes and depths always have one.
type Limits struct {
	// MaxConns is how many connections there may be at a time, 10000; and
	// MaxConnsPerAddr how many from one IPv4 address or IPv6 /64, 100.
	MaxConns, MaxConnsPerAddr int

	// LoginTimeout is how long a client may take to log in, 3 minutes.
	LoginTimeout time.Duration
	// IdleTimeout is how long a client that has logged in may say nothing,
	// in IDLE too. The default is 30 minutes, the least that RFC 3501 section
	// 5.4 allows.
	IdleTimeout time.Duration
	// WriteTimeout is how long a client may take to accept one chunk of at
	// most 16 KiB, 1 minute.
	WriteTimeout time.Duration
	// MinRate is the slowest a client may send a command or message, in
	// octets per second over a minute, 64.
	MinRate int64

	// MaxAuthFailures is how many attempts to log in may fail, 5.
	MaxAuthFailures int
	// FailureDelay is how long the answer to one that failed is held back, 1
	// second.
	FailureDelay time.Duration
	// MaxErrors is how many commands may be answered BAD before login, or
	// in a row after it, 20.
	MaxErrors int
	// CommandsBeforeLogin is how many commands there may be before login, 100.
	CommandsBeforeLogin int

	// PreLoginLine, PreLoginCommand and PreLoginLiteral bound a line, a command
	// with its literals, and one literal before login, in octets: 13 KiB, 16
	// KiB, 4 KiB.
	PreLoginLine, PreLoginCommand int
	PreLoginLiteral               int64
	// Line, Command and Literal bound the same after login: 64 KiB, 1 MiB, 512
	// KiB.
	Line, Command int
	Literal       int64
	// Append is the largest message that APPEND takes, in octets, 64 MiB. It
	// is announced as APPENDLIMIT (RFC 7889).
	Append int64
	// Drain is how many octets of a literal that is refused are read over,
	// 1 MiB; beyond it the connection ends.
	Drain int64
	// Depth is how deep search keys may nest, 100.
	Depth int
	// Flags is how many flags STORE and APPEND may name, 200.
	Flags int
	// Parts is how many of a message's parts are looked at, and PartDepth how
	// deep; see the defaults of package mime.
	Parts, PartDepth int
}

func (l Limits) withDefaults() Limits {
	pre, post := imapwire.PreAuthCommandLimits(), imapwire.DefaultCommandLimits()
	orDefault(&l.LoginTimeout, 3*time.Minute)
	orDefault(&l.IdleTimeout, 30*time.Minute)
	orDefault(&l.WriteTimeout, time.Minute)
	orDefault(&l.FailureDelay, time.Second)
	orDefault(&l.MaxAuthFailures, 5)
	orDefault(&l.MaxErrors, 20)
	orDefault(&l.CommandsBeforeLogin, 100)
	atLeastOne(&l.PreLoginLine, pre.Line)
	atLeastOne(&l.PreLoginCommand, pre.Command)
	atLeastOne(&l.PreLoginLiteral, pre.Literal)
	atLeastOne(&l.Line, post.Line)
	atLeastOne(&l.Command, post.Command)
	atLeastOne(&l.Literal, post.Literal)
	atLeastOne(&l.Append, post.Append)
	atLeastOne(&l.Drain, post.Drain)
	atLeastOne(&l.Depth, post.Depth)
	atLeastOne(&l.Flags, 200)
	return l
}

func orDefault[T int | time.Duration](p *T, v T) {
	if *p == 0 {
		*p = v
	}
}

func atLeastOne[T int | int64](p *T, v T) {
	if *p <= 0 {
		*p = v
	}
}

func (l *Limits) preLogin() imapwire.CommandLimits {
	c := imapwire.PreAuthCommandLimits()
	c.Line, c.Command, c.Literal = l.PreLoginLine, l.PreLoginCommand, l.PreLoginLiteral
	c.Drain = min(c.Drain, l.Drain)
	return c
}

func (l *Limits) loggedIn() imapwire.CommandLimits {
	c := imapwire.DefaultCommandLimits()
	c.Line, c.Command, c.Literal = l.Line, l.Command, l.Literal
	c.Append, c.Drain, c.Depth = l.Append, l.Drain, l.Depth
	return c
}

// ErrServerClosed is returned by Serve after [Server.Shutdown] or [Server.Close].
var ErrServerClosed = serve.ErrServerClosed

func (s *Server) start() {
	s.once.Do(func() {
		s.Limits = s.Limits.withDefaults()
		if s.TLSConfig != nil {
			s.tls = netconn.TLSConfig(s.TLSConfig)
		}
		l := &s.Limits
		s.inner.Handler = s.handle
		s.inner.MaxConns, s.inner.MaxConnsPerAddr = l.MaxConns, l.MaxConnsPerAddr
		s.inner.Logger = s.Logger
		s.inner.Trace = s.Trace
		s.inner.Refusal = refusal
		s.inner.Conn = netconn.Options{
			IdleTimeout:  l.LoginTimeout,
			WriteTimeout: l.WriteTimeout,
			MinRate:      l.MinRate,
			Reader:       wire.Options{MaxLine: l.Line, Lines: wire.LineLF},
		}
	})
}

func refusal(err error) []byte {
	text := "Too many connections"
	if errors.Is(err, serve.ErrServerClosed) {
		text = "Shutting down"
	}
	return imapwire.AppendStatus(nil, "", imap.BYE, imap.CodeUnavailable, text)
}

// Serve accepts connections on l until the server is shut down, and closes l.
// The error is never nil.
func (s *Server) Serve(l net.Listener) error {
	s.start()
	return s.inner.Serve(l)
}

// ServeTLS is Serve with implicit TLS (RFC 8314), which needs TLSConfig.
func (s *Server) ServeTLS(l net.Listener) error {
	s.start()
	return s.inner.ServeTLS(l, s.tls)
}

// ListenAndServe is Serve on a TCP address; ":143" where addr is empty.
func (s *Server) ListenAndServe(addr string) error {
	if addr == "" {
		addr = ":143"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return s.Serve(l)
}

// ListenAndServeTLS is ServeTLS on a TCP address; ":993" where addr is empty.
func (s *Server) ListenAndServeTLS(addr string) error {
	if addr == "" {
		addr = ":993"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return s.ServeTLS(l)
}

// Shutdown closes the listeners, says BYE to the clients that wait, and waits
// until the commands that run are over, or until ctx ends: then its error is
// returned, and Close would end the connections that are left.
func (s *Server) Shutdown(ctx context.Context) error {
	s.start()
	return s.inner.Shutdown(ctx)
}

// Close closes the listeners and all connections at once.
func (s *Server) Close() error {
	s.start()
	return s.inner.Close()
}
