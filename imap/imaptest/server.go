package imaptest

// A server on the loopback, for tests.

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

	"github.com/mailwire/mailwire/imap/imapserver"
)

// Server is a running server.
type Server struct {
	// Memory is its store, unless the server was made with another.
	Memory *Memory
	// Server is the server itself.
	Server *imapserver.Server
	// Addr is the address without TLS, where STARTTLS is offered; TLSAddr the
	// one of implicit TLS. Both are on 127.0.0.1.
	Addr, TLSAddr string
	// Pool trusts the server's certificate, which is for localhost and
	// 127.0.0.1.
	Pool *x509.CertPool

	faults faults
}

// User and Password are those of the account that NewServer makes.
const (
	User     = "user"
	Password = "secret"
)

// NewServer starts a server over a Memory with the account [User]. It ends
// with the test. Each of configure that is not nil may change it before it
// starts.
func NewServer(t testing.TB, configure ...func(*imapserver.Server)) *Server {
	t.Helper()
	m := NewMemory()
	m.AddUser(User, Password)
	cert, pool := certificate()
	s := &Server{Memory: m, Pool: pool, Server: &imapserver.Server{
		Backend:   m,
		Auth:      m.Auth(),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}},
		Logger:    slog.New(slog.DiscardHandler),
		Limits:    imapserver.Limits{FailureDelay: -1},
	}}
	for _, f := range configure {
		if f != nil {
			f(s.Server)
		}
	}
	var wg sync.WaitGroup
	listen := func(serve func(net.Listener) error) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() { _ = serve(l) })
		return l.Addr().String()
	}
	s.Addr = listen(func(l net.Listener) error { return s.Server.Serve(&faultListener{l, &s.faults}) })
	s.TLSAddr = listen(s.Server.ServeTLS)
	t.Cleanup(func() {
		_ = s.Server.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
	return s
}

// certificate is made once for the process.
var certificate = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	c := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "localhost"},
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore:             time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:              time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
})

// ClientTLS is a client's configuration that trusts the server.
func (s *Server) ClientTLS() *tls.Config {
	return &tls.Config{RootCAs: s.Pool, ServerName: "localhost"}
}
