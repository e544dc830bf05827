// DATA: the message and its verdicts.

package smtpserver

import (
	"context"
	"errors"
	"io"
	"math"
	"sync"
	"time"

	"github.com/mailwire/mailwire/internal/netconn"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpwire"
)

var (
	errBodyOver = errors.New("smtpserver: read of a message after Data returned")
	codeMedia   = smtp.EnhancedCode{5, 6, 0}
)

// body is the message as Session.Data reads it. The first read asks the
// client for it.
type body struct {
	mu  sync.Mutex
	c   *Conn
	dot *wire.DotReader
	was netconn.Span

	err  error // what the backend was told, beyond which it reads nothing
	fail error // the connection broke
	rule *smtp.Error
	over bool
}

func (b *body) begin() error {
	if b.over {
		return errBodyOver
	}
	if b.err != nil || b.dot != nil {
		return b.err
	}
	c := b.c
	if err := c.say(354, smtp.EnhancedCode{}, "End data with <CR><LF>.<CR><LF>"); err != nil {
		return b.failed(err)
	}
	if err := c.net.Flush(); err != nil {
		return b.failed(err)
	}
	c.took = true
	c.net.SetIdleTimeout(c.srv.lim.DataTimeout)
	b.was = c.net.MarkRead(netconn.Payload)
	b.dot = c.net.Reader().DotBody(wire.DotOptions{
		Bare:    c.srv.BareLineEnds.policy(),
		MaxSize: c.srv.lim.MaxMessageSize,
		MaxLine: c.srv.lim.MaxTextLine,
	})
	return nil
}

func (b *body) failed(err error) error {
	b.err, b.fail = err, err
	return err
}

// check sorts an error of the DotReader: a rule that the message broke, or
// the connection.
func (b *body) check(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	var long *wire.LimitError
	switch {
	case b.c.net.Reader().Err() != nil:
		return b.failed(err)
	case errors.Is(err, wire.ErrBareCR), errors.Is(err, wire.ErrBareLF):
		b.rule = smtp.Errorf(550, codeMedia, "Message holds a CR or LF alone, lines must end in CRLF")
	case errors.As(err, &long) && long.What == "body":
		b.rule = tooLarge(long.Limit)
	case errors.As(err, &long):
		b.rule = smtp.Errorf(550, codeMedia, "Message has a line longer than the limit of %d octets", long.Limit)
	default:
		return b.failed(err)
	}
	b.err = b.rule
	return b.rule
}

// Read reads the message.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.begin(); err != nil {
		return 0, err
	}
	n, err := b.dot.Read(p)
	return n, b.check(err)
}

// WriteTo writes the rest of the message to w, uncopied.
func (b *body) WriteTo(w io.Writer) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.begin(); err != nil {
		return 0, err
	}
	e := &errWriter{w: w}
	n, err := b.dot.WriteTo(e)
	if e.err != nil {
		return n, e.err
	}
	return n, b.check(err)
}

// errWriter tells the errors of a writer from those of the reader.
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

// close ends the backend's use of the message. It is harmless on a nil body.
func (b *body) close() {
	if b != nil {
		b.mu.Lock()
		b.over = true
		b.mu.Unlock()
	}
}

// finish gets to the message's real end. asked is false if the client was
// never asked for it. An error is the connection's.
func (b *body) finish() (asked bool, err error) {
	b.close()
	if b.fail != nil || b.dot == nil {
		return false, b.fail
	}
	limit := b.c.srv.lim.MaxDrain
	if limit == 0 {
		limit = math.MaxInt64
	}
	err = b.dot.Drain(limit)
	b.c.net.MarkRead(b.was)
	b.c.net.SetIdleTimeout(b.c.srv.lim.CommandTimeout)
	return true, err
}

// data runs DATA.
func (c *Conn) data(ctx context.Context, _ *smtpwire.Command) error {
	if len(c.env.To) == 0 {
		// RFC 2033 section 4.2 has 503 for LMTP, RFC 5321 section 3.3
		// either.
		return c.refuse(503, codeOrder, "No valid recipients")
	}
	env := c.env
	b := &body{c: c}
	c.body = b
	res, err := c.sess.Data(ctx, env, b)
	asked, broken := b.finish()
	c.body = nil
	if c.net.Hijacked() {
		return errDone
	}
	if broken != nil {
		return c.dataBroken(b, broken)
	}
	if b.rule != nil {
		err = b.rule
	}
	if err == nil && !asked {
		// Accepted without a look: the client has a message to send still.
		b = &body{c: c}
		if err := b.begin(); err != nil {
			return err
		}
		if _, broken := b.finish(); broken != nil {
			return c.dataBroken(b, broken)
		}
		asked = true
	}
	// The time of the transaction was for the client's part of it.
	c.net.SetTransactionDeadline(time.Time{})
	err = c.verdict(env, res, err, asked)
	c.endTransaction(ctx)
	return err
}

// dataBroken ends a session whose message did not come to its end: what
// follows must not be read as commands.
func (c *Conn) dataBroken(b *body, err error) error {
	var long *wire.LimitError
	if b.rule != nil && errors.As(err, &long) {
		r := b.rule.Reply()
		return c.bye(&r)
	}
	if err == io.ErrUnexpectedEOF {
		return &violation{"connection closed by the client inside a message"}
	}
	return c.readFailed(err)
}

// verdict says what became of the message.
func (c *Conn) verdict(env *smtp.Envelope, res *smtp.Result, err error, asked bool) error {
	if res == nil {
		res = &smtp.Result{}
	}
	if !c.srv.LMTP || !asked {
		if err == nil {
			err = fold(env, res)
		}
		if err != nil {
			return c.refuseErr(err)
		}
		c.forgive()
		return c.write(accepted(&res.Reply))
	}
	// All verdicts are said before anything else can happen: a client that
	// misses one delivers again.
	for i := range env.To {
		e, r := err, &res.Reply
		if e == nil {
			var v smtp.Verdict
			if v, e = verdictOf(res, i); len(v.Reply.Lines) > 0 {
				r = &v.Reply
			}
		}
		out := accepted(r)
		if e != nil {
			*out = c.refusal(e)
		} else {
			c.forgive()
		}
		if err := c.write(out); err != nil {
			return err
		}
	}
	return nil
}

// refusal is a backend's error as one of many replies: 421 would end the
// conversation.
func (c *Conn) refusal(err error) smtp.Reply {
	c.logFailure(err)
	r := smtp.AsError(err).Reply()
	if r.Code == 421 {
		r.Code = 451
	}
	return r
}

func verdictOf(res *smtp.Result, i int) (smtp.Verdict, error) {
	if res.Recipients == nil {
		return smtp.Verdict{}, nil
	}
	if i >= len(res.Recipients) {
		return smtp.Verdict{}, errors.New("smtpserver: the backend has no verdict for a recipient")
	}
	return res.Recipients[i], res.Recipients[i].Err
}

// fold makes one verdict of many: nil if anyone was accepted.
func fold(env *smtp.Envelope, res *smtp.Result) error {
	var first error
	for i := range env.To {
		_, err := verdictOf(res, i)
		if err == nil {
			return nil
		}
		if first == nil || smtp.AsError(err).Temporary() && !smtp.AsError(first).Temporary() {
			first = err
		}
	}
	return first
}

// accepted is the positive reply to a message, with the backend's text.
func accepted(r *smtp.Reply) *smtp.Reply {
	out := &smtp.Reply{Code: 250, EnhancedCode: codeOK, Lines: []string{"Message accepted"}}
	if r.EnhancedCode.Valid() && r.EnhancedCode[0] == 2 {
		out.EnhancedCode = r.EnhancedCode
	}
	if len(r.Lines) > 0 {
		out.Lines = nil
		for _, l := range r.Lines {
			out.Lines = append(out.Lines, smtp.CleanText(l))
		}
	}
	return out
}
