// The session: its states, the way from a line to its answer, and its end.

package pop3server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/mailwire/mailwire/internal/netconn"
	"github.com/mailwire/mailwire/internal/serve"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/pop3/pop3wire"
)

// rule says where a command is permitted, and what runs it.
type rule struct {
	in   [pop3.Update]bool // by state; in UPDATE there are no commands
	noop bool              // of no use by itself, see Limits.MaxNoops
	run  func(c *Conn, ctx context.Context, cmd *pop3wire.Command) error
}

var (
	both        = [pop3.Update]bool{pop3.Authorization: true, pop3.Transaction: true}
	authorizing = [pop3.Update]bool{pop3.Authorization: true}
	transacting = [pop3.Update]bool{pop3.Transaction: true}
)

// table is the state table (RFC 1939 sections 4 to 6, RFC 2449 section 5, RFC
// 2595 section 4, RFC 5034 section 4).
var table map[pop3wire.Verb]rule

func init() {
	table = map[pop3wire.Verb]rule{
		pop3wire.CAPA: {in: both, noop: true, run: (*Conn).capa},
		pop3wire.QUIT: {in: both, run: (*Conn).quit},

		pop3wire.STLS: {in: authorizing, run: (*Conn).startTLS},
		pop3wire.USER: {in: authorizing, noop: true, run: (*Conn).userName},
		pop3wire.PASS: {in: authorizing, run: (*Conn).pass},
		pop3wire.AUTH: {in: authorizing, noop: true, run: (*Conn).auth},
		pop3wire.APOP: {in: authorizing, run: (*Conn).apop},
		pop3wire.UTF8: {in: authorizing, noop: true, run: (*Conn).utf8Mode},

		pop3wire.XCLIENT: {in: authorizing, noop: true, run: (*Conn).xclient},
		pop3wire.LANG:    {in: both, noop: true, run: (*Conn).language},

		pop3wire.STAT: {in: transacting, run: (*Conn).stat},
		pop3wire.LIST: {in: transacting, run: (*Conn).list},
		pop3wire.UIDL: {in: transacting, run: (*Conn).uidl},
		pop3wire.RETR: {in: transacting, run: (*Conn).retr},
		pop3wire.TOP:  {in: transacting, run: (*Conn).top},
		pop3wire.ENV:  {in: transacting, run: (*Conn).envelope},
		pop3wire.DELE: {in: transacting, run: (*Conn).dele},
		pop3wire.LAST: {in: transacting, run: (*Conn).last},
		pop3wire.RSET: {in: transacting, noop: true, run: (*Conn).rset},
		pop3wire.NOOP: {in: transacting, noop: true, run: (*Conn).noop},
	}
}

// errDone ends a session that came to its proper end.
var errDone = errors.New("pop3server: the session is over")

// violation ends a session for what the client did; it is logged.
type violation struct{ what string }

func (v *violation) Error() string { return v.what }

func (s *Server) handle(ctx context.Context, n *serve.Session) error {
	c := &Conn{srv: s, net: n}
	err := c.converse(context.WithValue(ctx, connKey{}, c))
	if err == errDone {
		return nil
	}
	return err
}

func (c *Conn) converse(ctx context.Context) error {
	defer c.closeDrop()
	if d := c.srv.lim.LoginTimeout; d > 0 {
		c.net.SetTransactionDeadline(time.Now().Add(d))
	}
	if err := c.meet(ctx); err != nil {
		return err
	}
	for {
		if err := c.command(ctx); err != nil {
			return err
		}
	}
}

// command reads one command and runs it.
func (c *Conn) command(ctx context.Context) error {
	line, err := c.readLine()
	if err != nil {
		return c.lineFailed(err)
	}
	cmd, err := pop3wire.ParseCommand(line)
	var bad *pop3wire.ParseError
	if errors.As(err, &bad) && cmd.Verb == "" {
		if c.state == pop3.Authorization && len(line) > 0 {
			return c.violate("", "This is a POP3 server")
		}
		return c.refuse("", "Expected a command")
	}
	r, known := table[cmd.Verb]
	if cmd.Verb == pop3wire.ENV && c.drop != nil {
		_, known = c.drop.Maildrop.(Enveloper)
	}
	switch {
	case !known && httpVerbs[cmd.Verb]:
		return c.violate("", "This is not an HTTP server")
	case !known:
		return c.refuse("", "Unknown command")
	case len(line)+2 > cmd.Verb.MaxLine():
		return c.refuse("", fmt.Sprintf("Command line longer than %d octets", cmd.Verb.MaxLine()))
	case !r.in[c.state]:
		if c.state == pop3.Authorization {
			return c.refuse("", "Log in first")
		}
		return c.refuse("", string(cmd.Verb)+" is not permitted after the login")
	case bad != nil:
		return c.refuse("", string(cmd.Verb)+": "+bad.Msg)
	}
	if r.noop {
		if c.noops++; c.srv.lim.MaxNoops > 0 && c.noops > c.srv.lim.MaxNoops {
			return c.violate("", "Too many commands without use")
		}
	}
	return r.run(c, ctx, &cmd)
}

var httpVerbs = map[pop3wire.Verb]bool{
	"GET": true, "POST": true, "CONNECT": true, "HEAD": true, "PUT": true,
	"DELETE": true, "PATCH": true, "OPTIONS": true, "TRACE": true, "PRI": true,
}

// progress forgives what was refused before.
func (c *Conn) progress() { c.errors, c.noops = 0, 0 }

var errTLSHello = errors.New("TLS handshake on a plaintext connection")

// tlsHandshake is the first octet of a TLS handshake record.
const tlsHandshake = 0x16

// readLine reads a command line. A shutdown interrupts the wait for it.
func (c *Conn) readLine() ([]byte, error) {
	limit := pop3wire.MaxCommandLine
	if c.state == pop3.Authorization {
		limit = pop3wire.MaxAuthLine
	}
	r := c.net.Reader()
	if c.net.Buffered() == 0 {
		c.net.SetState(serve.StateIdle)
		defer c.net.SetState(serve.StateActive)
	}
	if c.state == pop3.Authorization && !c.net.IsTLS() {
		if b, _ := r.Peek(1); len(b) == 1 && b[0] == tlsHandshake {
			return nil, errTLSHello
		}
	}
	return r.Line(limit)
}

// lineFailed answers what is no line.
func (c *Conn) lineFailed(err error) error {
	var long *wire.LimitError
	var timeout *netconn.TimeoutError
	switch {
	case err == errTLSHello:
		return c.violate("", "This is a plaintext port, TLS begins by STLS")
	case errors.As(err, &long) && c.net.Reader().Err() == nil:
		text := fmt.Sprintf("Line longer than %d octets", long.Limit)
		if c.state == pop3.Authorization {
			return c.violate("", text)
		}
		return c.refuse("", text)
	case errors.As(err, &long):
		return c.violate("", "Too much input")
	case err == io.EOF:
		return errDone
	case errors.Is(err, serve.ErrServerClosed):
		c.net.SetTransactionDeadline(time.Time{})
		if e := c.bye(pop3wire.ERR, pop3.CodeSysTemp, "Server shutting down"); e != errDone {
			return e
		}
	case errors.As(err, &timeout):
		// RFC 1939 section 3: autologout sends no response.
		c.net.Log.Info("autologout", "reason", timeout.Error())
		_ = c.net.Close()
		return errDone
	}
	return err
}

// say sends a reply of clean text. It is flushed before the next wait for
// input.
func (c *Conn) say(s pop3wire.Status, code pop3.Code, text string) error {
	const room = pop3wire.MaxReplyLine - len("-ERR []  \r\n")
	text = fit(c.translate(text), room-len(code))
	if code == "" && len(text) > 0 && text[0] == '[' {
		// RESP-CODES promises that a bracket begins a code.
		text = "(" + text[1:]
	}
	b, err := pop3wire.AppendReply(c.net.AvailableBuffer(), &pop3wire.Reply{Status: s, Code: code, Text: text})
	if err != nil {
		return err
	}
	_, err = c.net.Write(b)
	return err
}

func (c *Conn) ok(text string) error { return c.say(pop3wire.OK, "", text) }

// refuse answers a command that is not done.
func (c *Conn) refuse(code pop3.Code, text string) error {
	c.errors++
	lim := &c.srv.lim
	if lim.SoftErrors > 0 && c.errors > lim.SoftErrors {
		c.delay()
	}
	if lim.MaxErrors > 0 && c.errors >= lim.MaxErrors {
		return c.violate(code, text+"; too many errors")
	}
	return c.say(pop3wire.ERR, code, text)
}

// maxCode is the longest response code of a backend's that is sent: there has
// to be room for a referral.
const maxCode = 400

// refuseErr is refuse of a backend's error.
func (c *Conn) refuseErr(err error) error {
	code, text := c.clean(err)
	return c.refuse(code, text)
}

// clean is what is said of a backend's error; what is not said is logged.
func (c *Conn) clean(err error) (pop3.Code, string) {
	var own *pop3.Error
	if !errors.As(err, &own) {
		c.net.Log.Error("backend failed", "error", err)
	}
	e := pop3.AsError(err)
	code, text := e.Code, pop3.CleanText(e.Message)
	if !code.Valid() || len(code) > maxCode {
		code = ""
	}
	if text == "" {
		text = "Refused"
	}
	return code, text
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
func (c *Conn) bye(s pop3wire.Status, code pop3.Code, text string) error {
	if err := c.say(s, code, text); err != nil {
		return err
	}
	return errDone
}

// violate sends the last reply of a session that the client's fault ends.
func (c *Conn) violate(code pop3.Code, text string) error {
	if err := c.bye(pop3wire.ERR, code, text); err != errDone {
		return err
	}
	return &violation{text}
}
