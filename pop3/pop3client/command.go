// Commands and their replies, one at a time.

package pop3client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/pop3/pop3wire"
)

// begin starts a call: nobody else's is going on, and ctx interrupts it.
func (c *Client) begin(ctx context.Context) (done func(), err error) {
	if !c.busy.CompareAndSwap(false, true) {
		return nil, ErrBusy
	}
	err = context.Cause(ctx)
	switch {
	case c.err == ErrClosed:
		err = ErrClosed
	case c.err != nil:
		err = fmt.Errorf("%w: %w", ErrClosed, c.err)
	}
	if err != nil {
		c.busy.Store(false)
		return nil, err
	}
	stop := c.net.Watch(ctx)
	return func() {
		stop()
		c.busy.Store(false)
	}, nil
}

// fail ends the connection: its state is not known any more.
func (c *Client) fail(err error) error {
	if c.err == nil {
		c.err = err
	}
	_ = c.net.Close()
	return err
}

// broken is fail of an I/O error, said with the command it happened in.
func (c *Client) broken(what string, err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if errors.Is(err, net.ErrClosed) && !errors.Is(err, ErrClosed) {
		err = fmt.Errorf("%w: %w", ErrClosed, err)
	}
	return c.fail(fmt.Errorf("pop3client: %s: %w", what, err))
}

// protocol is the error of a server that does not speak the protocol.
func (c *Client) protocol(what, msg string) error {
	return c.fail(fmt.Errorf("pop3client: %s: %s", what, msg))
}

// refusal is the error of a reply that is not the one wanted.
func refusal(r *pop3wire.Reply, what string) error {
	if err := r.Err(what); err != nil {
		return err
	}
	return fmt.Errorf("pop3client: %s: unexpected reply %s", what, pop3.CleanText(r.String()))
}

// maxBlank is how many empty lines are passed over before a reply. Some
// servers send one after DELE.
const maxBlank = 4

// readReply reads the first line of a response.
func (c *Client) readReply(what string) (pop3wire.Reply, error) {
	return c.readReplyAs(func() string { return what })
}

func (c *Client) readReplyTo(cmd *pop3wire.Command) (pop3wire.Reply, error) {
	return c.readReplyAs(cmd.String)
}

// readReplyAs is readReply, in which what makes the command's name when it is
// needed.
func (c *Client) readReplyAs(what func() string) (pop3wire.Reply, error) {
	if c.learn {
		c.learn = false
		c.learnLineEnds()
	}
	for blank := 0; ; blank++ {
		line, err := c.net.Reader().Line(0)
		if err != nil {
			return pop3wire.Reply{}, c.broken(what(), err)
		}
		if len(line) == 0 && blank < maxBlank {
			continue
		}
		r, err := pop3wire.ParseReply(line)
		if err != nil {
			return r, c.broken(what(), err)
		}
		return r, nil
	}
}

// unasked deals with what the server said without being asked: empty lines
// are passed over, a last word is its right, all else would be taken for the
// next command's reply.
func (c *Client) unasked(what string) error {
	r := c.net.Reader()
	for blank := 0; c.net.Buffered() > 0; blank++ {
		b, err := r.Peek(1)
		if err != nil {
			return c.broken(what, err)
		}
		if blank < maxBlank && (b[0] == '\r' || b[0] == '\n') {
			if line, err := r.Line(0); err != nil {
				return c.broken(what, err)
			} else if len(line) == 0 {
				continue
			}
			return c.protocol(what, "the server spoke without being asked")
		}
		reply, err := c.readReply(what)
		if err != nil {
			return err
		}
		if err := reply.Err(what); err != nil {
			return c.fail(err)
		}
		return c.protocol(what, "the server spoke without being asked: "+pop3.CleanText(reply.String()))
	}
	return nil
}

// command sends a command and reads the first line of its response, which may
// be any.
func (c *Client) command(cmd *pop3wire.Command) (pop3wire.Reply, error) {
	what := cmd.String()
	if err := c.unasked(what); err != nil {
		return pop3wire.Reply{}, err
	}
	b, err := pop3wire.AppendCommand(c.net.AvailableBuffer(), cmd)
	if err != nil {
		return pop3wire.Reply{}, err
	}
	if _, err := c.net.Write(b); err != nil {
		return pop3wire.Reply{}, c.broken(what, err)
	}
	return c.readReply(what)
}

// run is command whose reply must be +OK.
func (c *Client) run(ctx context.Context, cmd *pop3wire.Command) (pop3wire.Reply, error) {
	done, err := c.begin(ctx)
	if err != nil {
		return pop3wire.Reply{}, err
	}
	defer done()
	r, err := c.command(cmd)
	if err == nil && r.Status != pop3wire.OK {
		err = refusal(&r, cmd.String())
	}
	return r, err
}

// answer adds to the parser's error of a reply's text what it answers. The
// connection is in sync still.
func answer[T any](v T, err error, cmd *pop3wire.Command) (T, error) {
	if err != nil {
		err = fmt.Errorf("pop3client: %s: %w", cmd.String(), err)
	}
	return v, err
}

// Stat returns the number of messages and their size together.
func (c *Client) Stat(ctx context.Context) (pop3.Stat, error) {
	cmd := &pop3wire.Command{Verb: pop3wire.STAT}
	r, err := c.run(ctx, cmd)
	if err != nil {
		return pop3.Stat{}, err
	}
	s, err := pop3wire.ParseStat(r.Text)
	return answer(s, err, cmd)
}

// Size returns the size of message n, as the server says it (LIST n).
func (c *Client) Size(ctx context.Context, n int) (int64, error) {
	cmd := &pop3wire.Command{Verb: pop3wire.LIST, Number: n}
	if err := positive(cmd); err != nil {
		return 0, err
	}
	r, err := c.run(ctx, cmd)
	if err != nil {
		return 0, err
	}
	l, err := pop3wire.ParseScanListing([]byte(r.Text))
	return answer(l.Size, err, cmd)
}

// UID returns the unique-id of message n (UIDL n).
func (c *Client) UID(ctx context.Context, n int) (string, error) {
	cmd := &pop3wire.Command{Verb: pop3wire.UIDL, Number: n}
	if err := positive(cmd); err != nil {
		return "", err
	}
	r, err := c.run(ctx, cmd)
	if err != nil {
		return "", err
	}
	l, err := pop3wire.ParseUID(r.Text, n)
	return answer(l.UID, err, cmd)
}

// positive refuses a message number that would ask for all messages.
func positive(cmd *pop3wire.Command) error {
	if cmd.Number < 1 {
		return &pop3wire.EncodeError{Field: "the message number", Reason: "it is not positive"}
	}
	return nil
}

// Delete marks message n as deleted. Quit removes it.
func (c *Client) Delete(ctx context.Context, n int) error {
	_, err := c.run(ctx, &pop3wire.Command{Verb: pop3wire.DELE, Number: n})
	if err == nil {
		c.marked = true
	}
	return err
}

// Reset takes all marks of deletion away.
func (c *Client) Reset(ctx context.Context) error {
	_, err := c.run(ctx, &pop3wire.Command{Verb: pop3wire.RSET})
	if err == nil {
		c.marked = false
	}
	return err
}

// Last returns the highest number of a message that was accessed (RFC 1460);
// few servers know it.
func (c *Client) Last(ctx context.Context) (int, error) {
	cmd := &pop3wire.Command{Verb: pop3wire.LAST}
	r, err := c.run(ctx, cmd)
	if err != nil {
		return 0, err
	}
	n, err := pop3wire.ParseLast(r.Text)
	return answer(n, err, cmd)
}

// Noop does nothing, and keeps the connection from being idle.
func (c *Client) Noop(ctx context.Context) error {
	_, err := c.run(ctx, &pop3wire.Command{Verb: pop3wire.NOOP})
	return err
}

// Do sends any command whose response is one line and that changes nothing of
// the connection, and returns the reply, whichever it is.
func (c *Client) Do(ctx context.Context, cmd *pop3wire.Command) (pop3wire.Reply, error) {
	switch v := pop3wire.Verb(upper(string(cmd.Verb))); v {
	case pop3wire.STLS, pop3wire.AUTH, pop3wire.USER, pop3wire.PASS, pop3wire.APOP, pop3wire.CAPA,
		pop3wire.RETR, pop3wire.TOP, pop3wire.QUIT, pop3wire.DELE, pop3wire.RSET, pop3wire.UTF8, pop3wire.XCLIENT, pop3wire.ENV:
		return pop3wire.Reply{}, fmt.Errorf("pop3client: %s is not sent by Do", v)
	case pop3wire.LIST, pop3wire.UIDL, pop3wire.LANG:
		if cmd.Number == 0 && cmd.Arg == "" {
			return pop3wire.Reply{}, fmt.Errorf("pop3client: %s without an argument is not sent by Do", v)
		}
	}
	done, err := c.begin(ctx)
	if err != nil {
		return pop3wire.Reply{}, err
	}
	defer done()
	return c.command(cmd)
}

func upper(s string) string {
	b := []byte(s)
	for i, x := range b {
		if 'a' <= x && x <= 'z' {
			b[i] = x - ('a' - 'A')
		}
	}
	return string(b)
}

// Quit ends the session: the server removes the messages marked as deleted.
// An error means that it may not have removed all of them; an *pop3.Error
// that it says so itself. The connection is closed in any case.
func (c *Client) Quit(ctx context.Context) error {
	done, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	r, err := c.command(&pop3wire.Command{Verb: pop3wire.QUIT})
	if err == nil && r.Status != pop3wire.OK {
		err = refusal(&r, "QUIT")
	}
	if err != nil && !c.marked && errors.Is(err, io.ErrUnexpectedEOF) {
		// Some servers answer by closing. Nothing was to be removed.
		err = nil
	}
	if err == nil {
		_ = c.net.CloseGracefully(0)
	}
	c.err = ErrClosed
	_ = c.net.Close()
	return err
}
