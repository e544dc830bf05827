package imapclient

// IDLE (RFC 2177).

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
	"github.com/mailwire/mailwire/internal/netconn"
)

const (
	// renewIdle is when IDLE is given anew: a server may log out who is
	// silent for 30 minutes (RFC 2177 section 3).
	renewIdle = 28 * time.Minute
	// doneTimeout is how long the answer to DONE may take where the caller's
	// context has ended.
	doneTimeout = 30 * time.Second
)

// Idle waits for what happens in the selected mailbox, and with NOTIFY in
// others, and yields it as it comes; the Event is borrowed until the next. It
// goes on for as long as the loop and the context do, and renews IDLE by itself
// every 28 minutes. Options.OnEvent is not called for what is yielded.
//
// When the context ends, so does the iteration, without an error: IDLE is
// ended in good order, and the connection can be used on. An error has ended
// the connection, but for an *imap.Error, which is a refusal, and for an
// *imapwire.ParseError, after which the next event may follow.
func (c *Client) Idle(ctx context.Context) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		if err := c.need(ctx, imap.CapIdle, "IDLE"); err != nil {
			yield(nil, err)
			return
		}
		for ctx.Err() == nil {
			if !c.idle(ctx, renewIdle, yield) {
				return
			}
		}
	}
}

// idle is one IDLE. It reports whether another may follow.
func (c *Client) idle(ctx context.Context, renew time.Duration, yield func(*Event, error) bool) bool {
	// The caller's context ends the wait, not the connection.
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	a, err := c.ask(own, &imapwire.Idle{})
	if err != nil {
		yield(nil, err)
		return false
	}
	defer a.drop()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(doneTimeout, cancel) })
	defer stop()
	wait, cancelWait := context.WithTimeout(ctx, renew)
	defer cancelWait()
	defer c.conn.SetIdleTimeout(c.idleTimeout())

	begun, ended, wanted := false, false, true
	end := func() bool {
		if !ended {
			ended = true
			c.conn.SetIdleTimeout(c.idleTimeout())
			if _, err := c.conn.Write(imapwire.AppendDone(nil)); err == nil {
				err = c.conn.Flush()
			}
			if err != nil {
				err = c.unsent(err)
				a.over = true
				a.close()
				if wanted {
					yield(nil, err)
				}
				return false
			}
		}
		return true
	}
	for {
		if begun && !ended && c.conn.Buffered() == 0 {
			c.conn.SetIdleTimeout(-1)
			err := c.conn.WaitInput(wait)
			var i *netconn.InterruptError
			switch {
			case errors.As(err, &i) && wait.Err() != nil:
				if !end() {
					return false
				}
			case err != nil:
				a.over = true
				a.close()
				yield(nil, c.failed(err))
				return false
			}
			c.conn.SetIdleTimeout(c.idleTimeout())
		}
		r, done, err := a.next()
		if done {
			a.close()
			if err == nil && !ended && !begun {
				err = fmt.Errorf("%w: IDLE ended before it began", ErrProtocol)
			}
			if err != nil && wanted {
				yield(nil, err)
				return false
			}
			return wanted && err == nil
		}
		if _, ok := r.(*imapwire.Continuation); ok {
			begun = true
			if !wanted && !end() {
				return false
			}
			continue
		}
		if !wanted {
			if err == nil {
				c.unasked(r)
			}
			continue
		}
		var e *Event
		if err == nil {
			if c.selected != nil && mailboxEvent(r) {
				c.changes++
			}
			v := eventOf(r)
			e = &v
		}
		if !yield(e, err) {
			wanted = false
			if begun && !end() {
				return false
			}
		}
	}
}

func (c *Client) idleTimeout() time.Duration {
	if c.opts.IdleTimeout == 0 {
		return 5 * time.Minute
	}
	return c.opts.IdleTimeout
}
