// Package smtptest has a mail server for tests of programs that send mail: it
// listens on loopback and keeps what it is sent.
package smtptest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpserver"
)

// Message is a message that the server took.
type Message struct {
	// Envelope is its sender, recipients and parameters.
	Envelope smtp.Envelope
	// Data is the message, with CRLF line ends and without dot-stuffing.
	Data []byte
	// Helo is the client's name.
	Helo string
	// User is who authenticated; empty if nobody did.
	User string
	// TLS is set if it came over TLS.
	TLS bool
}

// Server is a mail server on loopback. Fields are set between
// NewUnstartedServer and Start.
type Server struct {
	// Addr is where it listens, "127.0.0.1:port".
	Addr string
	// TLSAddr is where it listens with implicit TLS.
	TLSAddr string
	// Config is the server; its Backend is this one.
	Config *smtpserver.Server
	// Users are the names and passwords of users. AUTH is offered where
	// there are any, in cleartext too.
	Users map[string]string

	// Mail, Rcpt and Data may refuse a sender, a recipient or a message, or
	// wait before they answer; see smtpserver.Session for errors. They are
	// called by the sessions' goroutines.
	Mail func(from smtp.Path) error
	Rcpt func(to smtp.Path) error
	Data func(m *Message) error

	// Capabilities are what sessions offer in EHLO; NewUnstartedServer sets
	// all that has to do with envelopes.
	Capabilities smtpserver.Capabilities

	// Timeout is how long Wait waits; 10 seconds when zero.
	Timeout time.Duration

	t        testing.TB
	serving  sync.WaitGroup
	mu       sync.Mutex
	next     [phases][]Answer
	messages []*Message
	arrived  chan struct{} // closed when a message came
}

// NewServer starts a server that takes all mail and offers STARTTLS. It is
// closed when the test ends.
func NewServer(t testing.TB) *Server {
	s := NewUnstartedServer(t)
	s.Start()
	return s
}

// NewUnstartedServer is NewServer of a server that is to be changed before it
// starts.
func NewUnstartedServer(t testing.TB) *Server {
	s := &Server{t: t, arrived: make(chan struct{}), Capabilities: smtpserver.Capabilities{
		DSN: true, BinaryMIME: true, DeliverBy: true, FutureRelease: 24 * time.Hour, Priority: true, ValidSince: true,
		RequireTLS: true, Tracking: true, NoSoliciting: true,
	}}
	s.Config = &smtpserver.Server{
		Backend:   smtpserver.BackendFunc(s.newSession),
		Domain:    "localhost",
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate()}},
		Limits:    smtpserver.Limits{GreetDelay: -1, ErrorDelay: -1},
		Logger:    slog.New(slog.DiscardHandler),
	}
	return s
}

// Start begins to listen.
func (s *Server) Start() {
	s.t.Helper()
	if len(s.Users) > 0 && s.Config.Auth == nil {
		s.Config.Auth = &sasl.Auth{AllowCleartext: true, Password: func(_ context.Context, user, password string) error {
			if want, ok := s.Users[user]; !ok || want != password {
				return sasl.ErrFailed
			}
			return nil
		}}
	}
	s.t.Cleanup(s.Close)
	s.Addr = s.listen(s.Config.Serve)
	if s.Config.TLSConfig != nil {
		s.TLSAddr = s.listen(s.Config.ServeTLS)
	}
}

func (s *Server) listen(serve func(net.Listener) error) string {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatalf("smtptest: %v", err)
	}
	s.serving.Go(func() { _ = serve(l) })
	return l.Addr().String()
}

// Close ends the server and all connections, and waits for them.
func (s *Server) Close() {
	_ = s.Config.Close()
	s.serving.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout())
	defer cancel()
	_ = s.Config.Shutdown(ctx)
}

func (s *Server) timeout() time.Duration {
	if s.Timeout > 0 {
		return s.Timeout
	}
	return 10 * time.Second
}

// CertPool trusts the server's certificate, which is made for localhost,
// 127.0.0.1 and ::1.
func (s *Server) CertPool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(certificate().Leaf)
	return pool
}

// ClientTLS is a client's configuration that trusts the server.
func (s *Server) ClientTLS() *tls.Config {
	return &tls.Config{RootCAs: s.CertPool(), ServerName: "localhost"}
}

// Messages are those that came so far, in the order of their acceptance.
func (s *Server) Messages() []*Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// Wait waits until n messages came, counted from the start or from Clear, and
// returns them all. The test fails where they do not come in time.
func (s *Server) Wait(n int) []*Message {
	s.t.Helper()
	late := time.NewTimer(s.timeout())
	defer late.Stop()
	for {
		s.mu.Lock()
		got, arrived := slices.Clone(s.messages), s.arrived
		s.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-arrived:
		case <-late.C:
			s.t.Fatalf("smtptest: %d of %d messages came within %v", len(got), n, s.timeout())
		}
	}
}

// Clear forgets the messages.
func (s *Server) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = nil
}

func (s *Server) keep(m *Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = append(s.messages, m)
	close(s.arrived)
	s.arrived = make(chan struct{})
}

func (s *Server) newSession(ctx context.Context, c *smtpserver.Conn) (smtpserver.Session, error) {
	if err := s.play(ctx, c, Connect); err != nil {
		return nil, err
	}
	return &session{s: s, c: c}, nil
}

type session struct {
	s *Server
	c *smtpserver.Conn
}

func (x *session) Capabilities() smtpserver.Capabilities { return x.s.Capabilities }

func (x *session) Helo(ctx context.Context, _ string) error { return x.s.play(ctx, x.c, Helo) }

func (x *session) Mail(ctx context.Context, from smtp.Path, _ *smtp.MailOptions) error {
	if err := x.s.play(ctx, x.c, Mail); err != nil || x.s.Mail == nil {
		return err
	}
	return x.s.Mail(from)
}

func (x *session) Rcpt(ctx context.Context, to smtp.Path, _ *smtp.RcptOptions) error {
	if err := x.s.play(ctx, x.c, Rcpt); err != nil || x.s.Rcpt == nil {
		return err
	}
	return x.s.Rcpt(to)
}

func (x *session) Data(ctx context.Context, env *smtp.Envelope, r io.Reader) (*smtp.Result, error) {
	var buf bytes.Buffer
	if _, err := buf.ReadFrom(r); err != nil {
		return nil, err
	}
	if err := x.s.play(ctx, x.c, Data); err != nil {
		return nil, err
	}
	m := &Message{Envelope: *env, Data: buf.Bytes(), Helo: x.c.HeloName()}
	if id, ok := x.c.Identity(); ok {
		m.User = id.Name()
	}
	_, m.TLS = x.c.TLS()
	if x.s.Data != nil {
		if err := x.s.Data(m); err != nil {
			return nil, err
		}
	}
	x.s.keep(m)
	return nil, nil
}

func (x *session) Reset(context.Context) {}
func (x *session) Close() error          { return nil }
