// Certificates, made in memory.

package testkit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"strings"
	"sync"
	"time"
)

var authority = sync.OnceValue(func() (ca struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}) {
	ca.key = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	t := template("testkit CA")
	t.IsCA, t.KeyUsage = true, x509.KeyUsageCertSign
	ca.cert = must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, t, t, &ca.key.PublicKey, ca.key))))
	ca.pool = x509.NewCertPool()
	ca.pool.AddCert(ca.cert)
	return ca
})

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// template is valid at any time that a synctest bubble may show.
func template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:          must(rand.Int(rand.Reader, big.NewInt(1<<62))),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:              time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		BasicConstraintsValid: true,
	}
}

var (
	certsMu sync.Mutex
	certs   = map[string]tls.Certificate{}
)

// Certificate is a certificate for these names or IP addresses, signed by
// this process's own authority; the first is its subject. Made once for the
// same names. It serves servers and clients.
func Certificate(names ...string) tls.Certificate {
	certsMu.Lock()
	defer certsMu.Unlock()
	id := strings.Join(names, " ")
	if c, ok := certs[id]; ok {
		return c
	}
	ca := authority()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	t := template(names[0])
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	der := must(x509.CreateCertificate(rand.Reader, t, ca.cert, &key.PublicKey, ca.key))
	c := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: must(x509.ParseCertificate(der))}
	certs[id] = c
	return c
}

// Authority is the pool of the one authority that Certificate signs with.
func Authority() *x509.CertPool { return authority().pool }

// AuthorityCertificate is that authority's own certificate.
func AuthorityCertificate() *x509.Certificate { return authority().cert }

// TLS returns the configurations of a server with a Certificate of these names
// ("localhost", 127.0.0.1 and ::1 without any) and of a client that trusts it
// and asks for the first.
func TLS(names ...string) (server, client *tls.Config) {
	if len(names) == 0 {
		names = []string{"localhost", "127.0.0.1", "::1"}
	}
	return &tls.Config{Certificates: []tls.Certificate{Certificate(names...)}, MinVersion: tls.VersionTLS12},
		&tls.Config{RootCAs: Authority(), ServerName: names[0], MinVersion: tls.VersionTLS12}
}
