// Conn: what a backend sees of a connection.

package smtpserver

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/mailwire/mailwire/internal/netconn"
	"github.com/mailwire/mailwire/internal/serve"
	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpwire"
)

// Conn is a connection, as its backend sees it. Its methods may be called
// from within the Session's methods and NewSession only.
type Conn struct {
	srv   *Server
	net   *serve.Session
	sess  Session
	state state

	helo     string
	esmtp    bool
	identity *sasl.Identity

	env  *smtp.Envelope
	body *body // while Data runs
	took bool  // the last DATA asked for its message

	caps     *Capabilities        // not nil
	bad      *smtpwire.ParseError // of the last command
	pending  *smtpwire.Command    // gave a message in chunks up
	chunkWas netconn.Span

	client  *xclient     // what XCLIENT said; not nil
	forward []smtp.Param // what XFORWARD said

	errors, badRecipients, noops, authFailures, overshoot, mails int
}

// ID is a number that no other connection of the server has.
func (c *Conn) ID() uint64 { return c.net.ID }

// Logger has the connection's id and remote address as attributes.
func (c *Conn) Logger() *slog.Logger { return c.net.Log }

// RemoteAddr is the client's address: what a trusted proxy says (PROXY,
// XCLIENT), else that of the connection.
func (c *Conn) RemoteAddr() net.Addr {
	if c.client.addr.IsValid() {
		return net.TCPAddrFromAddrPort(c.client.addr)
	}
	return c.net.RemoteAddr()
}

// LocalAddr is the address the client connected to.
func (c *Conn) LocalAddr() net.Addr {
	if c.client.dest.IsValid() {
		return net.TCPAddrFromAddrPort(c.client.dest)
	}
	return c.net.LocalAddr()
}

// ClientName is the client's name as a trusted proxy looked it up (XCLIENT);
// empty where none said it.
func (c *Conn) ClientName() string { return c.client.name }

// Forwarded are the attributes that a trusted client gave with XFORWARD for
// the next or current message: where it comes from, for logs alone.
func (c *Conn) Forwarded() []smtp.Param { return c.forward }

// TLS is the state of TLS; ok is false in cleartext.
func (c *Conn) TLS() (state tls.ConnectionState, ok bool) { return c.net.TLSState() }

// HeloName is what the client called itself in EHLO, HELO or LHLO; empty
// before that. It is what the client says and nothing more.
func (c *Conn) HeloName() string { return c.helo }

// Identity is who authenticated; ok is false where nobody did.
func (c *Conn) Identity() (id sasl.Identity, ok bool) {
	if c.identity == nil {
		return sasl.Identity{}, false
	}
	return *c.identity, true
}

// forgive sets the counts of faults back: a client that has a message to
// deliver is worth some.
func (c *Conn) forgive() { c.errors, c.badRecipients, c.noops, c.overshoot = 0, 0, 0, 0 }

// Server is the server.
func (c *Conn) Server() *Server { return c.srv }

// Hijack hands the connection over, with what was received and not consumed
// in the reader. The caller closes it. The server says nothing more; the
// Session's Close is called still.
func (c *Conn) Hijack() (net.Conn, io.Reader, error) { return c.net.Hijack() }

// Protocol is the name of what is spoken, for trace fields: SMTP, ESMTPSA,
// UTF8LMTP and so on (RFC 3848, RFC 6531 section 4.3).
func (c *Conn) Protocol() string {
	name := "SMTP"
	switch {
	case c.srv.LMTP:
		name = "LMTP"
	case c.env != nil && c.env.Options.UTF8:
	case !c.esmtp:
		return name
	default:
		name = "ESMTP"
	}
	if c.env != nil && c.env.Options.UTF8 {
		name = "UTF8" + name
	}
	if c.net.IsTLS() {
		name += "S"
	}
	if c.identity != nil {
		name += "A"
	}
	return name
}

// Received is the trace field for a message of env (RFC 5321 section 4.4):
// the backend puts it on top. id is its own name of the message, an atom; it
// may be empty. The time is now.
func (c *Conn) Received(env *smtp.Envelope, id string) string {
	r := smtp.Received{From: c.helo, By: c.srv.name, With: c.Protocol(), ID: id, Time: time.Now()}
	if a, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil {
		r.Addr = a.Addr()
	}
	if s, ok := c.TLS(); ok {
		r.TLS = tls.VersionName(s.Version) + ", " + tls.CipherSuiteName(s.CipherSuite)
	}
	if len(env.To) == 1 {
		r.For = env.To[0].Path
	}
	return string(smtp.AppendReceived(nil, &r))
}
