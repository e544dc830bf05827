// Package sasltls takes from a TLS connection what SASL needs to know of it:
// channel bindings and, for EXTERNAL, the peer's certificate. The clients and
// servers of this module call it; it is for protocols besides theirs.
package sasltls

import (
	"crypto"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/tls"
	"crypto/x509"

	"github.com/mailwire/mailwire/sasl"
)

// Client is the line of a client, after the handshake. Service, Host and the
// rest are left to be filled in.
func Client(state tls.ConnectionState) sasl.Line {
	line := bind(state)
	if len(state.PeerCertificates) > 0 {
		line.Bindings.EndPoint = EndPoint(state.PeerCertificates[0])
	}
	return line
}

// Server is the line of a server, after the handshake. own is the certificate
// that it showed, nil if that is not known: then tls-server-end-point is not
// among the bindings.
//
// The peer's certificates count only if TLS verified them, which it does with
// ClientAuth of tls.VerifyClientCertIfGiven or RequireAndVerifyClientCert.
func Server(state tls.ConnectionState, own *x509.Certificate) sasl.Line {
	line := bind(state)
	if own != nil {
		line.Bindings.EndPoint = EndPoint(own)
	}
	if len(state.VerifiedChains) > 0 {
		line.PeerCertificates = state.VerifiedChains[0]
	}
	return line
}

// Certificate is the certificate that a server with the configuration shows to
// everybody; nil if it has several or chooses by a function.
func Certificate(config *tls.Config) *x509.Certificate {
	if config == nil || len(config.Certificates) != 1 || config.GetCertificate != nil || config.GetConfigForClient != nil {
		return nil
	}
	c := &config.Certificates[0]
	if c.Leaf != nil || len(c.Certificate) == 0 {
		return c.Leaf
	}
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		return nil
	}
	return leaf
}

func bind(state tls.ConnectionState) sasl.Line {
	line := sasl.Line{Encrypted: true}
	if !state.HandshakeComplete {
		return line
	}
	// RFC 9266 section 2. It fails where the session's keys are not bound to
	// its handshake, which is as it should be; so does TLSUnique.
	if b, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32); err == nil {
		line.Bindings.Exporter = b
	}
	if state.Version < tls.VersionTLS13 {
		line.Bindings.Unique = state.TLSUnique
	}
	return line
}

// EndPoint is tls-server-end-point of a server's certificate (RFC 5929
// section 4.1); nil if its signature has no single hash function.
func EndPoint(cert *x509.Certificate) []byte {
	h := crypto.SHA256
	switch cert.SignatureAlgorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1,
		x509.SHA256WithRSA, x509.ECDSAWithSHA256, x509.DSAWithSHA256, x509.SHA256WithRSAPSS:
		// MD5 and SHA-1 stand for SHA-256.
	case x509.SHA384WithRSA, x509.ECDSAWithSHA384, x509.SHA384WithRSAPSS:
		h = crypto.SHA384
	case x509.SHA512WithRSA, x509.ECDSAWithSHA512, x509.SHA512WithRSAPSS:
		h = crypto.SHA512
	default:
		return nil // Ed25519 and what is unknown
	}
	d := h.New()
	d.Write(cert.Raw)
	return d.Sum(nil)
}
