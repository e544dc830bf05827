// Conn: what a backend sees of a connection.

package pop3server

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/netip"

	"github.com/mailwire/mailwire/internal/serve"
	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/sasl"
)

// Conn is a connection, as its backend sees it. Its methods may be called
// from within the calls of the backend and of sasl.Auth only.
type Conn struct {
	srv *Server
	net *serve.Session

	state    pop3.State
	stamp    string // APOP's timestamp
	pre      *sasl.Identity
	client   netip.AddrPort // as XCLIENT says
	xattrs   []pop3.Attribute
	utf8     bool
	lang     string
	policy   *Policy // the user's
	user     string  // what USER said
	identity *sasl.Identity
	drop     *drop

	errors, noops, authFailures int
}

type connKey struct{}

// ConnFrom is the connection that a call is made for; ctx is the call's.
func ConnFrom(ctx context.Context) (*Conn, bool) {
	c, ok := ctx.Value(connKey{}).(*Conn)
	return c, ok
}

// ID is a number that no other connection of the server has.
func (c *Conn) ID() uint64 { return c.net.ID }

// Logger has the connection's id and remote address as attributes.
func (c *Conn) Logger() *slog.Logger { return c.net.Log }

// RemoteAddr is the client's address, as a trusted proxy says it (PROXY,
// XCLIENT), else that of the connection.
func (c *Conn) RemoteAddr() net.Addr {
	if c.client.IsValid() {
		return net.TCPAddrFromAddrPort(c.client)
	}
	return c.net.RemoteAddr()
}

// XClient are the attributes that a trusted proxy gave, the last of each name.
func (c *Conn) XClient() []pop3.Attribute { return c.xattrs }

// UTF8 reports whether the client entered UTF-8 mode (RFC 6856).
func (c *Conn) UTF8() bool { return c.utf8 }

// LocalAddr is the address the client connected to.
func (c *Conn) LocalAddr() net.Addr { return c.net.LocalAddr() }

// TLS is the state of TLS; ok is false in cleartext.
func (c *Conn) TLS() (state tls.ConnectionState, ok bool) { return c.net.TLSState() }

// State is the state of the session.
func (c *Conn) State() pop3.State { return c.state }

// Identity is who authenticated; ok is false where nobody did.
func (c *Conn) Identity() (id sasl.Identity, ok bool) {
	if c.identity == nil {
		return sasl.Identity{}, false
	}
	return *c.identity, true
}

// Hijack hands the connection over to Backend.Open, for a proxy, with what was
// received and not consumed in the reader. The caller closes it, and says what
// there is to say: the login has no answer yet. What Open returns then counts
// for nothing, but a Maildrop is closed.
func (c *Conn) Hijack() (net.Conn, io.Reader, error) { return c.net.Hijack() }

// Server is the server.
func (c *Conn) Server() *Server { return c.srv }
