// Many commands at once: pipelined where the server can (RFC 2449 section
// 6.6), else one after the other.

package pop3client

import (
	"context"
	"errors"
	"iter"

	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/pop3/pop3wire"
)

// RetrieveAll retrieves the numbered messages, all of the maildrop without
// numbers, in their order. Commands are sent ahead, up to Options.Window of
// them, where the server does PIPELINING. The Client is busy meanwhile; see
// DeleteAll for deleting what was retrieved.
//
// Each Message is good until the next, and what the loop leaves of it unread
// is thrown away, as by Close. A message that the server refuses is one error,
// a *pop3.Error whose Command names it, and the next follow; any other error
// is the last. Breaking out reads what is under way, up to Options.MaxDrain,
// and else closes the connection.
func (c *Client) RetrieveAll(ctx context.Context, numbers ...int) iter.Seq2[*Message, error] {
	return c.messages(ctx, pop3wire.Command{Verb: pop3wire.RETR}, numbers)
}

// TopAll is RetrieveAll of the header and the first lines of the body.
func (c *Client) TopAll(ctx context.Context, lines int, numbers ...int) iter.Seq2[*Message, error] {
	return c.messages(ctx, pop3wire.Command{Verb: pop3wire.TOP, Lines: lines}, numbers)
}

func (c *Client) messages(ctx context.Context, cmd pop3wire.Command, numbers []int) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		which := numbers
		if len(which) == 0 {
			for l, err := range c.List(ctx) {
				var bad *pop3wire.ParseError
				if err != nil && !errors.As(err, &bad) {
					yield(nil, err)
					return
				}
				if err == nil {
					which = append(which, l.Number)
				}
			}
		}
		left := max(c.opts.MaxDrain, 0)
		err := c.pipeline(ctx, cmd, which, func(cmd *pop3wire.Command, r *pop3wire.Reply, abandoned bool) bool {
			if r.Status != pop3wire.OK {
				return !abandoned && yield(nil, refusal(r, cmd.String()))
			}
			m := c.newMessage(cmd, r, func() {})
			more := !abandoned && yield(m, nil)
			if m.done != nil {
				// All that is left unread counts towards one limit once the
				// loop is over.
				limit := max(c.opts.MaxDrain, 0)
				if !more {
					limit = left
				}
				begin := c.net.Reader().Offset()
				c.drain(cmd.String(), func(int64) error { return m.body.Drain(limit) })
				if !more {
					left -= c.net.Reader().Offset() - begin
				}
				m.err = ErrClosed
				m.release()
			}
			return more
		})
		if err != nil {
			yield(nil, err)
		}
	}
}

// UIDs returns the unique-ids of the numbered messages, by UIDL of each, where
// UIDL of all would list many more. Errors are as in RetrieveAll, and a
// *pop3wire.ParseError is that of one message alone.
func (c *Client) UIDs(ctx context.Context, numbers ...int) iter.Seq2[pop3.UIDListing, error] {
	return func(yield func(pop3.UIDListing, error) bool) {
		err := c.pipeline(ctx, pop3wire.Command{Verb: pop3wire.UIDL}, numbers, func(cmd *pop3wire.Command, r *pop3wire.Reply, abandoned bool) bool {
			if abandoned {
				return false
			}
			if r.Status != pop3wire.OK {
				return yield(pop3.UIDListing{}, refusal(r, cmd.String()))
			}
			l, err := pop3wire.ParseUID(r.Text, cmd.Number)
			return yield(answer(l, err, cmd))
		})
		if err != nil {
			yield(pop3.UIDListing{}, err)
		}
	}
}

// DeleteAll marks the numbered messages as deleted, as Delete does, all of
// those that can be: the error joins the refusals of the others.
func (c *Client) DeleteAll(ctx context.Context, numbers ...int) error {
	var refused []error
	err := c.pipeline(ctx, pop3wire.Command{Verb: pop3wire.DELE}, numbers, func(cmd *pop3wire.Command, r *pop3wire.Reply, _ bool) bool {
		if r.Status == pop3wire.OK {
			c.marked = true
		} else {
			refused = append(refused, refusal(r, cmd.String()))
		}
		return true
	})
	return errors.Join(append(refused, err)...)
}

// pipeline runs cmd with each of the numbers and calls each with the first
// lines of the responses, until it returns false: for those under way then it
// is called with abandoned set. It reads what follows the first line. The
// error is what ended it before its end, other than that.
func (c *Client) pipeline(ctx context.Context, cmd pop3wire.Command, numbers []int, each func(cmd *pop3wire.Command, r *pop3wire.Reply, abandoned bool) bool) error {
	// Nothing is sent of what can not be sent whole.
	var b []byte
	for _, n := range numbers {
		cmd.Number = n
		if err := positive(&cmd); err != nil {
			return err
		}
		var err error
		if b, err = pop3wire.AppendCommand(b[:0], &cmd); err != nil {
			return err
		}
	}
	if len(numbers) == 0 {
		return nil
	}
	done, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	window := 1
	if c.caps.Has(pop3.CapPipelining) {
		window = c.opts.Window
	}
	cmd.Number = numbers[0]
	if err := c.unasked(cmd.String()); err != nil {
		return err
	}
	sent, got := 0, 0
	// A panic of the caller's leaves responses under way.
	defer func() {
		if got < sent && c.err == nil {
			c.broken(cmd.String(), errAbandoned)
		}
	}()
	abandoned := false
	for got < len(numbers) {
		if abandoned && got == sent {
			return nil
		}
		// Half a window at a time: few writes, and never nothing under way.
		if !abandoned && sent-got <= window/2 {
			for ; sent < len(numbers) && sent-got < window; sent++ {
				cmd.Number = numbers[sent]
				if err := c.send(&cmd); err != nil {
					return err
				}
			}
			if err := c.net.Flush(); err != nil {
				return c.broken(cmd.String(), err)
			}
		}
		cmd.Number = numbers[got]
		r, err := c.readReplyTo(&cmd)
		if err != nil && abandoned {
			return nil // nobody waits for it
		}
		if err != nil {
			return err
		}
		more := each(&cmd, &r, abandoned)
		got++
		if c.err != nil {
			if abandoned || !more {
				return nil
			}
			return c.err
		}
		abandoned = abandoned || !more
	}
	return nil
}

func (c *Client) send(cmd *pop3wire.Command) error {
	b, err := pop3wire.AppendCommand(c.net.AvailableBuffer(), cmd)
	if err != nil {
		return err
	}
	if _, err := c.net.Write(b); err != nil {
		return c.broken(cmd.String(), err)
	}
	return nil
}
