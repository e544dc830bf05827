// Logins.

package pop3client

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/mailwire/mailwire/pop3/pop3wire"
	"github.com/mailwire/mailwire/sasl"
)

// Auth logs in by SASL (RFC 5034). The error is ErrCleartextAuth,
// sasl.ErrMechanism (by errors.Is) if the server does not offer the mechanism,
// a *pop3.Error for a refusal, or another one.
func (c *Client) Auth(ctx context.Context, m sasl.Mechanism) error {
	done, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	return c.authenticate(m)
}

// Login logs in by USER and PASS. The error is ErrCleartextAuth, a
// *pop3.Error for a refusal, or another one.
func (c *Client) Login(ctx context.Context, user, password string) error {
	done, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	return c.login(user, password)
}

func (c *Client) offers(mechanism string) bool {
	return slices.Contains(c.caps.Mechanisms(), mechanism)
}

func (c *Client) login(user, password string) error {
	if !c.net.IsTLS() && !c.opts.AllowCleartext {
		return ErrCleartextAuth
	}
	pass := &pop3wire.Command{Verb: pop3wire.PASS, Arg: password}
	if _, err := pop3wire.AppendCommand(nil, pass); err != nil {
		return err // before anything is sent
	}
	for _, cmd := range []*pop3wire.Command{{Verb: pop3wire.USER, Arg: user}, pass} {
		r, err := c.command(cmd)
		if err != nil {
			return err
		}
		if r.Status != pop3wire.OK {
			return refusal(&r, string(cmd.Verb))
		}
	}
	return c.entered()
}

// entered is behind the login: capabilities may be others now.
func (c *Client) entered() error {
	c.loggedIn = true
	if !c.capa {
		return nil
	}
	return c.askCapabilities()
}

func (c *Client) authenticate(m sasl.Mechanism) error {
	encrypted := c.net.IsTLS()
	cmd := &pop3wire.Command{Verb: pop3wire.AUTH, Arg: m.Name()}
	what := cmd.String()
	switch {
	case m.Cleartext() && !encrypted && !c.opts.AllowCleartext:
		return ErrCleartextAuth
	case !c.offers(m.Name()):
		return fmt.Errorf("pop3client: %s: %w", what, sasl.ErrMechanism)
	}
	x, initial, err := m.Start(sasl.Line{Encrypted: encrypted})
	if err != nil {
		return err
	}
	// RFC 5034 section 4: the initial response goes with the command where
	// the line stays within the limit.
	if base64.StdEncoding.EncodedLen(len(initial))+len(what)+3 <= pop3wire.MaxCommandLine {
		cmd.Initial, initial = initial, nil
	}
	sent := 0 // responses, the initial one too
	if cmd.Initial != nil {
		sent++
	}
	r, err := c.command(cmd)
	for {
		if err != nil {
			return err
		}
		proceed := r.Status == pop3wire.Continue || pop3wire.NoContinuation(&r, sent)
		if !proceed && r.Status == pop3wire.OK {
			if err := x.Done(); err != nil {
				return c.fail(err)
			}
			return c.entered()
		}
		if !proceed {
			return refusal(&r, what)
		}
		response := initial
		if response == nil {
			var challenge []byte
			if r.Status == pop3wire.Continue {
				challenge, err = pop3wire.ParseChallenge(&r)
			}
			if err == nil {
				response, err = x.Next(challenge)
			}
			if err != nil {
				return c.cancelAuth(what, err)
			}
		}
		initial = nil
		sent++
		r, err = c.respond(what, response)
	}
}

func (c *Client) respond(what string, response []byte) (pop3wire.Reply, error) {
	if err := c.unasked(what); err != nil {
		return pop3wire.Reply{}, err
	}
	if _, err := c.net.WriteSecret(pop3wire.AppendAuthResponse(nil, response)); err != nil {
		return pop3wire.Reply{}, c.broken(what, err)
	}
	return c.readReply(what)
}

// cancelAuth gives an exchange up for why, which is returned.
func (c *Client) cancelAuth(what string, why error) error {
	if _, err := c.net.Write(pop3wire.AppendAuthCancel(nil)); err != nil {
		c.broken(what, err)
		return why
	}
	if r, err := c.readReply(what); err == nil && r.Status != pop3wire.ERR {
		c.protocol(what, "the server took a cancelled exchange for a good one")
	}
	return why
}
