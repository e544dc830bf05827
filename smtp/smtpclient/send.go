// Sending a message: the envelope, pipelined where that is offered.

package smtpclient

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/mailwire/mailwire/internal/netconn"
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
// server offers PIPELINING, and a short message too where it offers CHUNKING.
//
// The Result has a verdict for each recipient, in the envelope's order: one
// that was refused spoils no other. The error is nil if anyone got the
// message. Otherwise it says what failed: an *smtp.Error is a refusal, an
// *ExtensionError something that the server does not offer, an
// *smtpwire.EncodeError a value that can not be sent; nothing was sent in the
// last two cases. After any other error the connection is closed, and if the
// message had been sent, whether the server took it is not known. See
// [Temporary] for whether to try again.
//
// A size that is not declared is taken from message where it has a Len method
// or is a file. SMTPUTF8 is added where a path needs it, and where the server does
// not offer it domains are sent as A-labels. SIZE and AUTH= are left out where
// they are not offered, and what Options.Optional says.
//
// After a refusal the connection is ready for the next message.
func (c *Client) Send(ctx context.Context, env *smtp.Envelope, message io.Reader) (*smtp.Result, error) {
	done, err := c.begin(ctx)
	if err != nil {
		return failed(env, err), err
	}
	defer done()
	t, err := c.open(env, message)
	if err != nil {
		return failed(env, err), err
	}
	ahead, err := c.ahead(t.env, t.body)
	if err != nil {
		return failed(env, err), fmt.Errorf("smtpclient: message: %w", err)
	}
	switch {
	case ahead != nil:
		if m := &t.cmds[0].Mail; m.Body == smtp.BodyUnstated && c.ext.Has("8BITMIME") && !isASCII(ahead) {
			m.Body = smtp.Body8BitMIME
		}
		t.cmds[0].Mail.Size = sizeParam(t.cmds[0].Mail.Size, len(ahead))
		t.cmds = append(t.cmds, &smtpwire.Command{Verb: smtpwire.BDAT, Size: int64(len(ahead)), Last: true})
		t.ahead = ahead
	case !c.chunks(t.env.Options.Body):
		t.cmds = append(t.cmds, &smtpwire.Command{Verb: smtpwire.DATA})
	}
	if err = t.envelope(); err == nil && ahead == nil {
		err = t.message()
	}
	t.settle(err)
	return t.res, err
}

// sizeParam is the value of SIZE, where it is sent, once the size is known.
func sizeParam(said int64, size int) int64 {
	if said == 0 {
		return 0
	}
	return int64(size)
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// failed is the Result of a message that did not get as far as a recipient.
func failed(env *smtp.Envelope, err error) *smtp.Result {
	res := &smtp.Result{Recipients: make([]smtp.Verdict, len(env.To))}
	for i := range res.Recipients {
		res.Recipients[i].Err = err
	}
	return res
}

// transaction is one message on its way.
type transaction struct {
	c     *Client
	env   *smtp.Envelope // as it is sent
	body  io.Reader
	cmds  []*smtpwire.Command
	ahead []byte // the message, sent behind BDAT as the last command
	// sentAhead: it may have arrived.
	sentAhead bool
	res       *smtp.Result
	mail      error // MAIL was refused
	data      error // DATA or BDAT was refused; nil and !ready: it was not sent
	// ready says that the server waits for the message, or has it.
	ready    bool
	accepted []int // indices of the recipients accepted
}

// open makes the commands MAIL and RCPT, checked: once one is sent, all can
// be. Nothing is sent.
func (c *Client) open(env *smtp.Envelope, message io.Reader) (*transaction, error) {
	if len(env.To) == 0 {
		return nil, errors.New("smtpclient: the envelope has no recipients")
	}
	fitted, body, err := c.fit(env, message)
	if err != nil {
		return nil, err
	}
	t := &transaction{c: c, env: fitted, body: body, res: &smtp.Result{Recipients: make([]smtp.Verdict, len(env.To))}}
	t.cmds = make([]*smtpwire.Command, 0, len(env.To)+2)
	mail, err := c.mailCommand(fitted.From, &fitted.Options)
	if err != nil {
		return nil, err
	}
	t.cmds = append(t.cmds, mail)
	for i := range fitted.To {
		rcpt, err := c.rcptCommand(fitted.To[i].Path, &fitted.To[i].Options)
		if err != nil {
			return nil, fmt.Errorf("recipient %d: %w", i, err)
		}
		t.cmds = append(t.cmds, rcpt)
	}
	return t, nil
}

// settle gives those recipients a verdict that have none.
func (t *transaction) settle(err error) {
	if err == nil {
		return
	}
	for i := range t.res.Recipients {
		if v := &t.res.Recipients[i]; v.Err == nil {
			v.Err = err
		}
	}
}

// How many commands, and octets of them, are under way at most: they and
// their replies fit into the buffers between the two, so that neither waits
// for the other to read.
const (
	window       = 400
	windowOctets = 16 << 10
)

// envelope sends the commands. It is nil if the message can be sent now, or
// was.
func (t *transaction) envelope() error {
	if err := t.c.unasked("MAIL"); err != nil {
		return err
	}
	var err error
	if t.c.ext.Has("PIPELINING") {
		err = t.pipelined()
	} else {
		err = t.stepwise()
	}
	if err != nil {
		return err
	}
	return t.envelopeDone()
}

func (t *transaction) pipelined() error {
	sent, read, octets := 0, 0, 0
	sizes := make([]int, len(t.cmds))
	for read < len(t.cmds) {
		// Half a window is kept in flight: what comes back makes room.
		for sent < len(t.cmds) && sent-read < window && octets < windowOctets {
			if t.mail != nil && sent-read == 0 {
				return nil
			}
			n, err := t.c.writeCounted(t.cmds[sent])
			if err != nil {
				return err
			}
			sizes[sent] = n
			octets += n
			sent++
		}
		if sent == len(t.cmds) && t.ahead != nil {
			if err := t.writeAhead(); err != nil {
				return err
			}
		}
		for mark := read + (sent-read+1)/2; read < mark || sent == len(t.cmds) && read < sent; read++ {
			if err := t.reply(read, t.cmds[read]); err != nil {
				return err
			}
			octets -= sizes[read]
		}
		if t.mail != nil && sent < len(t.cmds) {
			for ; read < sent; read++ {
				if err := t.reply(read, t.cmds[read]); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return nil
}

func (t *transaction) writeAhead() error {
	was := t.c.net.MarkWrite(netconn.Payload)
	_, err := t.c.net.Write(t.ahead)
	t.c.net.MarkWrite(was)
	t.ahead, t.sentAhead = nil, true
	if err != nil {
		return t.c.lastWords(err)
	}
	return nil
}

func (t *transaction) stepwise() error {
	for i, cmd := range t.cmds {
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
	return nil
}

// reply reads the reply to the i-th command and notes what it means. An error
// is the connection's.
func (t *transaction) reply(i int, cmd *smtpwire.Command) error {
	if cmd.Verb == smtpwire.BDAT {
		t.c.net.SetIdleTimeout(t.c.opts.FinalTimeout)
		defer t.c.net.SetIdleTimeout(t.c.opts.CommandTimeout)
	}
	r, err := t.c.readReply(label(cmd))
	if err != nil {
		if t.sentAhead {
			err = &SentError{err}
		}
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
	case smtpwire.BDAT:
		if t.ready = ok; !ok {
			t.data = refusal(&r, "BDAT")
		}
		t.res.Reply = r
		for _, j := range t.accepted {
			t.res.Recipients[j] = smtp.Verdict{Reply: r, Err: t.data}
		}
	}
	return nil
}

// last is the command that follows RCPT, empty for none.
func (t *transaction) last() smtpwire.Verb { return t.cmds[len(t.cmds)-1].Verb }

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
	case t.ready || t.last() == smtpwire.RCPT:
		return nil
	default:
		why = t.data
	}
	if t.ready && t.last() == smtpwire.DATA {
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
		t.c.reset()
	}
	return why
}

// message sends the message and sorts the verdicts.
func (t *transaction) message() error {
	res, err := t.c.sendBody(t.body, t.env.Options.Body, len(t.accepted))
	t.sort(res)
	return err
}

// sort puts the verdicts of those who were accepted in their places.
func (t *transaction) sort(res *smtp.Result) {
	if res == nil {
		return
	}
	t.res.Reply = res.Reply
	for i, v := range res.Recipients {
		t.res.Recipients[t.accepted[i]] = v
	}
}
