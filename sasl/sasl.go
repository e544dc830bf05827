// The values and interfaces that clients and servers of all protocols share.

package sasl

import (
	"crypto/x509"
	"errors"
)

var (
	// ErrFailed says that the credentials were refused. Unknown user and
	// wrong password are this same error.
	ErrFailed = errors.New("sasl: authentication failed")
	// ErrNotAuthorized says that the credentials are right and the user may
	// not act as the identity asked for.
	ErrNotAuthorized = errors.New("sasl: not authorized to act as the requested identity")
	// ErrMechanism says that the mechanism is not offered, or for a client
	// that none of the offered ones suits its credentials.
	ErrMechanism = errors.New("sasl: mechanism not available")
	// ErrEncryption says that the mechanism is offered on an encrypted line
	// alone.
	ErrEncryption = errors.New("sasl: encryption required for the mechanism")
	// ErrProtocol says that the peer's message is not of the mechanism.
	ErrProtocol = errors.New("sasl: malformed message")
	// ErrTooMany says that a user or a peer tries too often. Servers answer
	// it as a temporary fault.
	ErrTooMany = errors.New("sasl: too many authentication attempts")
)

// Line is what an exchange knows of the connection it runs over. The clients
// and servers of this module fill it in. Those of other protocols take the
// fields that come from TLS from the package sasltls.
type Line struct {
	// Encrypted is set under TLS.
	Encrypted bool
	// Bindings are the channel's bindings.
	Bindings Bindings
	// Service is the protocol's service name (RFC 4422 section 4): "imap",
	// "pop", "smtp". GSSAPI and DIGEST-MD5 name the server by it.
	Service string
	// Host is the server's name as the client looked it up. A server leaves
	// it empty: see Auth.Hostname.
	Host string
	// Port is the port that a client connected to, 0 if it is not known.
	// OAUTHBEARER tells it.
	Port int

	// Offered are the names of the mechanisms that a client is offered; nil
	// when the protocol does not tell them.
	Offered []string
	// AllowCleartext lets a client's mechanism show its secret on a line
	// that is not encrypted.
	AllowCleartext bool

	// Remote is a server's peer, for Auth.Before and Auth.After.
	Remote string
	// PeerCertificates is the chain that a server's peer showed and TLS
	// verified, the peer's own first. A chain that was not verified does not
	// belong here.
	PeerCertificates []*x509.Certificate
}

// Identity is who a server's peer has proved to be.
type Identity struct {
	// User is the authentication identity: as the peer gave it in PLAIN,
	// LOGIN and CRAM-MD5, prepared by SASLprep in SCRAM, and what the Auth's
	// functions returned otherwise.
	User string
	// Authzid is the identity to act as (RFC 4422 section 3.4.1); empty when
	// it is User.
	Authzid string
	// Mechanism is the mechanism's name, or "USER", "LOGIN" or "APOP" for a
	// protocol's own command.
	Mechanism string
}

// Name is the identity to act as: Authzid, else User.
func (id Identity) Name() string {
	if id.Authzid != "" {
		return id.Authzid
	}
	return id.User
}

// Mechanism is what a client logs in by: a mechanism together with
// credentials, or a [Credentials], from which [Begin] chooses one. It can
// begin any number of exchanges, at once too.
type Mechanism interface {
	// Name is the mechanism's registered name, such as "PLAIN".
	Name() string
	// Cleartext reports whether whoever reads the line learns the secret.
	Cleartext() bool
	// Start begins an exchange. initial is the initial response; nil when
	// the mechanism has none, and empty when it is the empty string. An
	// error means that the credentials do not suit the mechanism.
	Start(line Line) (x Exchange, initial []byte, err error)
}

// Exchange is a client's side of one authentication.
type Exchange interface {
	// Next answers a challenge. An error ends the exchange: the client
	// cancels it.
	Next(challenge []byte) (response []byte, err error)
	// Done is told that the server reported success. Its error means that
	// the exchange was not complete or the server did not prove itself: the
	// connection must not be used.
	Done() error
}

// Server is a server's side of one authentication.
type Server interface {
	// Next takes the client's next response, first of all its initial
	// response: nil when it sent none, empty when it sent an empty one. If
	// done, the exchange has succeeded and Identity says who it is;
	// challenge is then additional data for the success, mostly nil. An
	// error ends the exchange: ErrFailed, ErrNotAuthorized, ErrProtocol
	// (all by errors.Is) or a fault of the server's own.
	Next(response []byte) (challenge []byte, done bool, err error)
	// Identity is the peer's, once Next was done.
	Identity() Identity
}
