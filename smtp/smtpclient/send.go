// Sending a message: the envelope, pipelined where that is offered, and the
// body.

package smtpclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/mailwire/mailwire/internal/netconn"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpwire"
)

// Send sends one message over a connection of its own; see Dial and
// Client.Send.
func Send(ctx context.Context, addr string, env *smtp.Envelope, message io.Reader, o *Options) (*smtp.Result, error) {
	c, err := Dial(ctx, addr, o)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	res, err := c.Send(ctx, env, message)
	// The verdicts stand, whatever becomes of the goodbye.
	_ = c.Quit(ctx)
	return res, err
}

// Send sends one message. MAIL, all RCPT and DATA go out together where the
// server offers PIPELINING.
//
// The Result has a verdict for each recipient, in the envelope's order: one
// that was refused spoils no other. The error is nil if anyone got the
// message. Otherwise it says what failed: an *smtp.Error is a refusal, an
// *ExtensionError something that the server does not offer, an
// *smtpwire.EncodeError a value that can not be sent; nothing was sent in the
// last two cases. After any other error the connection is closed, and if the
// message had been sent, whether the server took it is not known.
//
// A size that is not declared is taken from message where it has a Len
// method. SMTPUTF8 is added where a path needs it. SIZE and AUTH= are left out
// where they are not offered.
//
// After a refusal the connection is ready for the next message.
func (c *Client) Send(ctx context.Context, env *smtp.Envelope, message io.Reader) (*smtp.Result, error) {
	cmds, err := c.envelope(env, message)
	if err != nil {
		return failed(env, err), err
	}
	done, err := c.begin(ctx)
	if err != nil {
		return failed(env, err), err
	}
	defer done()
	t := transaction{c: c, env: env, res: &smtp.Result{Recipients: make([]smtp.Verdict, len(env.To))}}
	if err := c.unasked("MAIL"); err != nil {
		return failed(env, err), err
	}
	if c.ext.Has("PIPELINING") {
		err = t.pipelined(cmds)
	} else {
		err = t.stepwise(cmds)
	}
	if err == nil {
		err = t.message(message)
	}
	if err != nil {
		for i := range t.res.Recipients {
			if v := &t.res.Recipients[i]; v.Err == nil {
				v.Err = err
			}
		}
	}
	return t.res, err
}

// failed is the Result of a message that did not get as far as a recipient.
func failed(env *smtp.Envelope, err error) *smtp.Result {
	res := &smtp.Result{Recipients: make([]smtp.Verdict, len(env.To))}
	for i := range res.Recipients {
		res.Recipients[i].Err = err
	}
	return res
}

// envelope makes the commands MAIL and RCPT, checked: once one is sent, all
// can be.
func (c *Client) envelope(env *smtp.Envelope, message io.Reader) ([]*smtpwire.Command, error) {
	if len(env.To) == 0 {
		return nil, errors.New("smtpclient: the envelope has no recipients")
	}
	o := env.Options
	o.UTF8 = o.UTF8 || env.NeedsUTF8()
	if l, ok := message.(interface{ Len() int }); ok && o.Size == 0 {
		o.Size = int64(l.Len())
	}
	cmds := make([]*smtpwire.Command, 0, len(env.To)+2)
	mail, err := c.mailCommand(env.From, &o)
	if err != nil {
		return nil, err
	}
	cmds = append(cmds, mail)
	for i := range env.To {
		rcpt, err := c.rcptCommand(env.To[i].Path, &env.To[i].Options)
		if err != nil {
			return nil, fmt.Errorf("recipient %d: %w", i, err)
		}
		cmds = append(cmds, rcpt)
	}
	return append(cmds, &smtpwire.Command{Verb: smtpwire.DATA}), nil
}

// mailCommand is MAIL with the parameters that the server offers.
func (c *Client) mailCommand(from smtp.Path, o *smtp.MailOptions) (*smtpwire.Command, error) {
	cmd := &smtpwire.Command{Verb: smtpwire.MAIL, Path: from}
	if o != nil {
		cmd.Mail = *o
	}
	m := &cmd.Mail
	needs := func(extension, what string) (*smtpwire.Command, error) {
		return nil, &ExtensionError{Extension: extension, For: what}
	}
	switch {
	case (m.UTF8 || from.NeedsUTF8()) && !c.ext.Has("SMTPUTF8"):
		return needs("SMTPUTF8", "an internationalized address or message")
	case m.Body == smtp.Body8BitMIME && !c.ext.Has("8BITMIME"):
		return needs("8BITMIME", "a message that is not ASCII")
	case m.Body == smtp.BodyBinaryMIME:
		return needs("BINARYMIME", "a binary message")
	case (m.Return != 0 || m.EnvelopeID != "") && !c.ext.Has("DSN"):
		return needs("DSN", "RET and ENVID")
	case len(m.Other) > 0 && !c.esmtp:
		return needs("EHLO", "the parameter "+m.Other[0].Name)
	}
	m.UTF8 = m.UTF8 || from.NeedsUTF8()
	if m.Body == smtp.Body7Bit && !c.ext.Has("8BITMIME") {
		m.Body = smtp.BodyUnstated
	}
	if !c.ext.Has("AUTH") {
		m.Auth = nil
	}
	limit, ok := c.ext.Size()
	if limit > 0 && m.Size > limit {
		return nil, smtp.Errorf(552, smtp.EnhancedCode{5, 3, 4}, "message of %d octets is larger than the server's limit of %d", m.Size, limit)
	}
	if !ok {
		m.Size = 0
	}
	return cmd, check(cmd)
}

func (c *Client) rcptCommand(to smtp.Path, o *smtp.RcptOptions) (*smtpwire.Command, error) {
	cmd := &smtpwire.Command{Verb: smtpwire.RCPT, Path: to}
	if o != nil {
		cmd.Rcpt = *o
	}
	switch {
	case to.NeedsUTF8() && !c.ext.Has("SMTPUTF8"):
		return nil, &ExtensionError{Extension: "SMTPUTF8", For: "an internationalized address"}
	case (cmd.Rcpt.Notify != 0 || cmd.Rcpt.Original.Type != "") && !c.ext.Has("DSN"):
		return nil, &ExtensionError{Extension: "DSN", For: "NOTIFY and ORCPT"}
	case len(cmd.Rcpt.Other) > 0 && !c.esmtp:
		return nil, &ExtensionError{Extension: "EHLO", For: "the parameter " + cmd.Rcpt.Other[0].Name}
	}
	return cmd, check(cmd)
}

// check says whether a command can be sent at all.
func check(cmd *smtpwire.Command) error {
	b, err := smtpwire.AppendCommand(nil, cmd)
	if err == nil && len(b) > cmd.Verb.MaxLine() {
		err = &smtpwire.EncodeError{Field: label(cmd), Reason: "the line is too long"}
	}
	return err
}

// transaction is one message on its way.
type transaction struct {
	c    *Client
	env  *smtp.Envelope
	res  *smtp.Result
	mail error // MAIL was refused
	data error // DATA was refused; nil and !ready: it was not sent
	// ready says that the server waits for the message.
	ready    bool
	accepted []int // indices of the recipients accepted
}

// window is how many commands are under way at most: their replies fit into
// the buffers between the two, so that a server that is not read from does
// not stop reading.
const window = 100

func (t *transaction) pipelined(cmds []*smtpwire.Command) error {
	for i := 0; i < len(cmds); i += window {
		batch := cmds[i:min(i+window, len(cmds))]
		for _, cmd := range batch {
			if err := t.c.write(cmd); err != nil {
				return err
			}
		}
		for j, cmd := range batch {
			if err := t.reply(i+j, cmd); err != nil {
				return err
			}
		}
		if t.mail != nil && i+window < len(cmds) {
			break
		}
	}
	return t.envelopeDone()
}

func (t *transaction) stepwise(cmds []*smtpwire.Command) error {
	for i, cmd := range cmds {
		if cmd.Verb == smtpwire.DATA && len(t.accepted) == 0 {
			break
		}
		if err := t.c.write(cmd); err != nil {
			return err
		}
		if err := t.reply(i, cmd); err != nil {
			return err
		}
		if t.mail != nil {
			break
		}
	}
	return t.envelopeDone()
}

// reply reads the reply to the i-th command and notes what it means. An error
// is the connection's.
func (t *transaction) reply(i int, cmd *smtpwire.Command) error {
	r, err := t.c.readReply(label(cmd))
	if err != nil {
		return err
	}
	if t.c.err != nil {
		return t.c.err
	}
	ok := r.Code >= 200 && r.Code <= 299
	switch cmd.Verb {
	case smtpwire.MAIL:
		if !ok {
			t.mail = refusal(&r, label(cmd))
		}
	case smtpwire.RCPT:
		v := &t.res.Recipients[i-1]
		v.Reply = r
		if !ok {
			v.Err = refusal(&r, label(cmd))
		} else {
			t.accepted = append(t.accepted, i-1)
		}
	case smtpwire.DATA:
		if t.ready = r.Code == 354; !t.ready {
			t.data = refusal(&r, "DATA")
		}
	}
	return nil
}

// envelopeDone is nil if the message can be sent now. If it can not, the
// server is left ready for another one.
func (t *transaction) envelopeDone() error {
	why := t.mail
	switch {
	case why != nil:
		// The refusals of what followed say nothing.
		for i := range t.res.Recipients {
			t.res.Recipients[i] = smtp.Verdict{Err: why}
		}
	case len(t.accepted) == 0:
		why = t.res.Err()
	case t.ready:
		return nil
	default:
		why = t.data
	}
	if t.ready {
		// RFC 2920 section 3.1: 354 in spite of it, answered by nothing;
		// unless that would be a message to somebody.
		if t.c.opts.LMTP || len(t.accepted) > 0 {
			t.c.protocol("DATA", "the server wants a message that was refused")
			return why
		}
		if _, err := t.c.net.WriteString(".\r\n"); err != nil {
			t.c.broken("DATA", err)
		} else if r, err := t.c.readReply("DATA"); err == nil && r.Code/100 == 2 {
			return why
		}
	}
	if t.c.err == nil && t.mail == nil {
		if r, err := t.c.command(&smtpwire.Command{Verb: smtpwire.RSET}); err == nil && !r.Positive() {
			t.c.fail(refusal(&r, "RSET"))
		}
	}
	return why
}

// message sends the message and sorts the verdicts.
func (t *transaction) message(r io.Reader) error {
	res, err := t.c.sendBody(r, len(t.accepted))
	if res != nil {
		t.res.Reply = res.Reply
		for i, v := range res.Recipients {
			t.res.Recipients[t.accepted[i]] = v
		}
	}
	return err
}

// sendBody sends a message behind 354, to n recipients. The error is nil if
// anyone got it.
func (c *Client) sendBody(r io.Reader, n int) (*smtp.Result, error) {
	was := c.net.MarkWrite(netconn.Payload)
	w := wire.NewDotWriter(c.net, c.opts.BareLineEnds.policy())
	out := &sink{w: w}
	copied := false
	defer func() {
		if !copied {
			c.fail(errors.New("smtpclient: message: its reader panicked"))
		}
	}()
	err := out.copy(r)
	copied = true
	if err == nil {
		err = out.put(w.Close())
	}
	c.net.MarkWrite(was)
	var bare *wire.SyntaxError
	switch {
	case out.err != nil && !errors.As(err, &bare):
		return nil, c.lastWords(err)
	case err != nil:
		return nil, c.broken("message", err)
	}
	c.net.SetIdleTimeout(c.opts.FinalTimeout)
	defer c.net.SetIdleTimeout(c.opts.CommandTimeout)
	res := &smtp.Result{Recipients: make([]smtp.Verdict, n)}
	var first error
	for i := range n {
		// SMTP has one reply for all, LMTP one for each.
		if i == 0 || c.opts.LMTP {
			if res.Reply, err = c.readReply("DATA"); err != nil {
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
			v.Err = refusal(&v.Reply, "DATA")
			if first == nil {
				first = v.Err
			}
		}
		if c.err != nil && c.opts.LMTP && i+1 < n {
			unheard(res, i+1, c.err)
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

// sink tells the errors of writing a message from those of reading it.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	return n, s.put(err)
}

func (s *sink) put(err error) error {
	if s.err == nil {
		s.err = err
	}
	return err
}

// buffers are for messages that can not write themselves.
var buffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

func (s *sink) copy(r io.Reader) error {
	if w, ok := r.(io.WriterTo); ok {
		_, err := w.WriteTo(s)
		return err
	}
	buf := buffers.Get().(*[32 << 10]byte)
	defer buffers.Put(buf)
	_, err := io.CopyBuffer(s, struct{ io.Reader }{r}, buf[:])
	return err
}
