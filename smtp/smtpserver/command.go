// The commands: EHLO, MAIL, RCPT and those without a transaction.

package smtpserver

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/mailwire/mailwire/internal/saslline"
	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpwire"
)

// hello runs EHLO, HELO and LHLO. RFC 2033 section 4.1 takes LHLO for LMTP
// alone, and the others for SMTP.
func (c *Conn) hello(ctx context.Context, cmd *smtpwire.Command) error {
	if (cmd.Verb == smtpwire.LHLO) != c.srv.LMTP {
		if c.srv.LMTP {
			return c.refuse(500, codeOrder, "This is LMTP, send LHLO")
		}
		return c.refuse(500, codeOrder, "This is SMTP, send EHLO")
	}
	c.endTransaction(ctx)
	before, esmtp, st := c.helo, c.esmtp, c.state
	c.helo, c.esmtp = cmd.Arg, cmd.Verb != smtpwire.HELO
	if h, ok := c.sess.(HeloHandler); ok {
		if err := h.Helo(ctx, cmd.Arg); err != nil {
			c.helo, c.esmtp, c.state = before, esmtp, st
			return c.refuseErr(err)
		}
	}
	c.state = stateReady
	lines := make([]string, 1, 12)
	lines[0] = c.greets(cmd.Arg)
	c.caps = &noCapabilities
	if c.esmtp {
		if x, ok := c.sess.(Capable); ok {
			caps := x.Capabilities()
			c.caps = &caps
		}
		lines = c.abilities(c.mechanisms(c.extensions(lines)))
	}
	return c.say(250, smtp.EnhancedCode{}, lines...)
}

// greets is the first line of the answer to EHLO.
func (c *Conn) greets(name string) string {
	first := c.srv.name + " greets " + clip(smtp.CleanText(name))
	if a, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil {
		first += " " + smtp.AddressLiteral(a.Addr())
	}
	return first
}

// clip keeps a reply line below 512 octets (RFC 5321 section 4.5.3.1.5).
func clip(s string) string { return s[:min(len(s), 160)] }

// extensions are the lines of the answer to EHLO.
func (c *Conn) extensions(lines []string) []string {
	size := "SIZE"
	if n := c.srv.lim.MaxMessageSize; n > 0 {
		size += " " + strconv.FormatInt(n, 10)
	}
	lines = append(lines, "PIPELINING", size, "8BITMIME", "CHUNKING", "SMTPUTF8", "ENHANCEDSTATUSCODES")
	if c.srv.tls != nil && !c.net.IsTLS() && c.identity == nil {
		lines = append(lines, "STARTTLS")
	}
	return lines
}

// mechanisms adds the line of AUTH.
func (c *Conn) mechanisms(lines []string) []string {
	if c.srv.Auth == nil || c.identity != nil || c.srv.RequireTLS && !c.net.IsTLS() {
		return lines
	}
	if m := c.srv.Auth.Mechanisms(c.line()); len(m) > 0 {
		lines = append(lines, "AUTH "+strings.Join(m, " "))
	}
	return lines
}

func (c *Conn) line() sasl.Line { return saslline.Server(c.net.Conn, "smtp", c.srv.tls) }

// endTransaction gives up what MAIL began, if it did.
func (c *Conn) endTransaction(ctx context.Context) {
	if c.env == nil {
		return
	}
	c.env = nil
	c.forward = nil
	c.state = stateReady
	c.net.SetTransactionDeadline(time.Time{})
	c.sess.Reset(ctx)
}

func (c *Conn) mail(ctx context.Context, cmd *smtpwire.Command) error {
	o := &cmd.Mail
	if err := c.checkMail(cmd); err != nil {
		return c.sayError(err.Reply())
	}
	if n := c.srv.lim.MaxMessages; n > 0 && c.mails >= n {
		return c.sayError((&smtp.Error{Code: 421, EnhancedCode: codePolicy4, Message: fmt.Sprintf("More than %d messages on one connection", n)}).Reply())
	}
	if o.Auth != nil && c.identity == nil {
		// RFC 4954 section 5: the word of a client that is not trusted.
		o.Auth = &smtp.Path{}
	}
	env := &smtp.Envelope{From: cmd.Path, Options: *o}
	if err := c.sess.Mail(ctx, cmd.Path, &env.Options); err != nil {
		return c.refuseErr(err)
	}
	c.env = env
	c.mails++
	c.state = stateMail
	if d := c.srv.lim.TransactionTimeout; d > 0 {
		c.net.SetTransactionDeadline(time.Now().Add(d))
	}
	return c.say(250, smtp.EnhancedCode{2, 1, 0}, "Sender OK")
}

func (c *Conn) checkMail(cmd *smtpwire.Command) *smtp.Error {
	o := &cmd.Mail
	if err := c.checkPath(cmd.Path, o.UTF8, 550); err != nil {
		return err
	}
	unknown := func(name string) *smtp.Error {
		return smtp.Errorf(555, codeParam, "MAIL parameter %s is not offered", name)
	}
	size := c.srv.lim.MaxMessageSize
	switch {
	case !c.esmtp && hasParams(o):
		return smtp.Errorf(555, codeParam, "Parameters need EHLO")
	case len(o.Other) > 0:
		return unknown(o.Other[0].Name)
	case o.Return != 0 && !c.caps.DSN:
		return unknown("RET")
	case o.EnvelopeID != "" && !c.caps.DSN:
		return unknown("ENVID")
	case o.Body == smtp.BodyBinaryMIME && !c.caps.BinaryMIME:
		return unknown("BODY=BINARYMIME")
	case o.Auth != nil && c.srv.Auth == nil:
		return unknown("AUTH")
	case size > 0 && o.Size > size:
		return tooLarge(size)
	}
	return c.checkFuture(o, unknown)
}

func hasParams(o *smtp.MailOptions) bool {
	return o.Size != 0 || o.Body != 0 || o.UTF8 || o.Auth != nil || o.Return != 0 || o.EnvelopeID != "" || o.By.Mode != 0 ||
		o.HoldFor != 0 || !o.HoldUntil.IsZero() || o.Priority != 0 || o.RequireTLS || o.Track.Certifier != "" || o.Solicit != "" || len(o.Other) > 0
}

func tooLarge(limit int64) *smtp.Error {
	return smtp.Errorf(552, smtp.EnhancedCode{5, 3, 4}, "Message larger than the limit of %d octets", limit)
}

// checkPath checks what the grammar leaves open: SMTPUTF8 (RFC 6531 section
// 3.5), and the domain that SMTP wants (RFC 5321 section 4.1.1.3).
func (c *Conn) checkPath(p smtp.Path, utf8 bool, code int) *smtp.Error {
	if p.NeedsUTF8() && !utf8 {
		return smtp.Errorf(code, smtp.EnhancedCode{5, 6, 7}, "Address needs SMTPUTF8")
	}
	if p.Domain == "" && !p.IsNull() && !p.IsPostmaster() && !c.srv.LMTP {
		enhanced := smtp.EnhancedCode{5, 1, 3}
		if code == 550 {
			enhanced = smtp.EnhancedCode{5, 1, 7}
		}
		return smtp.Errorf(501, enhanced, "Address needs a domain")
	}
	return nil
}

func (c *Conn) rcpt(ctx context.Context, cmd *smtpwire.Command) error {
	o := &cmd.Rcpt
	if err := c.checkPath(cmd.Path, c.env.Options.UTF8, 553); err != nil {
		return c.sayError(err.Reply())
	}
	name := ""
	switch {
	case len(o.Other) > 0:
		name = o.Other[0].Name
	case o.Notify != 0 && !c.caps.DSN:
		name = "NOTIFY"
	case o.Original.Type != "" && !c.caps.DSN:
		name = "ORCPT"
	case !o.ValidSince.IsZero() && !c.caps.ValidSince:
		name = "RRVS"
	}
	if name != "" {
		return c.refuse(555, codeParam, "RCPT parameter "+name+" is not offered")
	}
	if n := c.srv.lim.MaxRecipients; n > 0 && len(c.env.To) >= n {
		// A client sends to these in its next transaction; one that does not
		// end meets the limit of errors.
		tooMany := smtp.Reply{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 5, 3}, Lines: []string{fmt.Sprintf("More than %d recipients", n)}}
		if c.overshoot++; c.overshoot > n {
			return c.sayError(tooMany)
		}
		return c.write(&tooMany)
	}
	r := smtp.Recipient{Path: cmd.Path, Options: *o}
	if err := c.sess.Rcpt(ctx, r.Path, &r.Options); err != nil {
		c.logFailure(err)
		reply := smtp.AsError(err).Reply()
		return c.sayCounted(&reply, &c.badRecipients, c.srv.lim.MaxBadRecipients, "Too many bad recipients")
	}
	c.env.To = append(c.env.To, r)
	c.state = stateRcpt
	return c.say(250, smtp.EnhancedCode{2, 1, 5}, "Recipient OK")
}

func (c *Conn) rset(ctx context.Context, _ *smtpwire.Command) error {
	c.endTransaction(ctx)
	return c.say(250, codeOK, "OK")
}

func (c *Conn) noop(context.Context, *smtpwire.Command) error {
	return c.say(250, codeOK, "OK")
}

func (c *Conn) help(context.Context, *smtpwire.Command) error {
	return c.say(214, codeOK, "Commands are those of RFC 5321, as the answer to EHLO extends them")
}

func (c *Conn) vrfy(ctx context.Context, cmd *smtpwire.Command) error {
	v, ok := c.sess.(Verifier)
	if !ok {
		return c.say(252, codeOK, "Cannot verify, but will take a message and try to deliver it")
	}
	lines, err := v.Verify(ctx, cmd.Arg)
	return c.answer(lines, err)
}

func (c *Conn) expn(ctx context.Context, cmd *smtpwire.Command) error {
	x, ok := c.sess.(Expander)
	if !ok {
		return c.refuse(502, codeOrder, "Command not implemented")
	}
	lines, err := x.Expand(ctx, cmd.Arg)
	return c.answer(lines, err)
}

func (c *Conn) answer(lines []string, err error) error {
	if err != nil {
		return c.refuseErr(err)
	}
	clean := make([]string, 0, len(lines))
	for _, l := range lines {
		clean = append(clean, smtp.CleanText(l))
	}
	return c.say(250, smtp.EnhancedCode{2, 1, 5}, clean...)
}

func (c *Conn) quit(context.Context, *smtpwire.Command) error {
	return c.bye(&smtp.Reply{Code: 221, EnhancedCode: codeOK, Lines: []string{c.srv.name + " closing the channel"}})
}
