// The AUTHORIZATION state: CAPA, STLS, USER, PASS and AUTH.

package pop3server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mailwire/mailwire/internal/saslline"
	"github.com/mailwire/mailwire/internal/serve"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/pop3/pop3wire"
	"github.com/mailwire/mailwire/sasl"
)

// line is the connection as SASL sees it.
func (c *Conn) line() sasl.Line {
	line := saslline.Server(c.net.Conn, "pop", c.srv.tls)
	if a := c.RemoteAddr(); a != nil {
		line.Remote = a.String()
	}
	return line
}

// mayLogIn reports whether logins are taken on the line as it is.
func (c *Conn) mayLogIn() bool { return !c.srv.RequireTLS || c.net.IsTLS() }

// canPassword reports whether USER and PASS are taken.
func (c *Conn) canPassword() bool {
	return c.mayLogIn() && (c.pre != nil || c.srv.Auth.CanPassword(c.line()))
}

func (c *Conn) mechanisms() []string {
	if !c.mayLogIn() {
		return nil
	}
	return c.srv.Auth.Mechanisms(c.line())
}

// capabilities are the same in both states but for a user's own policy (RFC
// 2449 section 5): clients may ask once.
func (c *Conn) capabilities() pop3.Capabilities {
	caps := pop3.Capabilities{
		{Name: pop3.CapTop},
		{Name: pop3.CapUIDL},
		{Name: pop3.CapRespCodes},
		{Name: pop3.CapPipelining},
		{Name: pop3.CapAuthRespCode},
	}
	if c.srv.tls != nil && !c.net.IsTLS() {
		caps = append(caps, pop3.Capability{Name: pop3.CapSTLS})
	}
	if c.canPassword() {
		caps = append(caps, pop3.Capability{Name: pop3.CapUser})
	}
	if m := c.mechanisms(); len(m) > 0 {
		caps = append(caps, pop3.Capability{Name: pop3.CapSASL, Params: m})
	}
	if len(c.srv.Languages) > 0 {
		caps = append(caps, pop3.Capability{Name: pop3.CapLang})
	}
	caps = c.announcePolicy(append(caps, pop3.Capability{Name: pop3.CapUTF8}))
	return append(caps, pop3.Capability{Name: pop3.CapImplementation, Params: []string{"mailwire"}})
}

// capa runs CAPA (RFC 2449 section 5).
func (c *Conn) capa(context.Context, *pop3wire.Command) error {
	if err := c.ok("Capability list follows"); err != nil {
		return err
	}
	b := c.net.AvailableBuffer()
	for _, x := range c.capabilities() {
		var err error
		if b, err = pop3wire.AppendCapability(b, x); err != nil {
			return err
		}
	}
	_, err := c.net.Write(append(b, ".\r\n"...))
	return err
}

// startTLS runs STLS (RFC 2595 section 4).
func (c *Conn) startTLS(ctx context.Context, _ *pop3wire.Command) error {
	switch {
	case c.net.IsTLS():
		return c.refuse("", "TLS is active already")
	case c.srv.tls == nil:
		return c.refuse("", "STLS is not offered")
	case c.utf8:
		// RFC 6856 section 2.1.
		return c.refuse("", "STLS is not permitted after UTF8")
	case c.net.Buffered() > 0:
		// Somebody may have put it there, to be run inside TLS.
		return c.violate("", "Input behind STLS")
	}
	if err := c.ok("Begin TLS negotiation"); err != nil {
		return err
	}
	if err := c.net.StartTLS(ctx, c.srv.tls); err != nil {
		return err
	}
	// RFC 2595 section 4: nothing that was learnt before counts.
	c.user, c.lang = "", ""
	return nil
}

const needTLS = "Encryption required, send STLS first"

// userName runs USER. It answers the same for every name.
func (c *Conn) userName(_ context.Context, cmd *pop3wire.Command) error {
	switch {
	case c.canPassword():
		c.user = cmd.Arg
		return c.ok("Send PASS")
	case !c.mayLogIn(), c.srv.Auth.NeedsEncryption(c.line()):
		return c.refuse(pop3.CodeAuth, needTLS)
	}
	return c.refuse(pop3.CodeAuth, "USER is not offered")
}

func (c *Conn) pass(ctx context.Context, cmd *pop3wire.Command) error {
	user := c.user
	c.user = ""
	switch {
	case c.canPassword():
	case !c.mayLogIn(), c.srv.Auth.NeedsEncryption(c.line()):
		return c.refuse(pop3.CodeAuth, needTLS)
	default:
		return c.refuse(pop3.CodeAuth, "PASS is not offered")
	}
	if user == "" {
		return c.refuse("", "Send USER first")
	}
	if c.pre != nil {
		return c.prePass(ctx, user)
	}
	id, err := c.srv.Auth.CheckPassword(ctx, "USER", c.line(), user, cmd.Arg)
	if err != nil {
		return c.authFailed(err)
	}
	return c.login(ctx, id)
}

// auth runs AUTH (RFC 5034). Without a mechanism it lists them, as clients
// expect that know RFC 1734's drafts alone.
func (c *Conn) auth(ctx context.Context, cmd *pop3wire.Command) error {
	if cmd.Arg == "" {
		return c.listMechanisms()
	}
	if !c.mayLogIn() {
		return c.refuse(pop3.CodeAuth, needTLS)
	}
	x, err := c.srv.Auth.Start(ctx, cmd.Arg, c.line())
	switch {
	case errors.Is(err, sasl.ErrEncryption):
		return c.refuse(pop3.CodeAuth, needTLS)
	case errors.Is(err, sasl.ErrMechanism):
		return c.refuse(pop3.CodeAuth, "Authentication mechanism is not offered")
	case err != nil:
		return c.authFailed(err)
	}
	response := cmd.Initial
	for {
		challenge, done, err := x.Next(response)
		if err != nil {
			return c.authFailed(err)
		}
		if done && len(challenge) == 0 {
			break
		}
		response, err = c.challenge(challenge)
		if response == nil {
			return err
		}
		if done {
			// POP3 has no room for data in the last reply.
			if len(response) > 0 {
				return c.authFailed(sasl.ErrProtocol)
			}
			break
		}
	}
	return c.login(ctx, x.Identity())
}

func (c *Conn) listMechanisms() error {
	if err := c.ok("Mechanisms follow"); err != nil {
		return err
	}
	b := c.net.AvailableBuffer()
	for _, m := range c.mechanisms() {
		b = append(append(b, m...), '\r', '\n')
	}
	_, err := c.net.Write(append(b, ".\r\n"...))
	return err
}

// challenge sends a challenge and reads the response. A nil response says
// that the exchange is over, for the session too if there is an error.
func (c *Conn) challenge(challenge []byte) ([]byte, error) {
	if _, err := c.net.Write(pop3wire.AppendChallenge(nil, challenge)); err != nil {
		return nil, err
	}
	c.net.SetState(serve.StateIdle)
	line, err := c.net.Reader().Line(pop3wire.MaxAuthLine)
	c.net.SetState(serve.StateActive)
	if err != nil {
		var long *wire.LimitError
		if errors.As(err, &long) && c.net.Reader().Err() == nil {
			return nil, c.violate("", fmt.Sprintf("Authentication exchange line longer than %d octets", long.Limit))
		}
		return nil, c.lineFailed(err)
	}
	response, err := pop3wire.ParseAuthResponse(line)
	var bad *pop3wire.ParseError
	switch {
	case err == pop3wire.ErrAuthCancelled:
		return nil, c.refuse("", "Authentication cancelled")
	case errors.As(err, &bad):
		return nil, c.refuse("", "AUTH: "+bad.Msg)
	}
	return response, nil
}

// authFailed answers a failed authentication, in the same words whether the
// user, the password or the identity asked for was wrong.
func (c *Conn) authFailed(err error) error {
	var own *pop3.Error
	code, text := pop3.CodeSysTemp, "Temporary authentication failure"
	switch {
	case errors.Is(err, sasl.ErrFailed), errors.Is(err, sasl.ErrNotAuthorized):
		code, text = pop3.CodeAuth, "Authentication failed"
	case errors.Is(err, sasl.ErrProtocol):
		code, text = pop3.CodeAuth, "Malformed authentication message"
	case errors.Is(err, sasl.ErrTooMany):
		text = "Too many authentication attempts"
	case errors.As(err, &own):
		code, text = c.clean(err)
	default:
		c.net.Log.Error("authentication failed to run", "error", err)
	}
	c.authFailures++
	c.delay()
	if n := c.srv.lim.MaxAuthFailures; n > 0 && c.authFailures >= n {
		return c.violate(code, text+"; too many failures")
	}
	return c.say(pop3wire.ERR, code, text)
}

// login enters the TRANSACTION state.
func (c *Conn) login(ctx context.Context, id sasl.Identity) error {
	c.identity = &id
	if err := c.admit(ctx, id); err != nil {
		c.identity = nil
		return c.refuseErr(err)
	}
	if err := c.openDrop(ctx, id); err != nil {
		if c.net.Hijacked() {
			return errDone
		}
		c.identity, c.policy = nil, nil
		return c.refuseErr(err)
	}
	c.loggedIn(id)
	c.state = pop3.Transaction
	c.authFailures = 0
	c.progress()
	c.net.SetTransactionDeadline(time.Time{})
	return c.ok(c.drop.summary())
}
