package main

// The server's certificate: the one given, else one made once and kept.

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// loadCertificate returns the certificate of the files, or, where certFile is
// empty, the self-signed one in dir, and the file that holds it.
func loadCertificate(certFile, keyFile, dir string, domains []string) (tls.Certificate, string, error) {
	if certFile != "" {
		cert, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			err = fmt.Errorf("certificate: %w", err)
		}
		return cert, certFile, err
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err == nil && time.Now().Before(cert.Leaf.NotAfter) {
		return cert, certFile, nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return cert, "", fmt.Errorf("certificate: %w", err)
	}
	// The certificate comes last and goes first, so that a key without one is
	// all that an end in between can leave.
	if err := os.Remove(certFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return cert, "", fmt.Errorf("certificate: %w", err)
	}
	if err := makeCertificate(certFile, keyFile, domains); err != nil {
		return cert, "", fmt.Errorf("certificate: %w", err)
	}
	cert, err = tls.LoadX509KeyPair(certFile, keyFile)
	return cert, certFile, err
}

// makeCertificate makes a certificate that a client can be told to trust as
// it is, for this machine's own names and the domains.
func makeCertificate(certFile, keyFile string, domains []string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "localhost", Organization: []string{"mailwire example server"}},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(5, 0, 0),
		DNSNames:              append([]string{"localhost"}, domains...),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := writeFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600); err != nil {
		return err
	}
	return writeFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}
