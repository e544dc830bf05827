package imapserver

// A connection as a Backend sees it.

import (
	"crypto/tls"
	"log/slog"
	"net"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/internal/serve"
)

// Conn is a client's connection. A Backend may use it while the session is
// open, in the calls that it gets.
type Conn struct {
	c        *serve.Session
	clientID []imap.IDParam
}

// RemoteAddr is the client's address.
func (c *Conn) RemoteAddr() net.Addr { return c.c.RemoteAddr() }

// LocalAddr is the server's address.
func (c *Conn) LocalAddr() net.Addr { return c.c.LocalAddr() }

// TLS is the state of TLS; ok is false on a line that is not encrypted.
func (c *Conn) TLS() (state tls.ConnectionState, ok bool) { return c.c.TLSState() }

// ClientID is what the client said last with ID (RFC 2971), nil if nothing.
// It is not to be trusted, nor to be changed.
func (c *Conn) ClientID() []imap.IDParam { return c.clientID }

// Logger has the attributes of the session: its number and the remote address.
func (c *Conn) Logger() *slog.Logger { return c.c.Log }
