// The message, by DATA or in chunks, and its verdicts.

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

// source is what a message is read from: by DATA a *wire.DotReader, else
// *chunks.
type source interface {
	io.Reader
	io.WriterTo
}

// body is the message as Session.Data reads it. By DATA, the first read asks
// the client for it.
type body struct {
	mu     sync.Mutex
	c      *Conn
	src    source
	dot    *wire.DotReader
	chunks *chunks
	was    netconn.Span
	to     errWriter // of WriteTo

	err   error // what the backend was told, beyond which it reads nothing
	fail  error // the connection broke
	ended bool  // fail is the session's end, which was said already
	rule  *smtp.Error
	said  bool // rule was said already
	over  bool
}

func (b *body) begin() error {
	if b.over {
		return errBodyOver
	}
	if b.err != nil || b.src != nil {
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
	b.src = b.dot
	return nil
}

func (b *body) failed(err error) error {
	b.err, b.fail = err, err
	return err
}

// check sorts an error of the source: a rule that the message broke, or the
// connection.
func (b *body) check(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	var long *wire.LimitError
	var own *smtp.Error
	switch {
	case b.fail != nil:
		return b.fail
	case err == errGivenUp:
		b.err = err
		return err
	case b.chunks != nil && errors.As(err, &own):
		b.rule = own
	case b.c.net.Reader().Err() != nil:
		return b.failed(err)
	case errors.Is(err, wire.ErrBareCR), errors.Is(err, wire.ErrBareLF):
		b.rule = errBare
	case errors.As(err, &long) && long.What == "body":
		b.rule = tooLarge(long.Limit)
	case errors.As(err, &long):
		b.rule = longLine(int(long.Limit))
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
	if len(p) == 0 {
		return 0, nil
	}
	n, err := b.src.Read(p)
	return n, b.check(err)
}

// WriteTo writes the rest of the message to w, uncopied.
func (b *body) WriteTo(w io.Writer) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.begin(); err != nil {
		return 0, err
	}
	b.to = errWriter{w: w}
	n, err := b.src.WriteTo(&b.to)
	if b.to.err != nil {
		return n, b.to.err
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

// release gives back what a message in chunks holds, of a session that ends
// in its middle.
func (b *body) release() {
	if b != nil && b.chunks != nil {
		b.chunks.release()
	}
}

func (c *Conn) drainLimit() int64 {
	if limit := c.srv.lim.MaxDrain; limit > 0 {
		return limit
	}
	return math.MaxInt64
}

// finish gets to the message's real end, or to that of the chunk where a
// message in chunks is refused. asked is false if the client was never asked
// for it. An error is the connection's.
func (b *body) finish(accepted bool) (asked bool, err error) {
	b.close()
	switch {
	case b.fail != nil || b.src == nil:
		return false, b.fail
	case b.chunks != nil:
		err := b.chunks.drain(accepted && b.err == nil)
		_ = b.check(b.chunks.end)
		return true, err
	}
	err = b.dot.Drain(b.c.drainLimit())
	b.c.net.MarkRead(b.was)
	b.c.net.SetIdleTimeout(b.c.srv.lim.CommandTimeout)
	return true, err
}

// data runs DATA.
func (c *Conn) data(ctx context.Context, _ *smtpwire.Command) error {
	switch {
	case len(c.env.To) == 0:
		// RFC 2033 section 4.2 has 503 for LMTP, RFC 5321 section 3.3
		// either.
		return c.refuse(503, codeOrder, "No valid recipients")
	case c.env.Options.Body == smtp.BodyBinaryMIME:
		// RFC 3030 section 3.
		return c.refuse(503, codeOrder, "BINARYMIME comes by BDAT")
	}
	return c.message(ctx, &body{c: c})
}

// bdat runs the first BDAT or BURL of a message.
func (c *Conn) bdat(ctx context.Context, cmd *smtpwire.Command) error {
	b := &body{c: c}
	k := &chunks{c: c, ctx: ctx, b: b}
	k.text.policy, k.text.max = c.srv.BareLineEnds, c.srv.lim.MaxTextLine
	if c.env.Options.Body == smtp.BodyBinaryMIME {
		k.text.policy, k.text.max = BarePass, 0
	}
	if over := k.tooMuch(cmd.Size); over != nil {
		err := c.skipChunk(cmd.Size, over.Reply(), c.answers(cmd))
		c.endTransaction(ctx)
		return err
	}
	if r := k.begin(cmd); r != nil {
		err := c.skipChunk(0, r.Reply(), c.answers(cmd))
		c.endTransaction(ctx)
		return err
	}
	b.src, b.chunks = k, k
	return c.message(ctx, b)
}

// message has the Session take a message.
func (c *Conn) message(ctx context.Context, b *body) error {
	env := c.env
	c.body = b
	res, err := c.sess.Data(ctx, env, b)
	asked, broken := b.finish(err == nil)
	if c.net.Hijacked() {
		return errDone
	}
	if broken != nil {
		return c.dataBroken(b, broken)
	}
	if err == nil && !asked && b.rule == nil {
		// Accepted without a look: the client has a message to send still.
		b = &body{c: c}
		c.body = b
		if err := b.begin(); err != nil {
			return err
		}
		if _, broken := b.finish(true); broken != nil {
			return c.dataBroken(b, broken)
		}
		asked = true
	}
	c.body = nil
	if b.err == errGivenUp {
		c.endTransaction(ctx)
		cmd := c.pending
		c.pending = nil
		return c.run(ctx, cmd, nil)
	}
	if b.rule != nil {
		err = b.rule
	}
	// The time of the transaction was for the client's part of it.
	c.net.SetTransactionDeadline(time.Time{})
	if !b.said {
		each := c.srv.LMTP && asked && (b.chunks == nil || b.chunks.whole())
		err = c.verdict(env, res, err, each)
	} else {
		err = nil
	}
	c.endTransaction(ctx)
	return err
}

// dataBroken ends a session whose message did not come to its end: what
// follows must not be read as commands.
func (c *Conn) dataBroken(b *body, err error) error {
	var long *wire.LimitError
	switch {
	case b.ended:
		return err
	case b.rule != nil && errors.As(err, &long):
		r := b.rule.Reply()
		return c.bye(&r)
	case b.chunks != nil && errors.As(err, &long):
		return c.bye(&smtp.Reply{Code: 421, EnhancedCode: codePolicy4, Lines: []string{"Chunk too large to be thrown away"}})
	}
	return c.chunkBroken(err)
}

// verdict says what became of the message: for each recipient in LMTP.
func (c *Conn) verdict(env *smtp.Envelope, res *smtp.Result, err error, each bool) error {
	if res == nil {
		res = &smtp.Result{}
	}
	if !each {
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
			refused := c.refusal(e)
			out = &refused
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

// plainlyAccepted is what most messages get. Nothing writes to it.
var plainlyAccepted = smtp.Reply{Code: 250, EnhancedCode: codeOK, Lines: []string{"Message accepted"}}

// accepted is the positive reply to a message, with the backend's text.
func accepted(r *smtp.Reply) *smtp.Reply {
	if r.EnhancedCode.IsZero() && len(r.Lines) == 0 {
		return &plainlyAccepted
	}
	out := &smtp.Reply{Code: 250, EnhancedCode: codeOK, Lines: plainlyAccepted.Lines}
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
