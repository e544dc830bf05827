// Authentication.

package smtpclient

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpwire"
)

// Auth authenticates (RFC 4954). The error is ErrCleartextAuth,
// sasl.ErrMechanism (by errors.Is) if the server does not offer the
// mechanism, an *smtp.Error for a refusal, or another one.
func (c *Client) Auth(ctx context.Context, m sasl.Mechanism) error {
	done, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	return c.authenticate(m)
}

func (c *Client) authenticate(m sasl.Mechanism) error {
	encrypted := c.net.IsTLS()
	what := "AUTH " + m.Name()
	switch {
	case m.Cleartext() && !encrypted && !c.opts.AllowCleartext:
		return ErrCleartextAuth
	case !slices.Contains(c.ext.Mechanisms(), m.Name()):
		return fmt.Errorf("smtpclient: %s: %w", what, sasl.ErrMechanism)
	}
	x, initial, err := m.Start(sasl.Line{Encrypted: encrypted})
	if err != nil {
		return err
	}
	cmd := &smtpwire.Command{Verb: smtpwire.AUTH, Arg: m.Name(), Initial: initial}
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
			challenge, _ := smtpwire.ParseChallenge(&r)
			if response, err = x.Next(challenge); err != nil {
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
