// Package pop3client is a client of POP3 (RFC 1939).
//
// [Dial] opens a connection, sets it up and logs in. Every call takes a
// context. When it ends during a call, the call ends with its cause, and the
// connection is closed: where the server's answer ends can not be known then.
// A Client is used by one goroutine at a time. While a message or a listing is
// read, other calls return ErrBusy.
package pop3client

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mailwire/mailwire/internal/netconn"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/pop3/pop3wire"
	"github.com/mailwire/mailwire/sasl"
)

// TLSMode says how a connection is encrypted.
type TLSMode uint8

const (
	// Auto is Implicit where the port is 995, Disabled on Unix sockets, and
	// Required elsewhere.
	Auto TLSMode = iota
	// Implicit begins with TLS (RFC 8314).
	Implicit
	// Required begins TLS by STLS, and fails where that is impossible.
	Required
	// Opportunistic begins TLS by STLS where it is offered, and goes on in
	// cleartext where it is not or is refused: an attacker on the way can
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
	// Auth, if set, logs in once the connection is set up, by SASL.
	Auth sasl.Mechanism
	// User and Password, where User is set and Auth is not, log in by the
	// strongest mechanism that the server has for them, else by USER and
	// PASS.
	User, Password string
	// AllowCleartext lets a login show its secret on a line that is not
	// encrypted.
	AllowCleartext bool
	// NoCapa does without CAPA, for servers that choke on it. Dial finds out
	// by itself where a server closes the connection on CAPA.
	NoCapa bool
	// UTF8 enters UTF-8 mode (RFC 6856) before the login, where the server
	// offers it: see Client.UTF8.
	UTF8 bool
	// XClient, for proxies, says for whom the connection is made, once TLS
	// is set up, to servers that offer to hear it; see Client.XClient.
	XClient []pop3.Attribute

	// Window is the greatest number of commands that are sent ahead of their
	// responses, where the server does PIPELINING; 32 when zero, 1 for none
	// ahead.
	Window int
	// CommandTimeout is the longest wait for the server's next octets; 5
	// minutes when zero, negative for no limit.
	CommandTimeout time.Duration
	// WriteTimeout is how long the server may take to accept a command; 1
	// minute when zero, negative for no limit.
	WriteTimeout time.Duration
	// MaxDrain is how many octets of a message or a listing that is left
	// before its end are read and thrown away to get there, before the
	// connection is closed instead; 1 MiB when zero, negative for none.
	MaxDrain int64
	// MaxCapabilities is the greatest number of lines taken from CAPA; 1000
	// when zero.
	MaxCapabilities int

	// DialContext opens connections; that of a zero net.Dialer when nil.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// Trace, if set, gets every line of the conversation, without
	// credentials and messages.
	Trace io.Writer
}

var (
	// ErrTLSRequired: TLS is required and the server does not offer it, or
	// refuses it.
	ErrTLSRequired = errors.New("pop3client: TLS is required and the server does not do STLS")
	// ErrCleartextAuth: the login would show the secret to whoever reads
	// the line.
	ErrCleartextAuth = errors.New("pop3client: credentials are not sent over a line that is not encrypted")
	// ErrBusy: another call is going on, or a message or listing is not read
	// to its end.
	ErrBusy = errors.New("pop3client: another call is in progress on the connection")
	// ErrClosed: the connection was closed, by Close, Quit or an error
	// before.
	ErrClosed = errors.New("pop3client: the connection is closed")
)

// Client is a connection to a server.
type Client struct {
	net  *netconn.Conn
	opts Options
	busy atomic.Bool
	err  error // why nothing can be done any more

	greeting pop3wire.Reply
	lf       bool // the server ends lines with LF alone
	learn    bool // the next reply shows whether it does
	caps     pop3.Capabilities
	capa     bool     // the server knows CAPA
	capaSent bool     // CAPA was sent and not answered yet
	listed   []string // mechanisms that AUTH told
	loggedIn bool
	utf8     bool // UTF-8 mode
	marked   bool // something may be marked as deleted
}

// Dial connects to addr, "host:port" or the path of a Unix socket (with a
// slash), and sets the connection up: greeting, TLS, CAPA, login.
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
			return nil, fmt.Errorf("pop3client: %w", err)
		}
		host = h
		if opts.TLS == Auto && (port == "995" || port == "pop3s") {
			opts.TLS = Implicit
		}
	}
	if host != "" && (opts.TLSConfig == nil || opts.TLSConfig.ServerName == "") {
		cfg := opts.TLSConfig.Clone()
		if cfg == nil {
			cfg = &tls.Config{}
		}
		cfg.ServerName = host
		opts.TLSConfig = cfg
	}
	dial := opts.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	for {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, fmt.Errorf("pop3client: %w", err)
		}
		c := newClient(conn, &opts)
		if err = c.start(ctx); err == nil {
			return c, nil
		}
		if !c.capaSent || opts.NoCapa || !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, err
		}
		// Some servers close the connection on CAPA.
		opts.NoCapa = true
	}
}

// NewClient sets up a connection that is open already. It owns conn, also
// when it fails. Where the TLS mode has a handshake, Options.TLSConfig needs a
// ServerName; a *tls.Conn is a connection with implicit TLS.
func NewClient(ctx context.Context, conn net.Conn, o *Options) (*Client, error) {
	c := newClient(conn, o)
	if err := c.start(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// maxReplyLine: RFC 2449 has 512, servers have longer ones.
const maxReplyLine = 8192

func newClient(conn net.Conn, o *Options) *Client {
	c := &Client{}
	if o != nil {
		c.opts = *o
	}
	if c.opts.MaxDrain == 0 {
		c.opts.MaxDrain = 1 << 20
	}
	if c.opts.Window <= 0 {
		c.opts.Window = 32
	}
	if c.opts.MaxCapabilities <= 0 {
		c.opts.MaxCapabilities = 1000
	}
	if c.opts.TLS == Auto {
		c.opts.TLS = Required
		if a := conn.RemoteAddr(); a != nil && a.Network() == "unix" {
			c.opts.TLS = Disabled
		}
	}
	if _, ok := conn.(*tls.Conn); ok {
		c.opts.TLS = Implicit
	}
	n := netconn.Options{
		// Status lines may end in LF; what ends a message is another matter.
		Reader:       wire.Options{MaxLine: maxReplyLine, Lines: wire.LineLF},
		IdleTimeout:  c.opts.CommandTimeout,
		WriteTimeout: c.opts.WriteTimeout,
	}
	if c.opts.Trace != nil {
		n.Trace = netconn.TraceWriter(c.opts.Trace, "")
	}
	c.net = netconn.New(conn, n)
	return c
}

func (c *Client) start(ctx context.Context) error {
	err := c.setUp(ctx)
	if err != nil {
		c.fail(err)
	}
	return err
}

func (c *Client) setUp(ctx context.Context) error {
	done, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	switch {
	case c.opts.TLS != Implicit:
	case c.net.IsTLS():
		err = c.net.Handshake(ctx)
	default:
		err = c.net.StartTLS(ctx, c.opts.TLSConfig)
	}
	if err != nil {
		return fmt.Errorf("pop3client: %w", err)
	}
	if err := c.readGreeting(); err != nil {
		return err
	}
	if err := c.askCapabilities(); err != nil {
		return err
	}
	if err := c.startTLS(ctx); err != nil {
		return err
	}
	if len(c.opts.XClient) > 0 && c.takesXClient() {
		if err := c.xclient(c.opts.XClient); err != nil {
			return err
		}
	}
	if c.opts.UTF8 && c.caps.Has(pop3.CapUTF8) {
		if err := c.startUTF8(); err != nil {
			return err
		}
	}
	switch {
	case c.opts.Auth != nil:
		return c.authenticate(ctx, c.opts.Auth)
	case c.opts.User != "":
		return c.userLogin(ctx, c.opts.User, c.opts.Password)
	}
	return nil
}

// learnLineEnds waits for a line and sees what ends it. Within TLS it is
// learnt again: whoever made the server's lines end in LF before could end a
// message where its sender likes.
func (c *Client) learnLineEnds() {
	r := c.net.Reader()
	for n := 1; n <= maxReplyLine; n = max(n+1, r.Buffered()) {
		b, err := r.Peek(n)
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			c.lf = i == 0 || b[i-1] != '\r'
			return
		}
		if err != nil {
			return // Line says it
		}
	}
}

// readGreeting reads the greeting.
func (c *Client) readGreeting() error {
	c.learn = true
	var err error
	if c.greeting, err = c.readReply("connect"); err != nil {
		return err
	}
	if c.greeting.Status == pop3wire.Continue {
		return c.protocol("connect", "unexpected greeting "+pop3.CleanText(c.greeting.String()))
	}
	return c.greeting.Err("connect")
}

// askCapabilities runs CAPA, which servers may not know.
func (c *Client) askCapabilities() error {
	c.caps, c.capa = nil, false
	if c.opts.NoCapa {
		return nil
	}
	const what = "CAPA"
	c.capaSent = true
	r, err := c.command(&pop3wire.Command{Verb: pop3wire.CAPA})
	if err != nil {
		return err
	}
	c.capaSent = false
	if r.Status != pop3wire.OK {
		return nil
	}
	c.capa = true
	lines := pop3wire.NewLines(c.net.Reader(), c.lf)
	for n := 0; ; n++ {
		line, err := lines.Next()
		if err == io.EOF {
			return nil
		}
		switch {
		case n == c.opts.MaxCapabilities:
			return c.protocol(what, fmt.Sprintf("more than %d capabilities", n))
		case err != nil && lines.Err() != nil:
			return c.broken(what, err)
		case err != nil:
			continue
		}
		// A line that is none costs nothing but itself.
		if x, err := pop3wire.ParseCapability(line); err == nil {
			c.caps = append(c.caps, x)
		}
	}
}

// startTLS runs STLS as the mode has it.
func (c *Client) startTLS(ctx context.Context) error {
	if c.opts.TLS != Required && c.opts.TLS != Opportunistic {
		return nil
	}
	must := c.opts.TLS == Required
	if !c.caps.Has(pop3.CapSTLS) && (c.capa || !must) {
		if must {
			return ErrTLSRequired
		}
		return nil
	}
	r, err := c.command(&pop3wire.Command{Verb: pop3wire.STLS})
	if err != nil {
		return err
	}
	if r.Status != pop3wire.OK {
		if must {
			return fmt.Errorf("%w: %w", ErrTLSRequired, refusal(&r, "STLS"))
		}
		return nil
	}
	if err := c.net.StartTLS(ctx, c.opts.TLSConfig); err != nil {
		return fmt.Errorf("pop3client: STLS: %w", err)
	}
	// RFC 2595 section 4: what was said in cleartext does not count.
	c.lf, c.learn = false, true
	c.caps, c.capa, c.listed = nil, false, nil
	return c.askCapabilities()
}

// Greeting is the text of the server's greeting.
func (c *Client) Greeting() string { return c.greeting.Text }

// Capabilities are what the server offers now: after TLS what it offered
// within TLS, after the login what it offered then. They are empty where the
// server does not know CAPA.
func (c *Client) Capabilities() pop3.Capabilities { return c.caps }

// TLS is the state of TLS; ok is false in cleartext.
func (c *Client) TLS() (state tls.ConnectionState, ok bool) { return c.net.TLSState() }

// LoggedIn reports whether a login succeeded.
func (c *Client) LoggedIn() bool { return c.loggedIn }

// RemoteAddr is the server's address.
func (c *Client) RemoteAddr() net.Addr { return c.net.RemoteAddr() }

// Hijack hands the connection over, for a proxy: the caller closes it, and
// reads from the reader, which has first what was received already. The Client
// is closed from then on.
func (c *Client) Hijack() (net.Conn, io.Reader, error) {
	done, err := c.begin(context.Background())
	if err != nil {
		return nil, nil, err
	}
	defer done()
	conn, r, err := c.net.Hijack()
	if err != nil {
		return nil, nil, c.fail(fmt.Errorf("pop3client: %w", err))
	}
	c.err = ErrClosed
	return conn, r, nil
}

// Close closes the connection at once, without QUIT: nothing is deleted. It
// may be called from any goroutine, and ends a call that is going on.
func (c *Client) Close() error { return c.net.Close() }
