// Responses of many lines: listings and messages.

package pop3client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"

	"github.com/mailwire/mailwire/internal/netconn"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/pop3/pop3wire"
)

// List lists the messages that are not marked as deleted, with their sizes. A
// line that is no listing is one error, a *pop3wire.ParseError, and the
// listing goes on behind it; any other error ends it. Breaking out reads the
// rest, up to Options.MaxDrain, and else closes the connection.
func (c *Client) List(ctx context.Context) iter.Seq2[pop3.ScanListing, error] {
	return listing(c, ctx, &pop3wire.Command{Verb: pop3wire.LIST}, func(_ *pop3wire.UIDParser, line []byte) (pop3.ScanListing, error) {
		return pop3wire.ParseScanListing(line)
	})
}

// UIDL lists the unique-ids of the messages that are not marked as deleted,
// as List does. The UIDs of one listing share memory: whoever keeps a few of
// many for long clones them. Capabilities need not have it: some servers know
// UIDL and do not say so.
func (c *Client) UIDL(ctx context.Context) iter.Seq2[pop3.UIDListing, error] {
	return listing(c, ctx, &pop3wire.Command{Verb: pop3wire.UIDL}, (*pop3wire.UIDParser).Parse)
}

func listing[T any](c *Client, ctx context.Context, cmd *pop3wire.Command, parse func(*pop3wire.UIDParser, []byte) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		done, err := c.begin(ctx)
		if err != nil {
			yield(none, err)
			return
		}
		// The loop's body may call once this is over, not before.
		lines, err := c.beginLines(cmd)
		if err != nil {
			done()
			yield(none, err)
			return
		}
		what := cmd.String()
		ended := false
		defer func() {
			if !ended && c.err == nil {
				c.drain(what, lines.Drain)
			}
			done()
		}()
		var uids pop3wire.UIDParser
		for {
			line, err := lines.Next()
			if err == io.EOF {
				ended = true
				return
			}
			if err != nil && lines.Err() != nil {
				ended = true
				yield(none, c.broken(what, err))
				return
			}
			v := none
			if err == nil {
				v, err = parse(&uids, line)
			}
			if err != nil {
				err = fmt.Errorf("pop3client: %s: %w", what, err)
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

func (c *Client) beginLines(cmd *pop3wire.Command) (*pop3wire.Lines, error) {
	r, err := c.command(cmd)
	if err != nil {
		return nil, err
	}
	if r.Status != pop3wire.OK {
		return nil, refusal(&r, cmd.String())
	}
	return pop3wire.NewLines(c.net.Reader(), c.lf), nil
}

var errAbandoned = errors.New("what was left of a response was more than the limit")

// drain reads the rest of a response, or closes the connection.
func (c *Client) drain(what string, drain func(limit int64) error) {
	limit := max(c.opts.MaxDrain, 0)
	if err := drain(limit); err != nil {
		var long *wire.LimitError
		if errors.As(err, &long) {
			err = errAbandoned
		}
		c.broken(what, err)
	}
}

// Message is a message that is read from the connection, with its lines as
// they come: ended by CRLF, unless the server sends otherwise. It ends exactly
// where the server ends it, whatever size was said.
type Message struct {
	// Number is the message's number.
	Number int
	// Size is the size that the server's reply says, -1 if it says none. It
	// may be wrong.
	Size int64

	c    *Client
	cmd  pop3wire.Command
	body *wire.DotReader
	was  netconn.Span
	done func() // nil once it is over
	err  error
}

// Retrieve begins to read message n (RETR). The Client is busy until the
// Message is read to its end or closed. ctx ends the reading too.
func (c *Client) Retrieve(ctx context.Context, n int) (*Message, error) {
	return c.message(ctx, &pop3wire.Command{Verb: pop3wire.RETR, Number: n})
}

// Top begins to read the header of message n and the first lines of its body
// (TOP), as Retrieve does.
func (c *Client) Top(ctx context.Context, n, lines int) (*Message, error) {
	return c.message(ctx, &pop3wire.Command{Verb: pop3wire.TOP, Number: n, Lines: lines})
}

func (c *Client) message(ctx context.Context, cmd *pop3wire.Command) (*Message, error) {
	done, err := c.begin(ctx)
	if err != nil {
		return nil, err
	}
	what := cmd.String()
	r, err := c.command(cmd)
	if err == nil && r.Status != pop3wire.OK {
		err = refusal(&r, what)
	}
	if err != nil {
		done()
		return nil, err
	}
	return c.newMessage(cmd, &r, done), nil
}

// newMessage is the message behind the reply r to cmd.
func (c *Client) newMessage(cmd *pop3wire.Command, r *pop3wire.Reply, done func()) *Message {
	m := &Message{Number: cmd.Number, Size: -1, c: c, cmd: *cmd, done: done}
	if word, _, _ := strings.Cut(r.Text, " "); cmd.Verb == pop3wire.RETR {
		if n, err := strconv.ParseInt(word, 10, 64); err == nil && n >= 0 {
			m.Size = n
		}
	}
	m.was = c.net.MarkRead(netconn.Payload)
	m.body = pop3wire.Body(c.net.Reader(), c.lf)
	return m
}

// Read reads the message; io.EOF at its end. Any other error ends the
// connection: the message is not whole.
func (m *Message) Read(p []byte) (int, error) {
	if m.err != nil {
		return 0, m.err
	}
	n, err := m.body.Read(p)
	if err != nil {
		m.end(err)
		return n, m.err
	}
	return n, nil
}

// WriteTo writes the rest of the message to w. It returns w's error or that of
// the connection.
func (m *Message) WriteTo(w io.Writer) (int64, error) {
	if m.err == io.EOF {
		return 0, nil
	}
	if m.err != nil {
		return 0, m.err
	}
	keep := &errWriter{w: w}
	n, err := m.body.WriteTo(keep)
	switch {
	case err == nil:
		m.end(io.EOF)
		return n, nil
	case keep.err != nil:
		return n, keep.err
	}
	m.end(err)
	return n, m.err
}

// errWriter tells w's errors from the connection's.
type errWriter struct {
	w   io.Writer
	err error
}

func (e *errWriter) Write(p []byte) (int, error) {
	n, err := e.w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	e.err = err
	return n, err
}

// end notes how the message ended and lets other calls go on.
func (m *Message) end(err error) {
	m.err = err
	if err != io.EOF {
		m.err = m.c.broken(m.cmd.String(), err)
	}
	m.release()
}

func (m *Message) release() {
	if m.done != nil {
		m.c.net.MarkRead(m.was)
		m.done()
		m.done = nil
	}
}

// Close leaves the message. What is left of it is read and thrown away, up to
// Options.MaxDrain; beyond that the connection is closed. It returns nil.
func (m *Message) Close() error {
	if m.done == nil {
		return nil
	}
	m.c.drain(m.cmd.String(), m.body.Drain)
	if m.err == nil {
		m.err = ErrClosed
	}
	m.release()
	return nil
}
