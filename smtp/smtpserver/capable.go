// What a Session can do beyond taking mail: the lines of EHLO for it, and the
// commands.

package smtpserver

import (
	"context"
	"strconv"
	"time"

	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpwire"
)

// maxHold is what nine digits of seconds hold (RFC 4865 section 5).
const maxHold = 999999999

func (c *Conn) maxHold() int64 {
	return min(int64(c.caps.FutureRelease/time.Second), maxHold)
}

// abilities adds the lines of EHLO that follow from the Session.
func (c *Conn) abilities(lines []string) []string {
	x := c.caps
	add := func(ok bool, line string) {
		if ok {
			lines = append(lines, line)
		}
	}
	with := func(line, arg string) string {
		if arg = smtp.CleanText(arg); arg != "" {
			line += " " + arg
		}
		return line
	}
	add(x.BinaryMIME, "BINARYMIME")
	add(x.DSN, "DSN")
	if x.DeliverBy {
		by := ""
		if x.MinDeliverBy > 0 {
			by = strconv.FormatInt(x.MinDeliverBy, 10)
		}
		add(true, with("DELIVERBY", by))
	}
	if n := c.maxHold(); n > 0 {
		until := time.Now().UTC().Add(time.Duration(n) * time.Second).Format(time.RFC3339)
		add(true, "FUTURERELEASE "+strconv.FormatInt(n, 10)+" "+until)
	}
	add(x.Priority, with("MT-PRIORITY", x.PriorityProfile))
	add(x.ValidSince, "RRVS")
	add(x.RequireTLS && c.net.IsTLS(), "REQUIRETLS")
	add(x.Tracking, "MTRK")
	add(x.NoSoliciting, with("NO-SOLICITING", x.Solicit))
	if x.SessionLimits {
		limits := ""
		if n := c.srv.lim.MaxMessages; n > 0 {
			limits += " MAILMAX=" + strconv.Itoa(n)
		}
		if n := c.srv.lim.MaxRecipients; n > 0 {
			limits += " RCPTMAX=" + strconv.Itoa(n)
		}
		add(limits != "", "LIMITS"+limits)
	}
	if _, ok := c.sess.(ETRNHandler); ok {
		add(true, "ETRN")
	}
	if _, ok := c.sess.(URLFetcher); ok && c.identity != nil {
		add(true, "BURL imap")
	}
	if c.trusted() {
		add(true, "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT")
		add(true, "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE")
	}
	for _, e := range x.Extra {
		add(e.Name != "", with(smtp.CleanText(e.Name), e.Args))
	}
	return lines
}

// checkFuture checks the parameters that say when and how to deliver.
func (c *Conn) checkFuture(o *smtp.MailOptions, unknown func(string) *smtp.Error) *smtp.Error {
	x := c.caps
	hold := c.maxHold()
	switch {
	case o.By.Mode != 0 && !x.DeliverBy:
		return unknown("BY")
	case o.By.Mode == smtp.DeliverReturn && o.By.Seconds < x.MinDeliverBy:
		return smtp.Errorf(501, codeParam, "BY wants %d seconds at least", x.MinDeliverBy)
	case o.HoldFor != 0 && hold == 0:
		return unknown("HOLDFOR")
	case !o.HoldUntil.IsZero() && hold == 0:
		return unknown("HOLDUNTIL")
	case o.HoldFor > hold, !o.HoldUntil.IsZero() && time.Until(o.HoldUntil) > time.Duration(hold)*time.Second:
		return smtp.Errorf(501, codeParam, "Messages are held for %d seconds at most", hold)
	case o.Priority != 0 && !x.Priority:
		return unknown("MT-PRIORITY")
	case o.RequireTLS && (!x.RequireTLS || !c.net.IsTLS()):
		return unknown("REQUIRETLS")
	case o.Track.Certifier != "" && !x.Tracking:
		return unknown("MTRK")
	case o.Solicit != "" && !x.NoSoliciting:
		return unknown("SOLICIT")
	}
	return nil
}

// cleanReply is a backend's positive reply, fit to be sent.
func cleanReply(r *smtp.Reply, enhanced smtp.EnhancedCode) *smtp.Reply {
	out := &smtp.Reply{Code: r.Code, EnhancedCode: enhanced}
	if out.Code < 200 || out.Code > 399 || out.Code == 334 || out.Code == 354 || out.Code == 220 || out.Code == 221 {
		out.Code = 250
	}
	if out.Code >= 300 {
		out.EnhancedCode = smtp.EnhancedCode{}
	} else if r.EnhancedCode.Valid() && r.EnhancedCode[0] == 2 {
		out.EnhancedCode = r.EnhancedCode
	}
	for _, l := range r.Lines {
		out.Lines = append(out.Lines, smtp.CleanText(l))
	}
	if len(out.Lines) == 0 {
		out.Lines = []string{"OK"}
	}
	return out
}

func (c *Conn) etrn(ctx context.Context, cmd *smtpwire.Command) error {
	x, ok := c.sess.(ETRNHandler)
	if !ok {
		return c.refuse(502, codeOrder, "Command not implemented")
	}
	r, err := x.Etrn(ctx, cmd.Arg)
	if err != nil {
		return c.refuseErr(err)
	}
	if len(r.Lines) == 0 {
		r.Lines = []string{"Queuing for node " + cmd.Arg + " started"}
	}
	return c.write(cleanReply(&r, codeOK))
}

// burl runs the first BURL of a message.
func (c *Conn) burl(ctx context.Context, cmd *smtpwire.Command) error {
	switch why := c.noBurl(); {
	case why != nil:
		return c.sayError(why.Reply())
	case len(c.env.To) == 0:
		return c.refuse(503, codeOrder, "No valid recipients")
	}
	return c.bdat(ctx, cmd)
}

// noBurl is why BURL is not for this client.
func (c *Conn) noBurl() *smtp.Error {
	if _, ok := c.sess.(URLFetcher); !ok {
		return smtp.Errorf(502, codeOrder, "Command not implemented")
	}
	if c.identity == nil || !c.esmtp {
		// RFC 4468 section 3.3.
		return smtp.Errorf(554, smtp.EnhancedCode{5, 7, 0}, "BURL needs authentication")
	}
	return nil
}
