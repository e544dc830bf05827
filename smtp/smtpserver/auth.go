// STARTTLS and AUTH.

package smtpserver

import (
	"context"
	"errors"
	"fmt"

	"github.com/mailwire/mailwire/internal/serve"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpwire"
)

// startTLS runs STARTTLS (RFC 3207).
func (c *Conn) startTLS(ctx context.Context, _ *smtpwire.Command) error {
	switch {
	case c.net.IsTLS():
		return c.refuse(503, codeOrder, "TLS is active already")
	case c.srv.tls == nil || !c.esmtp:
		return c.refuse(502, codeOrder, "STARTTLS is not offered")
	case c.identity != nil:
		// The session can not be told that it knows nobody any more.
		return c.refuse(503, codeOrder, "Authenticated already")
	case c.net.Buffered() > 0:
		// Somebody may have put it there, to be run inside TLS.
		return c.violate(554, codeOrder, "Input behind STARTTLS")
	}
	if err := c.say(220, codeOK, "Ready to start TLS"); err != nil {
		return err
	}
	if err := c.net.StartTLS(ctx, c.srv.tls); err != nil {
		return err
	}
	// RFC 3207 section 4.2: nothing that was learnt before counts.
	c.helo, c.esmtp = "", false
	c.state = stateConnected
	return nil
}

// auth runs AUTH (RFC 4954).
func (c *Conn) auth(ctx context.Context, cmd *smtpwire.Command) error {
	switch {
	case c.srv.Auth == nil || !c.esmtp:
		return c.refuse(502, codeOrder, "AUTH is not offered")
	case c.identity != nil:
		return c.refuse(503, codeOrder, "Authenticated already")
	}
	x, err := c.srv.Auth.Start(ctx, cmd.Arg, c.line())
	switch {
	case errors.Is(err, sasl.ErrEncryption):
		return c.refuse(538, smtp.EnhancedCode{5, 7, 11}, "Encryption required for requested authentication mechanism")
	case errors.Is(err, sasl.ErrMechanism):
		return c.refuse(504, codeParam, "Authentication mechanism not available")
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
			// SMTP has no room for data in the last reply.
			if len(response) > 0 {
				return c.authFailed(sasl.ErrProtocol)
			}
			break
		}
	}
	id := x.Identity()
	if h, ok := c.sess.(AuthHandler); ok {
		if err := h.Authenticated(ctx, id); err != nil {
			return c.authFailed(err)
		}
	}
	c.identity = &id
	c.authFailures = 0
	return c.say(235, smtp.EnhancedCode{2, 7, 0}, "Authentication succeeded")
}

// challenge sends a challenge and reads the response. A nil response says
// that the exchange is over, for the session too if there is an error.
func (c *Conn) challenge(challenge []byte) ([]byte, error) {
	if _, err := c.net.Write(smtpwire.AppendChallenge(nil, challenge)); err != nil {
		return nil, err
	}
	if c.net.Buffered() == 0 {
		c.net.SetState(serve.StateIdle)
	}
	line, err := c.net.Reader().Line(smtpwire.MaxAuthLine)
	c.net.SetState(serve.StateActive)
	if err != nil {
		var long *wire.LimitError
		if errors.As(err, &long) && c.net.Reader().Err() == nil {
			return nil, c.refuse(500, smtp.EnhancedCode{5, 5, 6}, fmt.Sprintf("Authentication exchange line longer than %d octets", long.Limit))
		}
		return nil, c.lineFailed(err)
	}
	response, err := smtpwire.ParseAuthResponse(line)
	var bad *smtpwire.ParseError
	switch {
	case err == smtpwire.ErrAuthCancelled:
		return nil, c.refuse(501, codePolicy5, "Authentication cancelled")
	case errors.As(err, &bad):
		return nil, c.sayError(bad.Reply())
	}
	return response, nil
}

// authFailed answers a failed authentication, in the same words whether the
// user, the password or the identity asked for was wrong.
func (c *Conn) authFailed(err error) error {
	var own *smtp.Error
	r := smtp.Error{Code: 454, EnhancedCode: codePolicy4, Message: "Temporary authentication failure"}
	switch {
	case errors.Is(err, sasl.ErrFailed), errors.Is(err, sasl.ErrNotAuthorized):
		r = smtp.Error{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "Authentication credentials invalid"}
	case errors.Is(err, sasl.ErrProtocol):
		r = smtp.Error{Code: 501, EnhancedCode: codeSyntax, Message: "Malformed authentication message"}
	case errors.Is(err, sasl.ErrTooMany):
		r.Message = "Too many authentication attempts"
	case errors.As(err, &own):
		r = *own
	default:
		c.net.Log.Error("authentication failed to run", "error", err)
	}
	c.authFailures++
	c.delay()
	if err := c.sayError(r.Reply()); err != nil {
		return err
	}
	if n := c.srv.lim.MaxAuthFailures; n > 0 && c.authFailures >= n {
		return c.violate(421, codePolicy4, "Too many failed authentications")
	}
	return nil
}
