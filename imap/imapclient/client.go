// Package imapclient is a client of IMAP4rev1 and IMAP4rev2 (RFC 3501, RFC
// 9051) and their extensions.
//
// The goroutine that calls is the one that reads: there is no other, and
// nothing to drain. Every call that waits takes a context; when it ends in the
// middle of a command the connection ends too, since the rest of the answer
// would be taken for another's. A [Client] is used by one goroutine at a time,
// and one call runs at a time; a call during another, from inside a Fetch say,
// is [ErrBusy]. Several connections are a [Pool], several commands at once a
// [Batch].
//
// What needs an extension that the server does not offer is an
// [*ExtensionError], and nothing was sent. A refusal is an *imap.Error. A
// response that does not parse is an *imapwire.ParseError, and costs that
// response alone.
//
// What the server tells without being asked goes to Options.OnEvent; [Client.Idle]
// waits for it. [Client.Sync] tells what happened in a mailbox since the last
// time, [Watch] goes on telling it and connects anew where it must.
package imapclient

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
	"github.com/mailwire/mailwire/internal/netconn"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/sasl"
)

// TLSMode says whether the connection is encrypted.
type TLSMode uint8

const (
	// Auto is Implicit on port 993 and Required on any other.
	Auto TLSMode = iota
	// Implicit begins with a TLS handshake (RFC 8314 section 3).
	Implicit
	// Required begins TLS with STARTTLS, or fails.
	Required
	// Opportunistic begins TLS with STARTTLS where the server offers it.
	// It protects from nobody who can change what the server says.
	Opportunistic
	// Disabled stays in the clear.
	Disabled
)

// Options are how a Client connects. The zero value encrypts and does not log
// in.
type Options struct {
	TLS TLSMode
	// TLSConfig is for the handshake; its ServerName is the host of the
	// address where it has none.
	TLSConfig *tls.Config
	// Auth, if set, logs in, unless the server greets with PREAUTH: by a
	// mechanism, or a *sasl.Credentials for the best that the server offers.
	Auth sasl.Mechanism
	// AllowCleartext lets Auth and Login send a password on a clear line.
	AllowCleartext bool
	// ID, if set, is sent behind the login to a server that offers ID (RFC
	// 2971). Some give access to those alone who say who they are.
	ID []imap.IDParam
	// UTF8 enables UTF8=ACCEPT (RFC 6855) behind the login where it is
	// offered. Where the server offers nothing else (UTF8=ONLY) it is enabled
	// anyway.
	UTF8 bool
	// Compress begins compression behind the login where it is offered.
	Compress bool
	// DialContext opens connections; that of a zero net.Dialer when nil.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// IdleTimeout is the longest wait for the next octets of an answer; 5
	// minutes when zero, no limit when negative.
	IdleTimeout time.Duration
	// Limits bound what a response may cost.
	Limits imapwire.ResponseLimits
	// MaxDrain is how many octets of an answer are read and thrown away when
	// its caller wants no more of it, before the connection is closed
	// instead; 1 MiB when zero.
	MaxDrain int64
	// OnEvent, if set, gets what the server tells beside the answers. It is
	// called by the goroutine that reads; a call on the Client from within is
	// ErrBusy. The Event is borrowed until it returns.
	OnEvent func(*Event)
	// Trace, if set, gets every line of the conversation, without
	// credentials and message bodies.
	Trace io.Writer
}

// Client is a connection to a server. It is for one goroutine at a time, but
// for Close.
type Client struct {
	opts Options
	busy atomic.Bool

	mu   sync.Mutex // guards the change of conn, and shut
	shut bool
	conn *netconn.Conn

	r   *imapwire.ResponseReader
	enc imapwire.CommandEncoder
	err error // why the connection ended

	prefix  string
	n       int
	last    string // tag of the command before
	running string // and of the last that was made ready
	buf     []byte

	caps      imap.Capabilities // nil where not known
	enabled   imap.Capabilities
	greeting  *imapwire.StatusResponse
	referral  string
	tls       *tls.ConnectionState
	deflated  bool
	authed    bool
	noQResync bool // it is offered, and not known

	bye      *imapwire.StatusResponse
	afterBye int

	selected  *imap.MailboxStatus
	selecting bool
	changes   int // in the selected mailbox, told by the server
}

// Dial connects to addr, host:port, begins TLS and logs in as o says. o may be
// nil.
func Dial(ctx context.Context, addr string, o *Options) (*Client, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("imapclient: %w", err)
	}
	if opts.TLS == Auto {
		opts.TLS = Required
		if port == "993" || port == "imaps" {
			opts.TLS = Implicit
		}
	}
	opts.TLSConfig = netconn.TLSConfig(opts.TLSConfig)
	if opts.TLSConfig.ServerName == "" {
		opts.TLSConfig.ServerName = host
	}
	dial := opts.DialContext
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	conn, err := dial(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("imapclient: %w", err)
	}
	return New(ctx, conn, &opts)
}

// New makes a Client of a connection, which it owns from then on, also when it
// fails. Auto is Required here, and Options.TLSConfig needs its ServerName; a
// *tls.Conn is a connection with implicit TLS.
func New(ctx context.Context, conn net.Conn, o *Options) (*Client, error) {
	c := &Client{prefix: rand.Text()[:6]}
	if o != nil {
		c.opts = *o
	}
	if c.opts.MaxDrain == 0 {
		c.opts.MaxDrain = 1 << 20
	}
	if _, ok := conn.(*tls.Conn); ok {
		c.opts.TLS = Implicit
	} else if c.opts.TLS == Implicit {
		conn = tls.Client(conn, netconn.TLSConfig(c.opts.TLSConfig))
	}
	c.attach(conn)
	if err := c.open(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// attach makes conn the connection.
func (c *Client) attach(conn net.Conn) {
	no := netconn.Options{IdleTimeout: c.opts.IdleTimeout, Reader: wire.Options{Lines: wire.LineLF}}
	if c.opts.Trace != nil {
		no.Trace = netconn.TraceWriter(c.opts.Trace, "")
	}
	nc := netconn.New(conn, no)
	c.mu.Lock()
	c.conn = nc
	shut := c.shut
	c.mu.Unlock()
	if shut {
		nc.Close()
	}
	c.r = imapwire.NewResponseReader(nc.Reader(), c.opts.Limits)
	c.r.UTF8 = c.enc.UTF8
}

func (c *Client) open(ctx context.Context) error {
	leave, err := c.enter(ctx)
	if err != nil {
		return err
	}
	if err = c.conn.Handshake(ctx); err != nil {
		err = fmt.Errorf("%w: %w", ErrTLSRequired, err)
	} else {
		err = c.greet()
	}
	leave()
	if err == nil {
		err = c.upgrade(ctx)
	}
	if err != nil {
		return err
	}
	if c.greeting.Cond == imap.PREAUTH {
		c.authed = true
		return c.welcome(ctx)
	}
	if c.opts.Auth != nil {
		return c.Authenticate(ctx, c.opts.Auth)
	}
	return nil
}

// greet reads the greeting.
func (c *Client) greet() error {
	r, err := c.read()
	if err != nil {
		return err
	}
	g, ok := r.(*imapwire.StatusResponse)
	if !ok || g.Tag != "" || g.Cond == imap.NO || g.Cond == imap.BAD {
		return c.ended(fmt.Errorf("%w: this is no greeting of an IMAP server", ErrProtocol))
	}
	c.greeting = g
	return c.ended(c.verdict(g))
}

// upgrade begins TLS by STARTTLS where the mode asks for it.
func (c *Client) upgrade(ctx context.Context) error {
	switch c.opts.TLS {
	case Implicit, Disabled:
		return nil
	case Opportunistic:
		caps, err := c.Capabilities(ctx)
		if err != nil {
			return err
		}
		if c.greeting.Cond == imap.PREAUTH || !caps.Has(imap.CapStartTLS) {
			return nil
		}
	default:
		if c.greeting.Cond == imap.PREAUTH {
			return fmt.Errorf("%w: the server greets with PREAUTH", ErrTLSRequired)
		}
	}
	if err := c.Do(ctx, &imapwire.StartTLS{}, nil); err != nil {
		var said *imap.Error
		if errors.As(err, &said) && said.Kind != imap.BYE && c.opts.TLS == Opportunistic {
			return nil
		}
		return fmt.Errorf("%w: %w", ErrTLSRequired, err)
	}
	// What was said before may have come from anybody (RFC 3501 section 6.2.1).
	c.learn(nil)
	c.last = ""
	if err := c.conn.StartTLS(ctx, c.opts.TLSConfig); err != nil {
		return c.ended(fmt.Errorf("%w: %w", ErrTLSRequired, err))
	}
	return nil
}

// Greeting is the text of the server's greeting.
func (c *Client) Greeting() string { return c.greeting.Text }

// Preauthenticated reports whether the server took the user as known from the
// beginning: it greeted with PREAUTH.
func (c *Client) Preauthenticated() bool { return c.greeting.Cond == imap.PREAUTH }

// Authenticated reports whether a user is logged in.
func (c *Client) Authenticated() bool { return c.authed }

// Encrypted reports whether the connection is encrypted.
func (c *Client) Encrypted() bool { return c.tls != nil || c.conn.IsTLS() }

// TLS is the state of TLS; ok is false on a clear line.
func (c *Client) TLS() (state tls.ConnectionState, ok bool) {
	if c.tls != nil {
		return *c.tls, true
	}
	return c.conn.TLSState()
}

// RemoteAddr is the server's address.
func (c *Client) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }

// Close closes the connection at once. It may be called from any goroutine
// to end a call that waits.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shut = true
	return c.conn.Close()
}

// Closed reports whether the connection has ended, by Close, Logout, or an
// error after which it could not go on. That the server is gone shows in the
// next call alone.
func (c *Client) Closed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shut || c.err != nil
}
