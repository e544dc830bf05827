// A message that is relayed while it comes: the envelope first, then octets as
// they are there.

package smtpclient

import (
	"context"
	"errors"
	"io"

	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpwire"
)

// Transaction is a message on its way to those recipients that the server
// accepted. It is written with Write or ReadFrom, and then sent with Commit or
// given up with Abort: one of the two must be called. Until then the Client
// does nothing else (ErrBusy).
//
// The context of Begin is that of the whole Transaction.
type Transaction struct {
	t    *transaction
	done func()
	w    *bodyWriter
	err  error
}

// ErrTransactionOver is returned for a Transaction that was committed, aborted
// or failed.
var ErrTransactionOver = errors.New("smtpclient: the transaction is over")

// Begin sends an envelope, and leaves the message to come through the
// Transaction, for relays: what upstream says of a recipient is known before
// any of the message is. Everything else is as with Send.
//
// If nobody was accepted, the error says why. The Transaction then has the
// verdicts and is over; it is nil where nothing was sent.
func (c *Client) Begin(ctx context.Context, env *smtp.Envelope) (*Transaction, error) {
	done, err := c.begin(ctx)
	if err != nil {
		return nil, err
	}
	t, err := c.open(env, nil)
	if err != nil {
		done()
		return nil, err
	}
	x := &Transaction{t: t, done: done}
	if err := t.envelope(); err != nil {
		t.settle(err)
		x.over(ErrTransactionOver)
		return x, err
	}
	return x, nil
}

func (x *Transaction) over(why error) {
	if x.done != nil {
		x.done()
		x.done = nil
		x.err = why
	}
}

// Result has the verdicts so far: after Begin those on the envelope, after
// Commit the last ones.
func (x *Transaction) Result() *smtp.Result { return x.t.res }

// Open asks the server for the message, which the first Write does too. By
// DATA it may refuse it now, with an *smtp.Error: the Transaction is over then,
// and nothing of the message was needed.
func (x *Transaction) Open() error {
	if x.err != nil || x.w != nil {
		return x.err
	}
	t, c := x.t, x.t.c
	if !c.chunks(t.env.Options.Body) {
		r, err := c.command(&smtpwire.Command{Verb: smtpwire.DATA})
		if err == nil && r.Code != 354 {
			err = refusal(&r, "DATA")
			c.reset()
		}
		if err != nil {
			return x.failed(err)
		}
	}
	x.w = c.newBodyWriter(t.env.Options.Body)
	return nil
}

func (x *Transaction) failed(err error) error {
	x.t.settle(err)
	x.over(err)
	return err
}

// Write sends more of the message.
func (x *Transaction) Write(p []byte) (int, error) {
	if err := x.Open(); err != nil {
		return 0, err
	}
	n, err := x.w.Write(p)
	if err != nil {
		return n, x.failed(x.w.end(err))
	}
	return n, nil
}

// ReadFrom sends r as more of the message. A failure of r is returned, and the
// Transaction goes on: Abort gives it up.
func (x *Transaction) ReadFrom(r io.Reader) (int64, error) {
	if err := x.Open(); err != nil {
		return 0, err
	}
	buf := buffers.Get().(*[32 << 10]byte)
	defer buffers.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{x}, struct{ io.Reader }{r}, buf[:])
}

// Commit ends the message and waits for the verdicts. The error is nil if
// anyone got the message; see Client.Send.
func (x *Transaction) Commit() (*smtp.Result, error) {
	if err := x.Open(); err != nil {
		return x.t.res, err
	}
	if err := x.w.end(nil); err != nil {
		return x.t.res, x.failed(err)
	}
	res, err := x.t.c.verdicts("DATA", len(x.t.accepted))
	x.t.sort(res)
	x.t.settle(err)
	x.over(ErrTransactionOver)
	return x.t.res, err
}

// Abort gives the message up: nobody gets it. Inside DATA that is possible
// only by closing the connection, and so it is closed then. After Commit it
// does nothing.
func (x *Transaction) Abort() {
	if x.err != nil {
		return
	}
	switch {
	case x.w == nil:
		x.t.c.reset()
	default:
		_ = x.w.end(errAborted)
	}
	x.failed(errAborted)
	x.err = ErrTransactionOver
}

var errAborted = errors.New("smtpclient: the message was given up")
