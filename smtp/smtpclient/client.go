// Package smtpclient is a client of SMTP, submission and LMTP (RFC 5321, RFC
// 6409, RFC 2033).
//
// [Send] sends one message over a connection of its own. [Dial] opens a
// connection that sends any number, with [Client.Send], as they come with
// [Client.Begin], or command by command. A [Pool] keeps connections, a
// [Deliverer] finds the servers of the recipients' domains.
//
// Every call takes a context. When it ends during a call, the call ends with
// its cause, and the connection is closed: what the server makes of a command
// half done can not be known. A Client is used by one goroutine at a time.
package smtpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mailwire/mailwire/internal/netconn"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpwire"
)

// TLSMode says how a connection is encrypted.
type TLSMode uint8

const (
	// Auto is Implicit where the port is 465, Disabled on Unix sockets, and
	// Required elsewhere.
	Auto TLSMode = iota
	// Implicit begins with TLS (RFC 8314).
	Implicit
	// Required begins TLS by STARTTLS, and fails where that is impossible.
	Required
	// Opportunistic begins TLS by STARTTLS where it is offered, and goes on
	// in cleartext where it is not or is refused: an attacker on the way can
	// see to that. A handshake that fails ends the connection nevertheless.
	Opportunistic
	// Disabled stays in cleartext.
	Disabled
)

func (m TLSMode) String() string {
	switch m {
	case Auto:
		return "Auto"
	case Implicit:
		return "Implicit"
	case Required:
		return "Required"
	case Opportunistic:
		return "Opportunistic"
	case Disabled:
		return "Disabled"
	}
	return fmt.Sprintf("TLSMode(%d)", uint8(m))
}

// Options are those of a connection. nil stands for the zero value, which is
// safe.
type Options struct {
	// TLS says how the connection is encrypted.
	TLS TLSMode
	// TLSConfig is used for TLS; its ServerName is the host dialled where it
	// is empty.
	TLSConfig *tls.Config
	// Auth, if set, authenticates once the connection is set up: a mechanism,
	// or a *sasl.Credentials for the best that the server offers.
	Auth sasl.Mechanism
	// AllowCleartext lets Auth show its secret on a line that is not
	// encrypted.
	AllowCleartext bool
	// LMTP speaks LMTP (RFC 2033).
	LMTP bool
	// HelloName is the client's name in EHLO; by default the host's name if
	// it has a domain, else the connection's address as a literal.
	HelloName string
	// BareLineEnds says what becomes of a CR or LF alone in a message.
	BareLineEnds BareLineEnds
	// Chunking says when messages are sent by BDAT.
	Chunking Chunking
	// Downgrade encodes the bodies of messages that a server without
	// 8BITMIME or BINARYMIME can not take (RFC 6152 section 3), which breaks
	// signatures of DKIM. The message must be an io.ReaderAt with a Len
	// method or an io.Seeker. Without it, and for content that is signed
	// itself, such a message is an *ExtensionError.
	Downgrade bool
	// Optional are the extensions whose parameters are left out where the
	// server does not offer them, such as "DSN" or "MT-PRIORITY"; without it
	// they are an *ExtensionError. SMTPUTF8, 8BITMIME, BINARYMIME and
	// REQUIRETLS can not be left out.
	Optional []string

	// CommandTimeout is the longest wait for a reply, the greeting's
	// included; 5 minutes when zero (RFC 5321 section 4.5.3.2), negative for
	// no limit.
	CommandTimeout time.Duration
	// DataTimeout is how long the server may take to accept one chunk of at
	// most 16 KiB; 3 minutes when zero, negative for no limit.
	DataTimeout time.Duration
	// FinalTimeout is the longest wait for the reply to a message; 10
	// minutes when zero, negative for no limit. To give up sooner is to
	// deliver twice.
	FinalTimeout time.Duration

	// Proxy, if set, is for whom this connection is made: it begins with a
	// header of the PROXY protocol, version 2, before TLS. Only a server
	// that expects one understands it. Addresses that are not valid say that
	// the connection is the client's own.
	Proxy *ProxyHeader

	// DialContext opens connections; that of a zero net.Dialer when nil.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// Trace, if set, gets every line of the conversation, without
	// credentials and messages.
	Trace io.Writer
}

// ProxyHeader says for whom a connection is made.
type ProxyHeader struct {
	// Source is the client's address and Destination the one it connected
	// to.
	Source, Destination netip.AddrPort
}

// BareLineEnds is what becomes of a CR or LF that stands alone in a message to
// send. Whichever it is, the message can not end before its end.
type BareLineEnds uint8

const (
	// BareNormalise sends each as CRLF.
	BareNormalise BareLineEnds = iota
	// BareReject fails. The message is then not sent and the connection
	// closed.
	BareReject
	// BarePass sends each as it is.
	BarePass
)

func (b BareLineEnds) policy() wire.BarePolicy {
	switch b {
	case BareReject:
		return wire.BareReject
	case BarePass:
		return wire.BarePass
	}
	return wire.BareNormalise
}

var (
	// ErrTLSRequired: TLS is required and the server does not offer it, or
	// refuses it.
	ErrTLSRequired = errors.New("smtpclient: TLS is required and the server does not do STARTTLS")
	// ErrCleartextAuth: the mechanism would show the secret to whoever
	// reads the line.
	ErrCleartextAuth = errors.New("smtpclient: credentials are not sent over a line that is not encrypted")
	// ErrBusy: another call is going on.
	ErrBusy = errors.New("smtpclient: another call is in progress on the connection")
	// ErrClosed: the connection was closed, by Close, Quit or an error
	// before.
	ErrClosed = errors.New("smtpclient: the connection is closed")
)

// Client is a connection to a server.
type Client struct {
	net  *netconn.Conn
	opts Options
	busy atomic.Bool
	err  error // why nothing can be done any more

	greeting smtp.Reply
	ext      smtp.Extensions
	esmtp    bool
	auth     bool
	parser   smtpwire.ReplyParser
	accepted int // recipients of the open transaction
	mailBody smtp.Body
}

// Dial connects to addr, "host:port" or the path of a Unix socket (with a
// slash), and sets the connection up: greeting, EHLO, TLS, authentication.
func Dial(ctx context.Context, addr string, o *Options) (*Client, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	network, host := "tcp", ""
	if strings.Contains(addr, "/") {
		network = "unix"
	} else {
		h, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, fmt.Errorf("smtpclient: %w", err)
		}
		host = h
		if opts.TLS == Auto && (port == "465" || port == "submissions") {
			opts.TLS = Implicit
		}
	}
	dial := opts.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	conn, err := dial(ctx, network, addr)
	if err != nil {
		return nil, fmt.Errorf("smtpclient: %w", err)
	}
	if host != "" && (opts.TLSConfig == nil || opts.TLSConfig.ServerName == "") {
		cfg := opts.TLSConfig.Clone()
		if cfg == nil {
			cfg = &tls.Config{}
		}
		cfg.ServerName = host
		opts.TLSConfig = cfg
	}
	return NewClient(ctx, conn, &opts)
}

// NewClient sets up a connection that is open already. It owns conn, also
// when it fails. Where the TLS mode has a handshake, Options.TLSConfig needs a
// ServerName; a *tls.Conn is a connection with implicit TLS.
func NewClient(ctx context.Context, conn net.Conn, o *Options) (*Client, error) {
	c := &Client{}
	if o != nil {
		c.opts = *o
	}
	def(&c.opts.CommandTimeout, 5*time.Minute)
	def(&c.opts.DataTimeout, 3*time.Minute)
	def(&c.opts.FinalTimeout, 10*time.Minute)
	_, isTLS := conn.(*tls.Conn)
	if c.opts.TLS == Auto {
		c.opts.TLS = Required
		if conn.RemoteAddr().Network() == "unix" {
			c.opts.TLS = Disabled
		}
	}
	if isTLS {
		c.opts.TLS = Implicit
	}
	n := netconn.Options{
		Reader:       wire.Options{MaxLine: maxReplyLine, Lines: wire.LineLF},
		IdleTimeout:  c.opts.CommandTimeout,
		WriteTimeout: c.opts.DataTimeout,
	}
	if c.opts.Trace != nil {
		n.Trace = netconn.TraceWriter(c.opts.Trace, "")
	}
	c.net = netconn.New(conn, n)
	if err := c.setUp(ctx); err != nil {
		c.fail(err)
		return nil, err
	}
	return c, nil
}

// maxReplyLine: RFC 5321 has 512, servers have longer ones.
const maxReplyLine = 8192

func def(d *time.Duration, to time.Duration) {
	if *d == 0 {
		*d = to
	}
}

func (c *Client) setUp(ctx context.Context) error {
	done, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	if p := c.opts.Proxy; p != nil {
		if c.net.IsTLS() {
			return errors.New("smtpclient: a PROXY header comes before TLS")
		}
		if _, err := c.net.Write(netconn.AppendProxyHeader(nil, netconn.ProxyHeader{Source: p.Source, Destination: p.Destination})); err != nil {
			return c.broken("connect", err)
		}
	}
	switch {
	case c.opts.TLS != Implicit:
	case c.net.IsTLS():
		err = c.net.Handshake(ctx)
	default:
		err = c.net.StartTLS(ctx, c.opts.TLSConfig)
	}
	if err == nil {
		err = c.net.Flush()
	}
	if err != nil {
		return fmt.Errorf("smtpclient: %w", err)
	}
	if c.greeting, err = c.readReply("connect"); err != nil {
		return err
	}
	if c.greeting.Code != 220 {
		if err := c.greeting.Err("connect"); err != nil {
			return err
		}
		return c.protocol("connect", "unexpected greeting "+smtp.CleanText(c.greeting.String()))
	}
	if err := c.hello(); err != nil {
		return err
	}
	if err := c.startTLS(ctx); err != nil {
		return err
	}
	if c.opts.Auth != nil {
		return c.authenticate(ctx, c.opts.Auth)
	}
	return nil
}

// startTLS runs STARTTLS as the mode has it.
func (c *Client) startTLS(ctx context.Context) error {
	if c.opts.TLS != Required && c.opts.TLS != Opportunistic {
		return nil
	}
	must := c.opts.TLS == Required
	if !c.ext.Has("STARTTLS") {
		if must {
			return ErrTLSRequired
		}
		return nil
	}
	r, err := c.command(&smtpwire.Command{Verb: smtpwire.STARTTLS})
	if err != nil {
		return err
	}
	if r.Code != 220 {
		switch {
		case must:
			return fmt.Errorf("%w: %w", ErrTLSRequired, refusal(&r, "STARTTLS"))
		case r.Code == 421:
			return refusal(&r, "STARTTLS")
		}
		return nil
	}
	if err := c.net.StartTLS(ctx, c.opts.TLSConfig); err != nil {
		return &handshakeError{err}
	}
	// RFC 3207 section 4.2: what was said in cleartext does not count.
	c.ext, c.esmtp = nil, false
	return c.hello()
}

// hello says EHLO, and HELO to servers that do not know it.
func (c *Client) hello() error {
	cmd := smtpwire.Command{Verb: smtpwire.EHLO, Arg: c.helloName()}
	if c.opts.LMTP {
		cmd.Verb = smtpwire.LHLO
	}
	r, err := c.command(&cmd)
	if err != nil {
		return err
	}
	if r.Permanent() && !c.opts.LMTP {
		c.ext, c.esmtp = nil, false
		cmd.Verb = smtpwire.HELO
		if r, err = c.command(&cmd); err != nil {
			return err
		}
	}
	if r.Code != 250 {
		return refusal(&r, string(cmd.Verb))
	}
	if c.esmtp = cmd.Verb != smtpwire.HELO; c.esmtp {
		c.ext = smtp.ParseExtensions(r.Lines)
	}
	return nil
}

func (c *Client) helloName() string {
	if c.opts.HelloName != "" {
		return c.opts.HelloName
	}
	if name, err := os.Hostname(); err == nil && strings.Contains(name, ".") {
		if _, err := smtp.ParseDomain(name); err == nil {
			return name
		}
	}
	if a, err := netip.ParseAddrPort(c.net.LocalAddr().String()); err == nil {
		return smtp.AddressLiteral(a.Addr())
	}
	return "localhost"
}

// Greeting is the server's first reply.
func (c *Client) Greeting() smtp.Reply { return c.greeting }

// Extensions are what the server offers now: after TLS, what it offered
// within TLS. They are empty for a server that knows HELO only.
func (c *Client) Extensions() smtp.Extensions { return c.ext }

// TLS is the state of TLS; ok is false in cleartext.
func (c *Client) TLS() (state tls.ConnectionState, ok bool) { return c.net.TLSState() }

// Authenticated reports whether Auth succeeded.
func (c *Client) Authenticated() bool { return c.auth }

// RemoteAddr is the server's address.
func (c *Client) RemoteAddr() net.Addr { return c.net.RemoteAddr() }

// Close closes the connection at once. It may be called from any goroutine,
// and ends a call that is going on.
func (c *Client) Close() error { return c.net.Close() }
