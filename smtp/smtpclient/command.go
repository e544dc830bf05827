// Commands and their replies, one at a time.

package smtpclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/mailwire/mailwire/internal/netconn"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpwire"
)

// begin starts a call: nobody else's is going on, and ctx interrupts it.
func (c *Client) begin(ctx context.Context) (done func(), err error) {
	if !c.busy.CompareAndSwap(false, true) {
		return nil, ErrBusy
	}
	if c.err != nil {
		c.busy.Store(false)
		return nil, fmt.Errorf("%w: %w", ErrClosed, c.err)
	}
	if err := context.Cause(ctx); err != nil {
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
	return c.fail(fmt.Errorf("smtpclient: %s: %w", what, err))
}

// protocol is the error of a server that does not speak the protocol.
func (c *Client) protocol(what, msg string) error {
	return c.fail(fmt.Errorf("smtpclient: %s: %s", what, msg))
}

// refusal is the error of a reply that is not the one wanted.
func refusal(r *smtp.Reply, what string) error {
	if err := r.Err(what); err != nil {
		return err
	}
	return fmt.Errorf("smtpclient: %s: unexpected reply %s", what, smtp.CleanText(r.String()))
}

// readReply reads one reply. 421 ends the connection, whatever it answers.
func (c *Client) readReply(what string) (smtp.Reply, error) {
	for {
		line, err := c.net.Reader().Line(0)
		if err != nil {
			return smtp.Reply{}, c.broken(what, err)
		}
		r, done, err := c.parser.Line(line)
		if err != nil {
			return r, c.broken(what, err)
		}
		if done {
			if r.Code == 421 {
				c.fail(r.Err(what))
			}
			return r, nil
		}
	}
}

// unasked deals with what the server said without being asked: 421 is its
// right, all else would be taken for the next command's reply.
func (c *Client) unasked(what string) error {
	if c.net.Buffered() == 0 {
		return nil
	}
	r, err := c.readReply(what)
	if err != nil {
		return err
	}
	if r.Code == 421 {
		return r.Err(what)
	}
	return c.protocol(what, "the server spoke without being asked: "+smtp.CleanText(r.String()))
}

// label is a command without its parameters, for errors.
func label(cmd *smtpwire.Command) string {
	switch cmd.Verb {
	case smtpwire.MAIL:
		return "MAIL FROM:<" + cmd.Path.String() + ">"
	case smtpwire.RCPT:
		return "RCPT TO:<" + cmd.Path.String() + ">"
	}
	return string(cmd.Verb)
}

// write puts a command into the output, which goes out with the next wait.
func (c *Client) write(cmd *smtpwire.Command) error {
	_, err := c.writeCounted(cmd)
	return err
}

// writeCounted is write, and says how many octets it were.
func (c *Client) writeCounted(cmd *smtpwire.Command) (int, error) {
	b, err := smtpwire.AppendCommand(c.net.AvailableBuffer(), cmd)
	if err != nil {
		return 0, err
	}
	if _, err := c.net.Write(b); err != nil {
		return 0, c.broken(label(cmd), err)
	}
	return len(b), nil
}

// command sends a command and reads its reply, which may be any.
func (c *Client) command(cmd *smtpwire.Command) (smtp.Reply, error) {
	if err := c.unasked(label(cmd)); err != nil {
		return smtp.Reply{}, err
	}
	if err := c.write(cmd); err != nil {
		return smtp.Reply{}, err
	}
	return c.readReply(label(cmd))
}

// run is command whose reply must be positive.
func (c *Client) run(ctx context.Context, cmd *smtpwire.Command) (smtp.Reply, error) {
	done, err := c.begin(ctx)
	if err != nil {
		return smtp.Reply{}, err
	}
	defer done()
	r, err := c.command(cmd)
	if err == nil && (r.Code < 200 || r.Code > 299) {
		err = refusal(&r, label(cmd))
	}
	return r, err
}

// Do sends any command that has one reply and changes nothing of the
// connection, and returns the reply, whichever it is.
func (c *Client) Do(ctx context.Context, cmd *smtpwire.Command) (smtp.Reply, error) {
	switch smtpwire.Verb(wire.Upper(string(cmd.Verb))) {
	case smtpwire.STARTTLS, smtpwire.AUTH, smtpwire.DATA, smtpwire.EHLO, smtpwire.HELO, smtpwire.LHLO, smtpwire.QUIT, smtpwire.BDAT, smtpwire.BURL, smtpwire.XCLIENT:
		return smtp.Reply{}, fmt.Errorf("smtpclient: %s is not sent by Do", cmd.Verb)
	}
	done, err := c.begin(ctx)
	if err != nil {
		return smtp.Reply{}, err
	}
	defer done()
	return c.command(cmd)
}

// Mail begins a transaction. An *ExtensionError means that an option needs
// what the server does not offer; nothing was sent then.
func (c *Client) Mail(ctx context.Context, from smtp.Path, o *smtp.MailOptions) error {
	cmd, err := c.mailCommand(from, o)
	if err != nil {
		return err
	}
	if _, err = c.run(ctx, cmd); err == nil {
		c.accepted, c.mailBody = 0, cmd.Mail.Body
	}
	return err
}

// Rcpt adds a recipient.
func (c *Client) Rcpt(ctx context.Context, to smtp.Path, o *smtp.RcptOptions) error {
	cmd, err := c.rcptCommand(to, o)
	if err != nil {
		return err
	}
	if _, err = c.run(ctx, cmd); err == nil {
		c.accepted++
	}
	return err
}

// Data sends a message to the recipients accepted since Mail. Of the Result,
// Recipients has one verdict for each of those, in their order. The error is
// that of the whole message: nobody got it. Where no recipient was accepted,
// nothing is sent.
//
// If r fails, or the connection, the connection is closed: a message can not
// be given up in its middle.
func (c *Client) Data(ctx context.Context, r io.Reader) (*smtp.Result, error) {
	done, err := c.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	if c.accepted == 0 {
		return nil, errors.New("smtpclient: DATA: no recipient was accepted")
	}
	if !c.chunks(c.mailBody) {
		reply, err := c.command(&smtpwire.Command{Verb: smtpwire.DATA})
		if err != nil {
			return nil, err
		}
		if reply.Code != 354 {
			return nil, refusal(&reply, "DATA")
		}
	}
	n := c.accepted
	c.accepted = 0
	return c.sendBody(r, c.mailBody, n)
}

// Reset gives the transaction up (RSET).
func (c *Client) Reset(ctx context.Context) error {
	_, err := c.run(ctx, &smtpwire.Command{Verb: smtpwire.RSET})
	c.accepted = 0
	return err
}

// Noop does nothing, to see whether the server is there (NOOP).
func (c *Client) Noop(ctx context.Context) error {
	_, err := c.run(ctx, &smtpwire.Command{Verb: smtpwire.NOOP})
	return err
}

// Verify asks whether a user or mailbox exists (VRFY). The reply's code may be
// 252: the server does not say.
func (c *Client) Verify(ctx context.Context, name string) (smtp.Reply, error) {
	return c.run(ctx, &smtpwire.Command{Verb: smtpwire.VRFY, Arg: name})
}

// XClient says for whom this client speaks (XCLIENT of Postfix), to a server
// that trusts it: attributes such as ADDR, NAME, HELO and LOGIN, as they are
// before xtext. The session then begins anew, with what the server offers to
// that client; nobody is authenticated but by LOGIN. The error is an
// *ExtensionError where XCLIENT is not offered.
func (c *Client) XClient(ctx context.Context, attributes ...smtp.Param) error {
	done, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	if err := c.offer(true, "XCLIENT", "the client's address", nil); err != nil {
		return err
	}
	r, err := c.command(&smtpwire.Command{Verb: smtpwire.XCLIENT, Attributes: attributes})
	if err != nil {
		return err
	}
	if r.Code != 220 {
		return refusal(&r, "XCLIENT")
	}
	c.ext, c.esmtp, c.auth, c.accepted = nil, false, false, 0
	if err := c.hello(); err != nil {
		return c.fail(err)
	}
	return nil
}

// XForward says where the next message comes from, for the server's logs
// (XFORWARD of Postfix). The error is an *ExtensionError where it is not
// offered.
func (c *Client) XForward(ctx context.Context, attributes ...smtp.Param) error {
	if err := c.offer(true, "XFORWARD", "a message's origin", nil); err != nil {
		return err
	}
	_, err := c.run(ctx, &smtpwire.Command{Verb: smtpwire.XFORWARD, Attributes: attributes})
	return err
}

// maxGoodbye is the longest wait for the reply to QUIT, on which nothing
// depends.
const maxGoodbye = 30 * time.Second

// Quit ends the conversation and closes the connection. Servers that close
// instead of answering are forgiven; an error says only that the server did
// not say goodbye. While another call is going on it does nothing: ErrBusy.
func (c *Client) Quit(ctx context.Context) error {
	done, err := c.begin(ctx)
	if err == ErrBusy {
		return err
	}
	if err != nil {
		_ = c.net.Close()
		return err
	}
	defer done()
	if d := c.opts.CommandTimeout; d <= 0 || d > maxGoodbye {
		c.net.SetIdleTimeout(maxGoodbye)
	}
	r, err := c.command(&smtpwire.Command{Verb: smtpwire.QUIT})
	if err == nil && r.Permanent() {
		err = refusal(&r, "QUIT")
	}
	var interrupted *netconn.InterruptError
	var timeout *netconn.TimeoutError
	if !errors.As(err, &interrupted) && !errors.As(err, &timeout) && c.err != nil {
		err = nil
	}
	if c.err == nil {
		c.err = ErrClosed
		_ = c.net.CloseGracefully(0)
	}
	return err
}
