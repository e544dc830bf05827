// Package smtpserver is a server of SMTP, submission and LMTP over a Backend
// (RFC 5321, RFC 6409, RFC 2033).
//
// A [Server] has the conversation: states, replies, limits, TLS,
// authentication and the framing of messages. A [Backend] decides, and takes
// the messages.
//
// What is offered in the answer to EHLO follows from the Server's fields, the
// connection's state and what the Session can do: PIPELINING, SIZE, 8BITMIME,
// CHUNKING, SMTPUTF8, ENHANCEDSTATUSCODES always, STARTTLS and AUTH while they
// can be used, ETRN, BURL and all that [Capabilities] has where the Session
// does, XCLIENT and XFORWARD to those who are trusted.
package smtpserver

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
	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpwire"
)

// ErrServerClosed is returned by Serve and its like after Shutdown or Close.
var ErrServerClosed = serve.ErrServerClosed

// Server serves SMTP or LMTP. Its fields must not change after the first
// call of Serve.
type Server struct {
	// Backend makes a Session of every connection. It must be set.
	Backend Backend
	// Middleware wraps every Session, the first outermost. An optional
	// interface of a Session is seen only if what wraps it has it too.
	Middleware []Middleware
	// Domain is the server's own name, in its greeting and in trace fields;
	// the host's name when empty.
	Domain string
	// LMTP makes this an LMTP server: LHLO, and a reply for each recipient.
	LMTP bool
	// Auth is how clients authenticate; nil offers no AUTH.
	Auth *sasl.Auth
	// RequireAuth refuses mail from clients that did not authenticate, as a
	// submission server must (RFC 6409 section 4.3).
	RequireAuth bool
	// TLSConfig enables STARTTLS, and is that of ServeTLS.
	TLSConfig *tls.Config
	// RequireTLS refuses everything but STARTTLS in cleartext (RFC 3207
	// section 4).
	RequireTLS bool
	// TrustProxy are the networks of proxies whose connections begin with a
	// header of the PROXY protocol, version 1 or 2, which says who the client
	// is. Without that header they are closed. From anywhere else it is a
	// protocol error. Limits.MaxConnsPerAddr counts the proxy's address.
	TrustProxy []netip.Prefix
	// TrustXClient are the networks of those who may say for whom they speak
	// with XCLIENT and XFORWARD.
	TrustXClient []netip.Prefix
	// BareLineEnds says what becomes of a message that holds a CR or LF
	// alone.
	BareLineEnds BareLineEnds
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

// BareLineEnds is a policy for a CR or LF that stands alone in a message.
// Under every policy a message ends at CRLF "." CRLF and nowhere else.
type BareLineEnds uint8

const (
	// BareReject refuses the message, having read it to its end, with 550
	// 5.6.0. RFC 5321 section 2.3.8 forbids such messages, and other
	// servers may see their end elsewhere (SMTP smuggling).
	BareReject BareLineEnds = iota
	// BareNormalise turns each into CRLF.
	BareNormalise
	// BarePass leaves each as it is. Whoever sends the message on must
	// know.
	BarePass
)

func (b BareLineEnds) policy() wire.BarePolicy {
	switch b {
	case BareNormalise:
		return wire.BareNormalise
	case BarePass:
		return wire.BarePass
	}
	return wire.BareReject
}

func (s *Server) init() {
	s.once.Do(func() {
		s.lim = s.Limits.withDefaults()
		s.name = s.Domain
		if s.name == "" {
			s.name, _ = os.Hostname()
		}
		if _, err := smtp.ParseDomain(s.name); err != nil {
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
				IdleTimeout:      s.lim.CommandTimeout,
				MinRate:          s.lim.MinRate,
				WriteTimeout:     s.lim.WriteTimeout,
				HandshakeTimeout: s.lim.HandshakeTimeout,
				// Room for most envelopes, pipelined: idle connections are many.
				Reader: wire.Options{MaxLine: smtpwire.MaxAuthLine, MinBuffer: 128},
			},
		}
	})
}

func (s *Server) refusal(err error) []byte {
	r := smtp.Reply{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Lines: []string{s.name + " " + err.Error()}}
	switch {
	case errors.Is(err, serve.ErrServerClosed):
		r.Lines[0] = s.name + " shutting down"
	case errors.Is(err, serve.ErrTooManyFromAddr):
		r.EnhancedCode = smtp.EnhancedCode{4, 7, 0}
	}
	b, _ := smtpwire.AppendReply(nil, &r)
	return b
}

// Serve accepts connections on l until the server is shut down. It may be
// called for any number of listeners. The error is never nil; after Shutdown
// or Close it is ErrServerClosed.
func (s *Server) Serve(l net.Listener) error {
	if s.Backend == nil {
		_ = l.Close()
		return errors.New("smtpserver: Server.Backend is not set")
	}
	s.init()
	return s.serve.Serve(s.proxied(l))
}

// ServeTLS is Serve with implicit TLS (RFC 8314), under TLSConfig.
func (s *Server) ServeTLS(l net.Listener) error {
	if s.Backend == nil {
		_ = l.Close()
		return errors.New("smtpserver: Server.Backend is not set")
	}
	s.init()
	return s.serve.ServeTLS(s.proxied(l), s.tls)
}

func (s *Server) proxied(l net.Listener) net.Listener {
	if len(s.TrustProxy) == 0 {
		return l
	}
	return netconn.ProxyListener(l, func(a netip.Addr) bool { return among(s.TrustProxy, a) })
}

// ListenAndServe listens on the TCP address addr, ":25" when empty, and
// serves.
func (s *Server) ListenAndServe(addr string) error {
	if addr == "" {
		addr = ":25"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return s.Serve(l)
}

// ListenAndServeTLS listens on the TCP address addr, ":465" when empty, and
// serves with implicit TLS.
func (s *Server) ListenAndServeTLS(addr string) error {
	if addr == "" {
		addr = ":465"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return s.ServeTLS(l)
}

// Shutdown stops listening, tells idle clients 421 at once and others when
// their transaction is over, and waits for the last, or for ctx: then the
// error is ctx's, and Close ends the rest.
func (s *Server) Shutdown(ctx context.Context) error {
	s.init()
	return s.serve.Shutdown(ctx)
}

// Close ends everything at once. It does not wait for sessions to return.
func (s *Server) Close() error {
	s.init()
	return s.serve.Close()
}
