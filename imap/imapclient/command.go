package imapclient

// A command: sent, its answers read one by one, and its end.

import (
	"bytes"
	"context"
	"crypto/rand"
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
)

// enter begins a call: nobody else's is going on, and ctx interrupts it.
func (c *Client) enter(ctx context.Context) (leave func(), err error) {
	if !c.busy.CompareAndSwap(false, true) {
		return nil, ErrBusy
	}
	switch {
	case c.err != nil && c.err != ErrClosed:
		err = fmt.Errorf("%w: %w", ErrClosed, c.err)
	case c.Closed():
		err = ErrClosed
	default:
		err = context.Cause(ctx)
	}
	if err != nil {
		c.busy.Store(false)
		return nil, err
	}
	stop := c.conn.Watch(ctx)
	return func() {
		stop()
		c.busy.Store(false)
	}, nil
}

// Do sends one command, and gives each untagged response before its end to on,
// which may be nil. What on returns as an error ends the connection. A NO or
// BAD is an *imap.Error. It is for what has no method here; what changes what
// the connection is, such as STARTTLS, has one.
//
// Responses that do not parse are passed over; the first is returned, as an
// *imapwire.ParseError, where the command went well otherwise.
func (c *Client) Do(ctx context.Context, args imapwire.Args, on func(imapwire.Response) error) error {
	_, err := c.run(ctx, args, func(r imapwire.Response) (bool, error) {
		if on == nil {
			return false, nil
		}
		return true, on(r)
	})
	return err
}

// taker is given each response to a command, and says whether it was meant for
// it; what is not is an event.
type taker func(imapwire.Response) (bool, error)

// run is Do, with the tagged response. on may be nil.
func (c *Client) run(ctx context.Context, args imapwire.Args, on taker) (*imapwire.StatusResponse, error) {
	leave, err := c.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	tag, err := c.encode(args)
	if err != nil {
		return nil, err
	}
	if err := c.send(tag, secret(args)); err != nil {
		return nil, err
	}
	return c.finish(tag, on)
}

// secret reports whether a command holds credentials.
func secret(args imapwire.Args) bool {
	switch args.(type) {
	case *imapwire.Login, *imapwire.Authenticate:
		return true
	}
	return false
}

// tag is one that was not used before and can not be guessed, so that no
// answer comes before its command.
func (c *Client) tag() string {
	c.n++
	return c.prefix + strconv.Itoa(c.n) + rand.Text()[:4]
}

// encode makes the command ready in buf, before an octet of it is sent.
func (c *Client) encode(args imapwire.Args) (tag string, err error) {
	tag = c.tag()
	c.running = tag
	c.buf, err = c.enc.Append(c.buf[:0], tag, args)
	return tag, err
}

// send sends what encode made, literal by literal where the server wants to be
// asked. A refusal of a literal is the command's end: *imap.Error.
func (c *Client) send(tag string, secret bool) error {
	if secret {
		defer func() { clear(c.buf) }()
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
		if err != nil {
			return c.unsent(err)
		}
		return nil
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

// unsent is the error of a write that failed: the server's last words, where
// it had some.
func (c *Client) unsent(err error) error {
	for c.bye == nil && c.conn.Buffered() > 0 {
		if _, e := c.read(); e != nil {
			break
		}
	}
	if c.bye != nil {
		err = fmt.Errorf("%w (%w)", c.bye.Err(), err)
	}
	return c.ended(fmt.Errorf("imapclient: %w", closedError(err)))
}

// closedError makes the error of a connection that this side closed ErrClosed.
func closedError(err error) error {
	if errors.Is(err, net.ErrClosed) && !errors.Is(err, ErrClosed) {
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	return err
}

// await reads until the server asks for a literal.
func (c *Client) await(tag string) error {
	for {
		r, done, err := c.next(tag)
		if done {
			if err == nil {
				err = c.ended(fmt.Errorf("%w: OK before the literal was sent", ErrProtocol))
			}
			return err
		}
		if _, ok := r.(*imapwire.Continuation); ok {
			return nil
		}
		if err == nil {
			c.unasked(r)
		}
	}
}

// finish reads to the command's end.
func (c *Client) finish(tag string, on taker) (*imapwire.StatusResponse, error) {
	var bad *imapwire.ParseError
	for {
		r, done, err := c.next(tag)
		if done {
			s, _ := r.(*imapwire.StatusResponse)
			if err == nil && bad != nil {
				err = bad
			}
			return s, err
		}
		if err != nil {
			if bad == nil && errors.As(err, &bad) {
				bad.Raw = bytes.Clone(bad.Raw)
			}
			continue
		}
		taken := false
		if on != nil {
			if taken, err = on(r); err != nil {
				return nil, c.ended(err)
			}
		}
		if !taken {
			c.unasked(r)
		}
	}
}

const (
	// maxAfterBye is how many responses may follow a BYE: Yandex sends an
	// endless run of them.
	maxAfterBye = 100
	// maxStale is how many answers to commands of before are passed over.
	maxStale = 100
	// badGrace is how long the tagged answer may take to follow "* BAD",
	// which some servers send in its place.
	badGrace = 2 * time.Second
)

// next is the next response while the command with the tag runs. done says
// that it is the command's end, of which err is the verdict; else err is a
// *imapwire.ParseError of one response, or nil.
func (c *Client) next(tag string) (r imapwire.Response, done bool, err error) {
	for stale := 0; ; stale++ {
		r, err := c.read()
		if err != nil {
			return nil, c.err != nil, err
		}
		s, ok := r.(*imapwire.StatusResponse)
		switch {
		case !ok:
			return r, false, nil
		case s.Tag == "":
			if s.Cond == imap.BAD && c.inPlace() {
				c.last = tag // it may come yet
				return s, true, s.Err()
			}
			return r, false, nil
		case s.Tag == tag:
			c.last = tag
			return s, true, c.verdict(s)
		case s.Tag == c.last && stale < maxStale:
			// A line sent twice, or behind the "* BAD" that stood for it.
			continue
		}
		return nil, true, c.ended(fmt.Errorf("%w: an answer to the command %q, which was not sent", ErrProtocol, s.Tag))
	}
}

// inPlace reports whether nothing follows an untagged BAD: it was meant as the
// command's answer.
func (c *Client) inPlace() bool {
	if c.conn.Buffered() > 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), badGrace)
	defer cancel()
	err := c.conn.WaitInput(ctx)
	var i *netconn.InterruptError
	return errors.As(err, &i) && ctx.Err() != nil
}

// read reads one response and notes what it says of the connection. An error
// ended the connection, or is a *imapwire.ParseError.
func (c *Client) read() (imapwire.Response, error) {
	if c.bye != nil {
		if c.afterBye++; c.afterBye > maxAfterBye {
			return nil, c.ended(c.bye.Err())
		}
	}
	r, err := c.r.Read()
	if err != nil {
		var parse *imapwire.ParseError
		if errors.As(err, &parse) && !parse.Close {
			if bytes.HasPrefix(parse.Raw, []byte(c.prefix)) {
				return nil, c.ended(err)
			}
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

// verdict is what a status response means for the command: nil, or the error.
func (c *Client) verdict(s *imapwire.StatusResponse) error {
	err := s.Err()
	switch code := s.Code.(type) {
	case imap.CodeReferral:
		var urls []string
		for i := range code.URLs {
			urls = append(urls, code.URLs[i].String())
		}
		return c.referred(urls, err)
	case imap.CodeRaw: // a referral to what is no IMAP server
		if code.Name == imap.CodeReferralName {
			return c.referred(strings.Fields(code.Text), err)
		}
	case imap.CodeMessageLimit:
		if err == nil {
			return &MessageLimitError{Limit: code.Limit, LastUID: code.LastUID}
		}
	}
	return err
}

// referred is the verdict of a command whose answer names other servers.
func (c *Client) referred(urls []string, err error) error {
	if err, ok := err.(*imap.Error); ok {
		return &ReferralError{URLs: urls, Err: err}
	}
	if len(urls) > 0 {
		c.referral = urls[0]
	}
	return nil
}

// failed is the error of a connection that can be read no more: the server's
// last words, where it had some.
func (c *Client) failed(err error) error {
	if c.bye != nil && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) {
		return c.ended(c.bye.Err())
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return c.ended(fmt.Errorf("imapclient: %w", closedError(err)))
}

// ended closes the connection for an error that it cannot go on after.
func (c *Client) ended(err error) error {
	if err != nil {
		if c.err == nil {
			c.mu.Lock()
			c.err = err
			c.mu.Unlock()
		}
		c.conn.Close()
	}
	return err
}

// answers is a command whose responses are taken one by one.
type answers struct {
	c     *Client
	tag   string
	leave func()
	over  bool
	// left is where in the input the section that streams ends.
	left int64
}

// ask sends a command. Its answers must be closed.
func (c *Client) ask(ctx context.Context, args imapwire.Args) (*answers, error) {
	leave, err := c.enter(ctx)
	if err != nil {
		return nil, err
	}
	tag, err := c.encode(args)
	if err == nil {
		err = c.send(tag, false)
	}
	if err != nil {
		leave()
		return nil, err
	}
	return &answers{c: c, tag: tag, leave: leave}, nil
}

// next is Client.next.
func (a *answers) next() (r imapwire.Response, done bool, err error) {
	r, done, err = a.c.next(a.tag)
	a.over, a.left = done, 0
	switch r := r.(type) {
	case *imapwire.FetchData:
		if r.More {
			a.left = a.c.conn.Reader().Offset() + r.Sections[len(r.Sections)-1].Size
		}
	case *imapwire.URLFetchData:
		if r.More {
			a.left = a.c.conn.Reader().Offset() + r.Items[len(r.Items)-1].Size
		}
	}
	return r, done, err
}

// close throws away what is left, up to Options.MaxDrain; beyond that it closes
// the connection.
func (a *answers) close() {
	if a.leave == nil {
		return
	}
	defer a.leave()
	a.leave = nil
	start := a.c.conn.Reader().Offset()
	for !a.over {
		if max(a.left, a.c.conn.Reader().Offset())-start > a.c.opts.MaxDrain {
			_ = a.c.ended(ErrClosed)
			return
		}
		if r, _, err := a.next(); err == nil && !a.over {
			a.c.unasked(r)
		}
	}
}

// drop closes the connection: what reads the answers is gone.
func (a *answers) drop() {
	if a.leave != nil {
		_ = a.c.ended(ErrClosed)
		a.leave()
		a.leave = nil
	}
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
