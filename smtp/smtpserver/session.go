// The conversation: reading commands, the table of states, replies.

package smtpserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/mailwire/mailwire/internal/netconn"
	"github.com/mailwire/mailwire/internal/serve"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpwire"
)

// state is how far a session is.
type state uint8

const (
	stateConnected state = iota // no EHLO yet
	stateReady                  // EHLO was said
	stateMail                   // a sender, no recipient
	stateRcpt                   // recipients
	states
)

// rule is what the table says of a command.
type rule struct {
	in   [states]bool // allowed in connected, ready, mail, rcpt
	tls  bool         // refused in cleartext where TLS is required
	auth bool         // refused without authentication where that is required
	noop bool         // counted as a command without use
	run  func(*Conn, context.Context, *smtpwire.Command) error
}

var (
	always   = [states]bool{true, true, true, true}
	anyReady = [states]bool{false, true, true, true}
	idle     = [states]bool{false, true, false, false}
	inMail   = [states]bool{false, false, true, true}

	notInMail = [states]bool{true, true, false, false}
)

var table map[smtpwire.Verb]rule

func init() {
	table = map[smtpwire.Verb]rule{
		smtpwire.EHLO:     {in: always, noop: true, run: (*Conn).hello},
		smtpwire.HELO:     {in: always, noop: true, run: (*Conn).hello},
		smtpwire.LHLO:     {in: always, noop: true, run: (*Conn).hello},
		smtpwire.STARTTLS: {in: idle, run: (*Conn).startTLS},
		smtpwire.AUTH:     {in: idle, tls: true, run: (*Conn).auth},
		smtpwire.MAIL:     {in: idle, tls: true, auth: true, run: (*Conn).mail},
		smtpwire.RCPT:     {in: inMail, tls: true, auth: true, run: (*Conn).rcpt},
		smtpwire.DATA:     {in: inMail, tls: true, auth: true, run: (*Conn).data},
		smtpwire.BDAT:     {in: inMail, tls: true, auth: true, run: (*Conn).bdat},
		smtpwire.BURL:     {in: inMail, tls: true, auth: true, run: (*Conn).burl},
		smtpwire.ETRN:     {in: idle, tls: true, auth: true, noop: true, run: (*Conn).etrn},
		smtpwire.XCLIENT:  {in: notInMail, tls: true, run: (*Conn).xclient},
		smtpwire.XFORWARD: {in: notInMail, tls: true, run: (*Conn).xforward},
		smtpwire.RSET:     {in: always, tls: true, noop: true, run: (*Conn).rset},
		smtpwire.NOOP:     {in: always, noop: true, run: (*Conn).noop},
		smtpwire.HELP:     {in: always, tls: true, noop: true, run: (*Conn).help},
		smtpwire.VRFY:     {in: always, tls: true, auth: true, noop: true, run: (*Conn).vrfy},
		smtpwire.EXPN:     {in: always, tls: true, auth: true, noop: true, run: (*Conn).expn},
		smtpwire.QUIT:     {in: always, run: (*Conn).quit},
	}
}

var (
	// errDone ends a session that came to its proper end.
	errDone = errors.New("smtpserver: the session is over")
)

// violation ends a session for what the client did; it is logged.
type violation struct{ what string }

func (v *violation) Error() string { return v.what }

var (
	codeOK      = smtp.EnhancedCode{2, 0, 0}
	codeOrder   = smtp.EnhancedCode{5, 5, 1}
	codeSyntax  = smtp.EnhancedCode{5, 5, 2}
	codeParam   = smtp.EnhancedCode{5, 5, 4}
	codePolicy4 = smtp.EnhancedCode{4, 7, 0}
	codePolicy5 = smtp.EnhancedCode{5, 7, 0}
)

// What most connections have. Nothing writes to them.
var (
	noCapabilities Capabilities
	noClient       xclient
)

func (s *Server) handle(ctx context.Context, n *serve.Session) error {
	c := &Conn{srv: s, net: n, caps: &noCapabilities, client: &noClient}
	err := c.converse(ctx)
	if err == errDone || n.Hijacked() || c.env == nil && gone(err) {
		return nil
	}
	return err
}

// gone reports whether the client's end was reset or closed, which is worth no
// line in the log where nothing was under way: scanners and impatient clients
// do it all day.
func gone(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "read" || op.Op == "write") && !op.Timeout()
}

func (c *Conn) converse(ctx context.Context) error {
	// A Session that XCLIENT replaced is closed by then.
	defer func() { c.closeSession() }()
	if len(c.srv.TrustProxy) > 0 {
		peer := c.net.RemoteAddr().String()
		if err := c.net.ReadProxy(ctx); err != nil {
			return err
		}
		if client := c.RemoteAddr().String(); client != peer {
			c.net.Log = c.net.Log.With("client", client)
		}
	}
	if err := c.meet(ctx); err != nil {
		return err
	}
	if err := c.greet(ctx); err != nil {
		return err
	}
	for {
		if err := c.command(ctx); err != nil {
			return err
		}
	}
}

// meet makes the Session. An error ends the conversation.
func (c *Conn) meet(ctx context.Context) error {
	sess, err := c.srv.Backend.NewSession(ctx, c)
	c.sess = sess
	if c.net.Hijacked() {
		return errDone
	}
	if err != nil {
		return c.refuseConn(err)
	}
	if sess == nil {
		return errors.New("smtpserver: the backend made no session")
	}
	for i := len(c.srv.Middleware) - 1; i >= 0; i-- {
		c.sess = c.srv.Middleware[i](c.sess)
	}
	return nil
}

func (c *Conn) closeSession() {
	c.body.close()
	c.body.release()
	if c.sess == nil {
		return
	}
	sess := c.sess
	c.sess = nil
	if err := sess.Close(); err != nil {
		c.net.Log.Warn("closing the session failed", "error", err)
	}
}

// refuseConn says why instead of a greeting.
func (c *Conn) refuseConn(err error) error {
	r := smtp.AsError(err).Reply()
	// RFC 5321 section 3.1 knows 220, 421 and 554 here.
	if r.Temporary() {
		r.Code = 421
	} else {
		r.Code = 554
	}
	c.net.Log.Info("connection refused", "reply", r.String(), "error", err)
	return c.bye(&r)
}

// greet holds the greeting back for clients that can not wait for it.
func (c *Conn) greet(ctx context.Context) error {
	if d := c.srv.lim.GreetDelay; d > 0 {
		wait, cancel := context.WithTimeout(ctx, d)
		err := c.net.WaitInput(wait)
		cancel()
		var late *netconn.InterruptError
		switch {
		case err == nil:
			return c.earlyTalker()
		case ctx.Err() != nil:
			return errDone
		case errors.As(err, &late):
		default:
			return c.readFailed(err)
		}
	}
	return c.sayGreeting()
}

func (c *Conn) sayGreeting() error {
	protocol := " ESMTP ready"
	if c.srv.LMTP {
		protocol = " LMTP ready"
	}
	return c.say(220, smtp.EnhancedCode{}, c.srv.name+protocol)
}

func (c *Conn) earlyTalker() error {
	// What came is one write of the client's, if it is short.
	first, _ := c.net.Reader().Peek(1)
	if len(first) == 1 && first[0] == tlsHandshake {
		return c.notTLS()
	}
	return c.violate(554, codeOrder, "Client spoke before the greeting")
}

// tlsHandshake is the first octet of a TLS handshake record.
const tlsHandshake = 0x16

func (c *Conn) notTLS() error {
	return c.violate(554, codeOrder, "This is a plaintext port, TLS begins by STARTTLS")
}

// errAnswered says that what came was no command and was answered.
var errAnswered = errors.New("smtpserver: answered")

// command reads one command and runs it.
func (c *Conn) command(ctx context.Context) error {
	line, err := c.commandLine()
	if err == errAnswered {
		return nil
	}
	if err != nil {
		return err
	}
	cmd := commands.Get().(*smtpwire.Command)
	if err = c.parseCommand(cmd, line); err == nil {
		err = c.run(ctx, cmd, c.bad)
	} else if err == errAnswered {
		err = nil
	}
	*cmd = smtpwire.Command{}
	commands.Put(cmd)
	return err
}

// commands are for the time that each runs: nothing keeps one, and a session
// that waits has none.
var commands = sync.Pool{New: func() any { return new(smtpwire.Command) }}

// readCommand reads a command. Of one that is malformed but for its verb, the
// fault is c.bad; the error is errAnswered, or what ends the session.
func (c *Conn) readCommand(cmd *smtpwire.Command) error {
	line, err := c.commandLine()
	if err != nil {
		return err
	}
	return c.parseCommand(cmd, line)
}

// commandLine reads a line. Of one that is none the error is as readCommand's.
func (c *Conn) commandLine() ([]byte, error) {
	line, err := c.readLine()
	if err != nil {
		if err = c.lineFailed(err); err == nil {
			err = errAnswered
		}
		return nil, err
	}
	return line, nil
}

// parseCommand is the rest of readCommand.
func (c *Conn) parseCommand(cmd *smtpwire.Command, line []byte) error {
	c.bad = nil
	if err := cmd.Parse(line); err != nil {
		c.bad, _ = err.(*smtpwire.ParseError)
	}
	if max := cmd.Verb.MaxLine(); len(line)+2 > max {
		var err error
		r := (&smtp.Error{Code: 500, EnhancedCode: codeSyntax, Message: fmt.Sprintf("Command line longer than %d octets", max)}).Reply()
		if cmd.Verb == smtpwire.BDAT {
			err = c.skipChunk(cmd.Size, r, 1)
		} else {
			err = c.sayError(r)
		}
		if err == nil {
			err = errAnswered
		}
		return err
	}
	switch cmd.Verb {
	case "GET", "POST", "CONNECT", "HEAD", "PUT", "OPTIONS", "PRI":
		return c.violate(554, codeOrder, "This is not an HTTP server")
	}
	return nil
}

// run runs a command, or says why not; bad is what is wrong with its grammar.
func (c *Conn) run(ctx context.Context, cmd *smtpwire.Command, bad *smtpwire.ParseError) (failed error) {
	if cmd.Verb == smtpwire.DATA {
		c.took = false
		defer func() {
			if !c.took {
				failed = c.afterData(failed)
			}
		}()
	}
	r, known := table[cmd.Verb]
	if why := c.mayNot(cmd, &r, known, bad); why != nil {
		if cmd.Verb == smtpwire.BDAT {
			return c.skipChunk(cmd.Size, why.Reply(), 1)
		}
		return c.sayError(why.Reply())
	}
	if !known {
		return c.unknown(ctx, cmd)
	}
	if r.noop {
		if err := c.countNoop(); err != nil {
			return err
		}
	}
	return r.run(c, ctx, cmd)
}

// countNoop counts a command without use.
func (c *Conn) countNoop() error {
	if c.noops++; c.srv.lim.MaxNoops > 0 && c.noops > c.srv.lim.MaxNoops {
		return c.violate(421, codePolicy4, "Too many commands without use")
	}
	return nil
}

// mayNot is why a command does not run.
func (c *Conn) mayNot(cmd *smtpwire.Command, r *rule, known bool, bad *smtpwire.ParseError) *smtp.Error {
	fault := func() *smtp.Error {
		return &smtp.Error{Code: bad.Code, EnhancedCode: bad.EnhancedCode, Message: bad.Msg}
	}
	switch {
	case !known && bad != nil && bad.Code == 500:
		return fault()
	case !known:
		return nil
	case r.tls && c.srv.RequireTLS && !c.net.IsTLS():
		return smtp.Errorf(530, codePolicy5, "Must issue a STARTTLS command first")
	case !r.in[c.state]:
		return c.outOfOrder(cmd.Verb)
	case r.auth && c.srv.RequireAuth && c.identity == nil:
		return smtp.Errorf(530, codePolicy5, "Authentication required")
	case bad != nil:
		return fault()
	case cmd.Verb == smtpwire.BDAT && !c.esmtp:
		return smtp.Errorf(503, codeOrder, "CHUNKING needs EHLO")
	case cmd.Verb == smtpwire.BDAT && len(c.env.To) == 0:
		return smtp.Errorf(503, codeOrder, "No valid recipients")
	}
	return nil
}

// afterData ends a session whose client sent on behind a DATA that was
// refused: it may be the message, which must not run as commands. RFC 2920
// section 3.1 has DATA last in a group.
func (c *Conn) afterData(err error) error {
	if err == nil && c.net.Buffered() > 0 {
		return c.violate(421, codePolicy4, "Input behind a refused DATA")
	}
	return err
}

func (c *Conn) unknown(ctx context.Context, cmd *smtpwire.Command) error {
	if h, ok := c.sess.(CommandHandler); ok {
		reply, err := h.Command(ctx, string(cmd.Verb), cmd.Arg)
		if err != nil {
			return c.refuseErr(err)
		}
		if reply != nil {
			if err := c.countNoop(); err != nil {
				return err
			}
			return c.write(cleanReply(reply, codeOK))
		}
	}
	switch cmd.Verb {
	case "SEND", "SOML", "SAML", "TURN":
		return c.refuse(502, codeOrder, "Command not implemented")
	}
	return c.refuse(500, codeOrder, "Command not recognized")
}

func (c *Conn) outOfOrder(v smtpwire.Verb) *smtp.Error {
	hello := "EHLO"
	if c.srv.LMTP {
		hello = "LHLO"
	}
	switch {
	case c.state == stateConnected:
		return smtp.Errorf(503, codeOrder, "Send %s first", hello)
	case v == smtpwire.MAIL:
		return smtp.Errorf(503, codeOrder, "Nested MAIL command")
	case v == smtpwire.RCPT || v == smtpwire.DATA || v == smtpwire.BDAT || v == smtpwire.BURL:
		return smtp.Errorf(503, codeOrder, "Need MAIL command")
	}
	return smtp.Errorf(503, codeOrder, "%s is not permitted during a mail transaction", v)
}

// readLine reads a command line. Between transactions a shutdown interrupts
// the wait for it.
func (c *Conn) readLine() ([]byte, error) {
	limit := smtpwire.MAIL.MaxLine()
	if c.state >= stateMail {
		limit = smtpwire.BURL.MaxLine()
	}
	if c.state == stateReady && c.srv.Auth != nil {
		limit = smtpwire.MaxAuthLine
	}
	if c.state >= stateMail || c.net.Buffered() > 0 {
		return c.net.Reader().Line(limit)
	}
	c.net.SetState(serve.StateIdle)
	defer c.net.SetState(serve.StateActive)
	if c.state == stateConnected {
		if b, _ := c.net.Reader().Peek(1); len(b) == 1 && b[0] == tlsHandshake {
			return nil, errTLSHello
		}
	}
	return c.net.Reader().Line(limit)
}

var errTLSHello = errors.New("TLS handshake on a plaintext connection")

// lineFailed answers what is no line.
func (c *Conn) lineFailed(err error) error {
	var long *wire.LimitError
	switch {
	case err == errTLSHello:
		return c.notTLS()
	case errors.As(err, &long) && c.net.Reader().Err() == nil:
		return c.refuse(500, codeSyntax, fmt.Sprintf("Line longer than %d octets", long.Limit))
	case errors.Is(err, wire.ErrBareLF), errors.Is(err, wire.ErrBareCR):
		return c.violate(500, codeSyntax, "Lines must end in CRLF")
	}
	return c.readFailed(err)
}

// readFailed ends the session after a failed read, with a last word where
// the client may still hear it.
func (c *Conn) readFailed(err error) error {
	var timeout *netconn.TimeoutError
	var long *wire.LimitError
	text := ""
	code := smtp.EnhancedCode{4, 4, 2}
	c.net.SetTransactionDeadline(time.Time{})
	switch {
	case err == io.EOF:
		return errDone
	case errors.Is(err, serve.ErrServerClosed):
		code, text = smtp.EnhancedCode{4, 3, 2}, "shutting down"
	case errors.As(err, &timeout):
		text = "timeout, closing the channel"
	case errors.As(err, &long):
		code, text = codePolicy4, "too much input"
	case c.env == nil && errors.As(err, new(*net.OpError)):
		// As gone, and TLS alerts.
		return errDone
	default:
		return err
	}
	if e := c.bye(&smtp.Reply{Code: 421, EnhancedCode: code, Lines: []string{c.srv.name + " " + text}}); e != errDone {
		return e
	}
	return err
}

// write sends a reply as it is. It is flushed before the next wait for input.
func (c *Conn) write(r *smtp.Reply) error {
	b, err := smtpwire.AppendReply(c.net.AvailableBuffer(), r)
	if err != nil {
		return err
	}
	_, err = c.net.Write(b)
	return err
}

// say sends a positive reply, whose lines are made of clean text.
func (c *Conn) say(code int, enhanced smtp.EnhancedCode, lines ...string) error {
	return c.write(&smtp.Reply{Code: code, EnhancedCode: enhanced, Lines: lines})
}

// refuse sends a negative reply and counts it.
func (c *Conn) refuse(code int, enhanced smtp.EnhancedCode, text string) error {
	return c.sayError((&smtp.Error{Code: code, EnhancedCode: enhanced, Message: text}).Reply())
}

// refuseErr is refuse of a backend's error.
func (c *Conn) refuseErr(err error) error {
	c.logFailure(err)
	return c.sayError(smtp.AsError(err).Reply())
}

// logFailure logs what the client is not told.
func (c *Conn) logFailure(err error) {
	var own *smtp.Error
	if !errors.As(err, &own) {
		c.net.Log.Error("backend failed", "error", err)
	}
}

func (c *Conn) sayError(r smtp.Reply) error {
	return c.sayCounted(&r, &c.errors, c.srv.lim.MaxErrors, "Too many errors")
}

// sayCounted sends a negative reply that counts towards a limit.
func (c *Conn) sayCounted(r *smtp.Reply, count *int, limit int, tooMany string) error {
	*count++
	if r.Code == 421 {
		return c.bye(r)
	}
	if soft := c.srv.lim.SoftErrors; soft > 0 && *count > soft {
		c.delay()
	}
	if err := c.write(r); err != nil {
		return err
	}
	if limit > 0 && *count >= limit {
		return c.violate(421, codePolicy4, tooMany)
	}
	return nil
}

// delay holds the answer to a fault back. What was answered before goes out.
func (c *Conn) delay() {
	d := c.srv.lim.ErrorDelay
	if d <= 0 || c.net.Flush() != nil {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.srv.serve.Done():
	}
}

// bye sends the session's last reply.
func (c *Conn) bye(r *smtp.Reply) error {
	if err := c.write(r); err != nil {
		return err
	}
	return errDone
}

// violate sends the last reply of a session that the client's fault ends.
func (c *Conn) violate(code int, enhanced smtp.EnhancedCode, text string) error {
	if err := c.bye(&smtp.Reply{Code: code, EnhancedCode: enhanced, Lines: []string{text}}); err != errDone {
		return err
	}
	return &violation{text}
}
