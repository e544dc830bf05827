// Package pop3test is a POP3 server for tests of programs that read mail, as
// net/http/httptest is for HTTP.
package pop3test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
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
	// Addr is the address of the plaintext port, with STLS. Logins need TLS
	// there unless the configuration allows others.
	Addr string
	// AddrTLS is the address of the port with implicit TLS.
	AddrTLS string
	// ClientTLS trusts the server's certificate.
	ClientTLS *tls.Config
}

// NewServer starts a server, which ends with the test. configure, if any, may
// change the configuration before: Limits, Auth, Backend, Trace and so on.
func NewServer(t testing.TB, configure ...func(*pop3server.Server)) *Server {
	t.Helper()
	c := certificate()
	if c.err != nil {
		t.Fatal(c.err)
	}
	s := &Server{
		Backend:   &Backend{},
		ClientTLS: &tls.Config{RootCAs: c.pool, ServerName: "localhost", MinVersion: tls.VersionTLS12},
	}
	srv := &pop3server.Server{
		Backend:   s.Backend,
		Domain:    "pop.example.test",
		Auth:      &sasl.Auth{Password: s.CheckPassword},
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{c.cert}, MinVersion: tls.VersionTLS12},
		Limits:    pop3server.Limits{ErrorDelay: -1},
		Logger:    slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	for _, f := range configure {
		f(srv)
	}
	var wg sync.WaitGroup
	listen := func(serve func(net.Listener) error) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			if err := serve(l); err != pop3server.ErrServerClosed {
				t.Errorf("pop3test: %v", err)
			}
		})
		return l.Addr().String()
	}
	t.Cleanup(func() {
		_ = srv.Close()
		wg.Wait()
	})
	s.Addr = listen(srv.Serve)
	s.AddrTLS = listen(srv.ServeTLS)
	return s
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
