// Package pop3server is a server of POP3 over a Backend (RFC 1939).
//
// A [Server] has the conversation: states, replies, limits, TLS,
// authentication and the framing of messages. A [Backend] opens maildrops and
// removes messages.
//
// What is offered in the answer to CAPA follows from the Server's fields and
// the connection's state: TOP, UIDL, RESP-CODES, AUTH-RESP-CODE, PIPELINING,
// UTF8 and IMPLEMENTATION always, STLS, USER and SASL while they can be used,
// LANG, LOGIN-DELAY and EXPIRE as they are set; XCLIENT by the greeting's code
// to those who are trusted; APOP by its timestamp, where sasl.Auth has it.
package pop3server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
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
	// Policy is what users are held to and told by CAPA.
	Policy Policy
	// PolicyFor, if set, is a user's own policy in place of Policy, which is
	// announced before the login. It is called once in a session.
	PolicyFor func(ctx context.Context, id sasl.Identity) Policy
	// Connect, if set, is called before the greeting. An error refuses the
	// connection, as one of Backend's refuses a login. An identity that is
	// not nil has authenticated there, by an exchange over rw that comes
	// before POP3's, as in KPOP: USER then names it, or one that it may act
	// as by Auth.Authorize, and whatever PASS holds is the placeholder that
	// logs in.
	Connect func(ctx context.Context, c *Conn, rw io.ReadWriter) (*sasl.Identity, error)
	// TrustProxy are the networks of proxies whose connections begin with a
	// header of the PROXY protocol, version 1 or 2, which says who the client
	// is. From them a connection without one is a protocol error.
	// Limits.MaxConnsPerAddr counts the proxy's address.
	TrustProxy []netip.Prefix
	// TrustXClient are the networks of those who may say for whom they speak
	// with XCLIENT.
	TrustXClient []netip.Prefix
	// Languages are those that texts can be had in (RFC 6856), the default
	// first, which is that of the texts as they are. Without any there is no
	// LANG.
	Languages []pop3.Language
	// Translate returns a text of the server's, or of its backend's, in the
	// language with the tag; empty where it has none, and the text stays.
	Translate func(tag, text string) string
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

	logins lastLogins
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
	return s.serve.Serve(s.proxied(l))
}

func (s *Server) proxied(l net.Listener) net.Listener {
	if len(s.TrustProxy) == 0 {
		return l
	}
	return netconn.ProxyListener(l, func(a netip.Addr) bool { return among(s.TrustProxy, a) })
}

// ServeTLS is Serve with implicit TLS (RFC 8314), under TLSConfig.
func (s *Server) ServeTLS(l net.Listener) error {
	if s.Backend == nil {
		_ = l.Close()
		return errNoBackend
	}
	s.init()
	return s.serve.ServeTLS(s.proxied(l), s.tls)
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
