// Authentication.

package smtpclient

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/mailwire/mailwire/internal/saslline"
	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpwire"
)

// Auth authenticates (RFC 4954) by a mechanism, or by the best one for a
// *sasl.Credentials. Where the server refuses a token and the credentials have
// a newer one, that is tried too. The error is ErrCleartextAuth,
// sasl.ErrMechanism (by errors.Is) if the server does not offer the
// mechanism, an *smtp.Error (by errors.As) for a refusal, or another one.
func (c *Client) Auth(ctx context.Context, m sasl.Mechanism) error {
	done, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	return c.authenticate(ctx, m)
}

func (c *Client) authenticate(ctx context.Context, m sasl.Mechanism) error {
	a, err := sasl.Begin(ctx, m, saslline.Client(c.net, "smtp", c.opts.TLSConfig, c.ext.Mechanisms(), c.opts.AllowCleartext))
	switch {
	case errors.Is(err, sasl.ErrEncryption):
		return ErrCleartextAuth
	case err != nil:
		return fmt.Errorf("smtpclient: AUTH: %w", err)
	}
	for {
		err := c.exchange(a)
		var refused *smtp.Error
		if !errors.As(err, &refused) || refused.Code < 500 {
			return err
		}
		if a, err = a.Again(ctx, err); a == nil {
			return err
		}
	}
}

func (c *Client) exchange(x *sasl.Attempt) error {
	what, initial := "AUTH "+x.Mechanism, x.Initial
	cmd := &smtpwire.Command{Verb: smtpwire.AUTH, Arg: x.Mechanism, Initial: initial}
	if n := base64.StdEncoding.EncodedLen(len(initial)); n+len(what)+3 > smtpwire.MaxAuthLine {
		cmd.Initial = nil
	} else {
		initial = nil
	}
	r, err := c.command(cmd)
	for {
		if err != nil {
			return err
		}
		if r.Code == 235 {
			if err := x.Done(); err != nil {
				return c.fail(err)
			}
			c.auth = true
			return nil
		}
		if r.Code != 334 {
			return refusal(&r, what)
		}
		response := initial
		if initial == nil {
			challenge, ok := smtpwire.ParseChallenge(&r)
			if !ok && !strings.EqualFold(x.Mechanism, "LOGIN") {
				err = fmt.Errorf("%w: %s: the challenge is not base64", sasl.ErrProtocol, what)
			} else {
				response, err = x.Next(challenge)
			}
			if err != nil {
				return c.cancelAuth(what, err)
			}
		}
		initial = nil
		r, err = c.respond(what, response)
	}
}

func (c *Client) respond(what string, response []byte) (smtp.Reply, error) {
	if err := c.unasked(what); err != nil {
		return smtp.Reply{}, err
	}
	if _, err := c.net.WriteSecret(smtpwire.AppendAuthResponse(nil, response)); err != nil {
		return smtp.Reply{}, c.broken(what, err)
	}
	return c.readReply(what)
}

// cancelAuth gives an exchange up for why, which is returned.
func (c *Client) cancelAuth(what string, why error) error {
	if _, err := c.net.Write(smtpwire.AppendAuthCancel(nil)); err != nil {
		c.broken(what, err)
		return why
	}
	if r, err := c.readReply(what); err == nil && r.Positive() {
		c.protocol(what, "the server took a cancelled exchange for a good one")
	}
	return why
}
