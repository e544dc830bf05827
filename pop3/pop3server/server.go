// Package pop3server is a server of POP3 over a Backend (RFC 1939).
//
// A [Server] has the conversation: states, replies, limits, TLS,
// authentication and the framing of messages. A [Backend] opens maildrops and
// removes messages.
//
// What is offered in the answer to CAPA follows from the Server's fields and
// the connection's state: TOP, UIDL, RESP-CODES, AUTH-RESP-CODE, PIPELINING
// and IMPLEMENTATION always, STLS, USER and SASL while they can be used.
package pop3server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"

	"github.com/mailwire/mailwire/internal/netconn"
	"github.com/mailwire/mailwire/internal/serve"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/pop3/pop3wire"
	"github.com/mailwire/mailwire/sasl"
)

// ErrServerClosed is returned by Serve and its like after Shutdown or Close.
var ErrServerClosed = serve.ErrServerClosed

// Server serves POP3. Its fields must not change after the first call of
// Serve.
type Server struct {
	// Backend opens maildrops. It must be set.
	Backend Backend
	// Domain is the server's own name, in its greeting; the host's name when
	// empty.
	Domain string
	// Auth is how clients authenticate. It must be set for anyone to log in.
	Auth *sasl.Auth
	// TLSConfig enables STLS, and is that of ServeTLS.
	TLSConfig *tls.Config
	// RequireTLS refuses logins in cleartext whatever the mechanism. Names
	// with passwords are refused there without it too, unless Auth allows
	// them.
	RequireTLS bool
	// Limits bound what a client can cost.
	Limits Limits
	// Logger gets a line for each connection that ended abnormally;
	// slog.Default when nil.
	Logger *slog.Logger
	// Trace, if set, gets every line of every conversation, with the
	// client's address before it and without credentials and messages.
	Trace io.Writer

	once  sync.Once
	serve *serve.Server
	lim   limits
	name  string
	tls   *tls.Config
}

func (s *Server) init() {
	s.once.Do(func() {
		s.lim = s.Limits.withDefaults()
		s.name = s.Domain
		if s.name == "" {
			s.name, _ = os.Hostname()
		}
		if s.name = pop3.CleanText(s.name); s.name == "" {
			s.name = "localhost"
		}
		if s.TLSConfig != nil {
			s.tls = netconn.TLSConfig(s.TLSConfig)
		}
		s.serve = &serve.Server{
			Handler:         s.handle,
			MaxConns:        s.lim.MaxConns,
			MaxConnsPerAddr: s.lim.MaxConnsPerAddr,
			Refusal:         s.refusal,
			Logger:          s.Logger,
			Trace:           s.Trace,
			Conn: netconn.Options{
				IdleTimeout:      s.lim.IdleTimeout,
				MinRate:          s.lim.MinRate,
				WriteTimeout:     s.lim.WriteTimeout,
				HandshakeTimeout: s.lim.HandshakeTimeout,
				// A client sends no text that a line end could be smuggled
				// into: lines of LF alone do no harm.
				Reader: wire.Options{MaxLine: pop3wire.MaxAuthLine, Lines: wire.LineLF},
			},
		}
	})
}

func (s *Server) refusal(err error) []byte {
	text := err.Error()
	if errors.Is(err, serve.ErrServerClosed) {
		text = "Server shutting down"
	}
	b, _ := pop3wire.AppendReply(nil, &pop3wire.Reply{Status: pop3wire.ERR, Code: pop3.CodeSysTemp, Text: pop3.CleanText(text)})
	return b
}

var errNoBackend = errors.New("pop3server: Server.Backend is not set")

// Serve accepts connections on l until the server is shut down. It may be
// called for any number of listeners. The error is never nil; after Shutdown
// or Close it is ErrServerClosed.
func (s *Server) Serve(l net.Listener) error {
	if s.Backend == nil {
		_ = l.Close()
		return errNoBackend
	}
	s.init()
	return s.serve.Serve(l)
}

// ServeTLS is Serve with implicit TLS (RFC 8314), under TLSConfig.
func (s *Server) ServeTLS(l net.Listener) error {
	if s.Backend == nil {
		_ = l.Close()
		return errNoBackend
	}
	s.init()
	return s.serve.ServeTLS(l, s.tls)
}

// ListenAndServe listens on the TCP address addr, ":110" when empty, and
// serves.
func (s *Server) ListenAndServe(addr string) error {
	if addr == "" {
		addr = ":110"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return s.Serve(l)
}

// ListenAndServeTLS listens on the TCP address addr, ":995" when empty, and
// serves with implicit TLS.
func (s *Server) ListenAndServeTLS(addr string) error {
	if addr == "" {
		addr = ":995"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return s.ServeTLS(l)
}

// Shutdown stops listening, ends sessions that wait for a command, without
// the UPDATE state, and waits for the last command of the others, or for ctx:
// then the error is ctx's, and Close ends the rest.
func (s *Server) Shutdown(ctx context.Context) error {
	s.init()
	return s.serve.Shutdown(ctx)
}

// Close ends everything at once. It does not wait for sessions to return.
func (s *Server) Close() error {
	s.init()
	return s.serve.Close()
}
