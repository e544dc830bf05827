// Package pop3test is a POP3 server for tests of programs that read mail, as
// net/http/httptest is for HTTP.
package pop3test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/mailwire/mailwire/pop3/pop3server"
	"github.com/mailwire/mailwire/sasl"
)

// Server is a POP3 server on loopback, with its maildrops in memory.
type Server struct {
	// Backend has the users and their messages.
	*Backend
	// Addr is the address of the plaintext port, "127.0.0.1:port". It has STLS,
	// and takes logins in cleartext too.
	Addr string
	// TLSAddr is the address of the port with implicit TLS.
	TLSAddr string
	// Config is the server. It may be changed before Start: Auth, Backend,
	// Limits, Trace.
	Config *pop3server.Server

	t    testing.TB
	pool *x509.CertPool
	wg   sync.WaitGroup
}

// NewServer starts a server, which ends with the test.
func NewServer(t testing.TB) *Server {
	t.Helper()
	s := NewUnstartedServer(t)
	s.Start()
	return s
}

// NewUnstartedServer is NewServer without the start.
func NewUnstartedServer(t testing.TB) *Server {
	t.Helper()
	c := certificate()
	if c.err != nil {
		t.Fatal(c.err)
	}
	s := &Server{Backend: &Backend{}, t: t, pool: c.pool}
	s.Config = &pop3server.Server{
		Backend:   s.Backend,
		Domain:    "pop.example.test",
		Auth:      &sasl.Auth{Password: s.CheckPassword, AllowCleartext: true},
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{c.cert}, MinVersion: tls.VersionTLS12},
		Limits:    pop3server.Limits{ErrorDelay: -1},
		Logger:    slog.New(slog.DiscardHandler),
	}
	return s
}

// Start starts the server.
func (s *Server) Start() {
	s.t.Helper()
	s.t.Cleanup(s.Close)
	s.Addr = s.listen(s.Config.Serve)
	s.TLSAddr = s.listen(s.Config.ServeTLS)
}

func (s *Server) listen(serve func(net.Listener) error) string {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	s.wg.Go(func() {
		if err := serve(l); err != pop3server.ErrServerClosed {
			s.t.Errorf("pop3test: %v", err)
		}
	})
	return l.Addr().String()
}

// Close ends the server and its connections at once, and waits until the last
// session is over.
func (s *Server) Close() {
	_ = s.Config.Close()
	s.wg.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Config.Shutdown(ctx); err != nil {
		s.t.Errorf("pop3test: %v", err)
	}
}

// CertPool has the server's certificate.
func (s *Server) CertPool() *x509.CertPool { return s.pool }

// ClientTLS is a client's configuration that trusts the server.
func (s *Server) ClientTLS() *tls.Config {
	return &tls.Config{RootCAs: s.pool, ServerName: "localhost", MinVersion: tls.VersionTLS12}
}

// certificate is the same for all servers of the process.
var certificate = sync.OnceValue(func() (c struct {
	cert tls.Certificate
	pool *x509.CertPool
	err  error
}) {
	c.cert, c.pool, c.err = newCertificate()
	return c
})

func newCertificate() (cert tls.Certificate, pool *x509.CertPool, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return cert, nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "localhost"},
		DNSNames:              []string{"localhost", "pop.example.test"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return cert, nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return cert, nil, err
	}
	pool = x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool, nil
}
