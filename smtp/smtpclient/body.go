// The message itself, and the verdicts on it.

package smtpclient

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/mailwire/mailwire/internal/netconn"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/smtp"
)

// bodyWriter writes a message, behind 354 or in chunks.
type bodyWriter struct {
	c     *Client
	dot   *wire.DotWriter
	chunk *chunkWriter
	was   netconn.Span
	err   error // of writing
}

func (c *Client) newBodyWriter(body smtp.Body) *bodyWriter {
	w := &bodyWriter{c: c}
	if c.chunks(body) {
		w.chunk = c.newChunkWriter(body)
	} else {
		w.was = c.net.MarkWrite(netconn.Payload)
		w.dot = wire.NewDotWriter(c.net, c.opts.BareLineEnds.policy())
	}
	return w
}

func (w *bodyWriter) Write(p []byte) (n int, err error) {
	if w.chunk != nil {
		n, err = w.chunk.Write(p)
	} else {
		n, err = w.dot.Write(p)
	}
	if w.err == nil {
		w.err = err
	}
	return n, err
}

// end sends the message's end. failed is why it can not come to it: then it is
// given up. The error is nil if the message was sent.
func (w *bodyWriter) end(failed error) error {
	c := w.c
	if w.chunk != nil {
		defer w.chunk.release()
		err := failed
		if err == nil {
			err = w.chunk.Close()
		}
		if err == nil {
			return nil
		}
		if refused := w.chunk.refused; refused != nil {
			err = refused
		} else if c.err == nil {
			err = fmt.Errorf("smtpclient: message: %w", err)
		}
		w.chunk.giveUp()
		return err
	}
	err := failed
	if err == nil {
		if err = w.dot.Close(); w.err == nil {
			w.err = err
		}
	}
	c.net.MarkWrite(w.was)
	var bare *wire.SyntaxError
	switch {
	case err == nil:
		return nil
	case w.err != nil && !errors.As(err, &bare):
		return c.lastWords(err)
	}
	return c.broken("message", err)
}

// sendBody sends a message to n recipients. The error is nil if anyone got it.
func (c *Client) sendBody(r io.Reader, body smtp.Body, n int) (*smtp.Result, error) {
	w := c.newBodyWriter(body)
	copied := false
	defer func() {
		if !copied {
			c.fail(errPanicked)
		}
	}()
	err := w.copy(r)
	copied = true
	if err := w.end(err); err != nil {
		return nil, err
	}
	return c.verdicts("DATA", n)
}

// verdicts reads the replies to a message that was sent to n recipients: one
// for all, in LMTP one for each. The error is nil if anyone got it.
func (c *Client) verdicts(what string, n int) (*smtp.Result, error) {
	c.net.SetIdleTimeout(c.opts.FinalTimeout)
	defer c.net.SetIdleTimeout(c.opts.CommandTimeout)
	res := &smtp.Result{Recipients: make([]smtp.Verdict, n)}
	var first, err error
	for i := range n {
		if i == 0 || c.opts.LMTP {
			if res.Reply, err = c.readReply(what); err != nil {
				err = &SentError{err}
				if i == 0 {
					return nil, err
				}
				unheard(res, i, err)
				break
			}
		}
		v := &res.Recipients[i]
		v.Reply = res.Reply
		if v.Reply.Code < 200 || v.Reply.Code > 299 {
			v.Err = refusal(&v.Reply, what)
			if first == nil {
				first = v.Err
			}
		}
		if c.err != nil && c.opts.LMTP && i+1 < n {
			unheard(res, i+1, &SentError{c.err})
			break
		}
	}
	if res.Accepted() > 0 {
		first = nil
	}
	return res, first
}

// unheard fills in the verdicts that the server did not live to give.
func unheard(res *smtp.Result, from int, err error) {
	for i := from; i < len(res.Recipients); i++ {
		res.Recipients[i].Err = err
	}
}

// lastWords looks for the reply of a server that gave up inside the message.
func (c *Client) lastWords(err error) error {
	if r, e := c.readReply("DATA"); e == nil && !r.Positive() {
		c.fail(r.Err("DATA"))
		return r.Err("DATA")
	}
	return c.broken("message", err)
}

// buffers are for messages that can not write themselves.
var buffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

func (w *bodyWriter) copy(r io.Reader) error {
	if wt, ok := r.(io.WriterTo); ok {
		_, err := wt.WriteTo(w)
		return err
	}
	buf := buffers.Get().(*[32 << 10]byte)
	defer buffers.Put(buf)
	_, err := io.CopyBuffer(w, struct{ io.Reader }{r}, buf[:])
	return err
}
