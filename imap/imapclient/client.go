// Package imapclient is a client of IMAP4rev1 (RFC 3501).
//
// The goroutine that calls is the one that reads: there is no other, and
// nothing to drain. Every call that waits takes a context; when it ends in the
// middle of a command the connection ends too, since the rest of the answer
// would be taken for another's. One call runs at a time; a call during
// another, from inside a Fetch say, is [ErrBusy].
package imapclient

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
	"github.com/mailwire/mailwire/internal/netconn"
	"github.com/mailwire/mailwire/internal/saslline"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/sasl"
)

var (
	// ErrBusy is a call while another is going on.
	ErrBusy = errors.New("imapclient: another command is going on")
	// ErrClosed is a call on a connection that ended.
	ErrClosed = errors.New("imapclient: the connection is closed")
	// ErrCleartext is a login whose secret would be seen on the line.
	ErrCleartext = errors.New("imapclient: refusing to send a password on a line that is not encrypted")
	// ErrTLS is TLS that was asked for and could not be had.
	ErrTLS = errors.New("imapclient: TLS is required and could not be begun")
	// ErrProtocol is an answer that no server should give.
	ErrProtocol = errors.New("imapclient: protocol error")
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
	// DialContext opens connections; that of a zero net.Dialer when nil.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// IdleTimeout is the longest wait for the next octets of an answer; 5
	// minutes when zero.
	IdleTimeout time.Duration
	// Limits bound what a response may cost.
	Limits imapwire.ResponseLimits
	// MaxDrain is how many octets of an answer are read and thrown away when
	// its caller wants no more of it, before the connection is closed
	// instead; 1 MiB when zero.
	MaxDrain int64
	// Trace, if set, gets every line of the conversation, without
	// credentials and message bodies.
	Trace io.Writer
}

// Client is a connection to a server. It is for one goroutine at a time.
type Client struct {
	conn *netconn.Conn
	r    *imapwire.ResponseReader
	enc  imapwire.CommandEncoder
	opts Options

	prefix string // of tags: not to be guessed, so that no answer comes before its command
	n      int
	buf    []byte

	caps     imap.Capabilities // nil where not known
	greeting *imapwire.StatusResponse
	bye      *imapwire.StatusResponse
	selected *imap.MailboxStatus
	busy     bool
	closed   bool
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
		return nil, err
	}
	return New(ctx, conn, &opts)
}

// New makes a Client of a connection, which it owns from then on. Auto is
// Required here, and Options.TLSConfig needs its ServerName.
func New(ctx context.Context, conn net.Conn, o *Options) (*Client, error) {
	c := &Client{prefix: rand.Text()[:6]}
	if o != nil {
		c.opts = *o
	}
	if c.opts.MaxDrain == 0 {
		c.opts.MaxDrain = 1 << 20
	}
	implicit := c.opts.TLS == Implicit
	if implicit {
		conn = tls.Client(conn, netconn.TLSConfig(c.opts.TLSConfig))
	}
	no := netconn.Options{IdleTimeout: c.opts.IdleTimeout}
	if c.opts.Trace != nil {
		no.Trace = netconn.TraceWriter(c.opts.Trace, "")
	}
	no.Reader = wire.Options{Lines: wire.LineLF}
	c.conn = netconn.New(conn, no)
	c.r = imapwire.NewResponseReader(c.conn.Reader(), c.opts.Limits)
	if err := c.open(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Client) open(ctx context.Context) error {
	stop := c.conn.Watch(ctx)
	defer stop()
	if err := c.conn.Handshake(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrTLS, err)
	}
	if err := c.greet(); err != nil {
		return err
	}
	if err := c.upgrade(ctx); err != nil {
		return err
	}
	if c.opts.Auth != nil && c.greeting.Cond != imap.PREAUTH {
		return c.Authenticate(ctx, c.opts.Auth)
	}
	return nil
}

func (c *Client) greet() error {
	r, err := c.r.Read()
	if err != nil {
		return c.failed(err)
	}
	g, ok := r.(*imapwire.StatusResponse)
	if !ok || g.Tag != "" || g.Cond == imap.NO || g.Cond == imap.BAD {
		return fmt.Errorf("%w: this is no greeting of an IMAP server", ErrProtocol)
	}
	c.note(g)
	c.greeting = g
	return g.Err()
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
			return fmt.Errorf("%w: the server greets with PREAUTH", ErrTLS)
		}
	}
	if err := c.Do(ctx, &imapwire.StartTLS{}, nil); err != nil {
		var said *imap.Error
		if errors.As(err, &said) && c.opts.TLS == Opportunistic {
			return nil
		}
		return fmt.Errorf("%w: %w", ErrTLS, err)
	}
	// What was said before may have come from anybody (RFC 3501 section 6.2.1).
	c.learn(nil)
	if err := c.conn.StartTLS(ctx, c.opts.TLSConfig); err != nil {
		return fmt.Errorf("%w: %w", ErrTLS, err)
	}
	return nil
}

// Greeting is the text of the server's greeting.
func (c *Client) Greeting() string { return c.greeting.Text }

// Encrypted reports whether the connection is encrypted.
func (c *Client) Encrypted() bool { return c.conn.IsTLS() }

// Capabilities are what the server says it can do, in its present state. It is
// asked where it has not said so itself.
func (c *Client) Capabilities(ctx context.Context) (imap.Capabilities, error) {
	if c.caps == nil {
		if err := c.Do(ctx, &imapwire.Capability{}, nil); err != nil {
			return nil, err
		}
		if c.caps == nil {
			return nil, fmt.Errorf("%w: no answer to CAPABILITY", ErrProtocol)
		}
	}
	return c.caps, nil
}

// learn takes what the server says it can do; nil forgets it.
func (c *Client) learn(caps imap.Capabilities) {
	c.caps = caps
	c.enc.LiteralPlus = caps.Has(imap.CapLiteralPlus)
	c.enc.LiteralMinus = caps.Has(imap.CapLiteralMinus)
}

// Login logs in by LOGIN (RFC 3501 section 6.2.3). On a clear line it is
// ErrCleartext unless Options.AllowCleartext.
func (c *Client) Login(ctx context.Context, user, password string) error {
	if !c.Encrypted() && !c.opts.AllowCleartext {
		return ErrCleartext
	}
	if err := oneLine(user, password); err != nil {
		return err
	}
	caps, err := c.Capabilities(ctx)
	if err != nil {
		return err
	}
	if caps.Has(imap.CapLoginDisabled) {
		return fmt.Errorf("imapclient: LOGIN: the server has it disabled on this line")
	}
	c.learn(nil)
	return c.Do(ctx, &imapwire.Login{Username: user, Password: password}, nil)
}

// Authenticate logs in by a SASL mechanism (RFC 3501 section 6.2.2), or by the
// best one for a *sasl.Credentials. Where the server refuses a token and the
// credentials have a newer one, that is tried too. A refusal is an *imap.Error
// by errors.As; sasl.ErrMechanism by errors.Is says that the server does not
// offer the mechanism.
func (c *Client) Authenticate(ctx context.Context, m sasl.Mechanism) error {
	if m.Cleartext() && !c.Encrypted() && !c.opts.AllowCleartext {
		return ErrCleartext
	}
	caps, err := c.Capabilities(ctx)
	if err != nil {
		return err
	}
	a, err := sasl.Begin(ctx, m, saslline.Client(c.conn, "imap", c.opts.TLSConfig, caps.Values("AUTH"), c.opts.AllowCleartext))
	switch {
	case errors.Is(err, sasl.ErrEncryption):
		return ErrCleartext
	case err != nil:
		return fmt.Errorf("imapclient: AUTHENTICATE: %w", err)
	}
	initialResponse := caps.Has(imap.CapSASLIR)
	for {
		err := c.exchange(ctx, a, initialResponse)
		var refused *imap.Error
		if !errors.As(err, &refused) || refused.Kind != imap.NO || c.closed {
			return err
		}
		if a, err = a.Again(ctx, err); a == nil {
			return err
		}
	}
}

func (c *Client) exchange(ctx context.Context, x *sasl.Attempt, initialResponse bool) error {
	args, initial := &imapwire.Authenticate{Mechanism: x.Mechanism}, x.Initial
	if initialResponse {
		args.Initial, initial = initial, nil
	}
	c.learn(nil)
	var failed error
	err := c.Do(ctx, args, func(r imapwire.Response) error {
		cont, ok := r.(*imapwire.Continuation)
		if !ok {
			return nil
		}
		response := initial
		if initial == nil && failed == nil {
			var challenge []byte
			if challenge, failed = imapwire.DecodeSASL([]byte(cont.Text)); failed == nil {
				response, failed = x.Next(challenge)
			}
		}
		initial = nil
		line := []byte("*\r\n")
		if failed == nil {
			line = imapwire.AppendSASLLine(nil, response)
		}
		if _, err := c.conn.WriteSecret(line); err != nil {
			return err
		}
		return c.conn.Flush()
	})
	if failed != nil {
		if err == nil {
			// The server took a cancelled exchange for a good one.
			c.ended(failed)
		}
		return failed
	}
	if err == nil {
		err = c.ended(x.Done())
	}
	return err
}

// Logout ends the session (RFC 3501 section 6.1.3) and closes the connection.
func (c *Client) Logout(ctx context.Context) error {
	err := c.Do(ctx, &imapwire.Logout{}, nil)
	if c.bye != nil && !errors.Is(err, ErrBusy) {
		err = nil
	}
	if !errors.Is(err, ErrBusy) {
		c.Close()
	}
	return err
}

// Close closes the connection at once. It may be called from any goroutine
// to end a call that waits.
func (c *Client) Close() error { return c.conn.Close() }

// Do sends one command, and gives each response that is not its end to on,
// which may be nil. What on returns as an error ends the connection. A NO or
// BAD is an *imap.Error. It is for what has no method here.
//
// Responses that do not parse are passed over; the first is returned, as an
// *imapwire.ParseError, where the command went well otherwise.
func (c *Client) Do(ctx context.Context, args imapwire.Args, on func(imapwire.Response) error) error {
	tag, err := c.begin(args)
	if err != nil {
		return err
	}
	defer func() { c.busy = false }()
	stop := c.conn.Watch(ctx)
	defer stop()
	if err := c.send(tag, args); err != nil {
		return err
	}
	return c.finish(tag, on)
}

// begin makes the command ready in buf, before an octet of it is sent.
func (c *Client) begin(args imapwire.Args) (tag string, err error) {
	switch {
	case c.busy:
		return "", ErrBusy
	case c.closed:
		return "", ErrClosed
	}
	c.n++
	tag = c.prefix + strconv.Itoa(c.n)
	c.buf, err = c.enc.Append(c.buf[:0], tag, args)
	if err != nil {
		return "", err
	}
	c.busy = true
	return tag, nil
}

// send sends what begin made, literal by literal where the server wants to be
// asked. A refusal of a literal is the command's end: *imap.Error.
func (c *Client) send(tag string, args imapwire.Args) error {
	secret := false
	switch args.(type) {
	case *imapwire.Login, *imapwire.Authenticate:
		secret = true
	}
	from := 0
	put := func(to int) error {
		var err error
		if secret {
			_, err = c.conn.WriteSecret(c.buf[from:to])
		} else {
			_, err = c.conn.Write(c.buf[from:to])
		}
		from = to
		if err == nil {
			err = c.conn.Flush()
		}
		return c.ended(err)
	}
	for _, wait := range c.enc.Waits {
		if err := put(wait); err != nil {
			return err
		}
		if err := c.await(tag); err != nil {
			return err
		}
	}
	return put(len(c.buf))
}

// await reads until the server asks for a literal.
func (c *Client) await(tag string) error {
	for {
		r, err := c.read()
		if err != nil {
			return err
		}
		if _, ok := r.(*imapwire.Continuation); ok {
			return nil
		}
		if s, ok := r.(*imapwire.StatusResponse); ok && s.Tag != "" {
			if err := c.tagged(s, tag); err != nil {
				return err
			}
			return c.ended(fmt.Errorf("%w: %s before the literal was sent", ErrProtocol, s.Cond))
		}
	}
}

// finish reads to the command's end.
func (c *Client) finish(tag string, on func(imapwire.Response) error) error {
	var bad *imapwire.ParseError
	for {
		r, err := c.read()
		var parse *imapwire.ParseError
		if errors.As(err, &parse) && !c.ends(parse) {
			if bad == nil {
				bad = parse
				bad.Raw = append([]byte{}, parse.Raw...)
			}
			continue
		}
		if err != nil {
			return err
		}
		if s, ok := r.(*imapwire.StatusResponse); ok && s.Tag != "" {
			if err := c.tagged(s, tag); err != nil {
				return err
			}
			if bad != nil {
				return bad
			}
			return nil
		}
		if on == nil {
			continue
		}
		if err := on(r); err != nil {
			return c.ended(err)
		}
	}
}

// unread reports whether err is a response that does not parse, and no more.
func (c *Client) unread(err error) bool {
	var parse *imapwire.ParseError
	return errors.As(err, &parse) && !c.ends(parse)
}

// ends reports whether a response that does not parse is nevertheless the
// command's end, or the connection's.
func (c *Client) ends(parse *imapwire.ParseError) bool {
	if !parse.Close && !bytes.HasPrefix(parse.Raw, []byte(c.prefix)) {
		return false
	}
	c.ended(parse)
	return true
}

// tagged is the verdict of a tagged response.
func (c *Client) tagged(s *imapwire.StatusResponse, tag string) error {
	if s.Tag != tag {
		return c.ended(fmt.Errorf("%w: an answer to the command %q, which was not sent", ErrProtocol, s.Tag))
	}
	return s.Err()
}

// read reads one response and notes what it says of the connection.
func (c *Client) read() (imapwire.Response, error) {
	r, err := c.r.Read()
	if err != nil {
		var parse *imapwire.ParseError
		if errors.As(err, &parse) && !parse.Close {
			return nil, err
		}
		return nil, c.failed(err)
	}
	if u, ok := r.(*imapwire.UnknownData); ok && strings.HasPrefix(u.Raw, c.prefix) {
		return nil, c.ended(fmt.Errorf("%w: a tagged response that is not OK, NO or BAD", ErrProtocol))
	}
	c.note(r)
	return r, nil
}

// note keeps what any response may say at any time.
func (c *Client) note(r imapwire.Response) {
	switch r := r.(type) {
	case *imapwire.CapabilityData:
		c.learn(r.Capabilities)
	case *imapwire.StatusResponse:
		if code, ok := r.Code.(imap.CodeCapability); ok {
			c.learn(code.Capabilities)
		}
		if r.Cond == imap.BYE {
			c.bye = r
		}
	case *imapwire.ExistsData:
		if c.selected != nil {
			c.selected.Messages = r.Count
		}
	case *imapwire.ExpungeData:
		if c.selected != nil && c.selected.Messages > 0 {
			c.selected.Messages--
		}
	}
}

// failed is the error of a connection that can be read no more: the server's
// last words, where it had some.
func (c *Client) failed(err error) error {
	if c.bye != nil && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) {
		err = c.bye.Err()
	} else if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return c.ended(err)
}

// ended closes the connection for an error that it cannot go on after.
func (c *Client) ended(err error) error {
	if err != nil {
		c.closed = true
		c.conn.Close()
	}
	return err
}

// oneLine refuses strings with a line end or NUL. IMAP could carry a line end,
// in a literal; a server that passes it on to another protocol might not.
func oneLine(args ...string) error {
	for _, s := range args {
		if strings.ContainsAny(s, "\x00\r\n") {
			return errors.New("imapclient: an argument holds CR, LF or NUL")
		}
	}
	return nil
}

// canonical is a mailbox name with INBOX in capitals.
func canonical(name string) string {
	if strings.EqualFold(name, imap.Inbox) {
		return imap.Inbox
	}
	return name
}
