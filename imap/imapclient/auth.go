package imapclient

// Logging in and out.

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
	"github.com/mailwire/mailwire/internal/saslline"
	"github.com/mailwire/mailwire/sasl"
	"github.com/mailwire/mailwire/sasl/sasltls"
)

// Login logs in by LOGIN (RFC 3501 section 6.2.3). On a clear line it is
// ErrCleartextAuth unless Options.AllowCleartext; where the server has LOGIN
// disabled it is an *ExtensionError.
func (c *Client) Login(ctx context.Context, user, password string) error {
	if !c.Encrypted() && !c.opts.AllowCleartext {
		return ErrCleartextAuth
	}
	if err := oneLine(user, password); err != nil {
		return err
	}
	caps, err := c.Capabilities(ctx)
	if err != nil {
		return err
	}
	if caps.Has(imap.CapLoginDisabled) {
		return &ExtensionError{Extension: "LOGIN", For: "a login by name and password on this line"}
	}
	c.learn(nil)
	if err := c.Do(ctx, &imapwire.Login{Username: user, Password: password}, nil); err != nil {
		return err
	}
	c.authed = true
	return c.welcome(ctx)
}

// Authenticate logs in by a SASL mechanism (RFC 3501 section 6.2.2), or by the
// best one for a *sasl.Credentials. Where the server refuses a token and the
// credentials have a newer one, that is tried too. A refusal is an *imap.Error
// by errors.As, and a *ReferralError where the server names another one for
// the user; sasl.ErrMechanism by errors.Is says that the server does not offer
// the mechanism.
func (c *Client) Authenticate(ctx context.Context, m sasl.Mechanism) error {
	if m.Cleartext() && !c.Encrypted() && !c.opts.AllowCleartext {
		return ErrCleartextAuth
	}
	caps, err := c.Capabilities(ctx)
	if err != nil {
		return err
	}
	line := saslline.Client(c.conn, "imap", c.opts.TLSConfig, caps.Values("AUTH"), c.opts.AllowCleartext)
	a, err := sasl.Begin(ctx, m, c.bound(line))
	switch {
	case errors.Is(err, sasl.ErrEncryption):
		return ErrCleartextAuth
	case err != nil:
		return fmt.Errorf("imapclient: AUTHENTICATE: %w", err)
	}
	initialResponse := c.offers(imap.CapSASLIR)
	for {
		err := c.exchange(ctx, a, initialResponse)
		if err == nil {
			c.authed = true
			return c.welcome(ctx)
		}
		var refused *imap.Error
		if !errors.As(err, &refused) || refused.Kind != imap.NO || c.Closed() {
			return err
		}
		if a, err = a.Again(ctx, err); a == nil {
			return err
		}
	}
}

// bound is line with the TLS that is below compression.
func (c *Client) bound(line sasl.Line) sasl.Line {
	if c.tls == nil {
		return line
	}
	b := sasltls.Client(*c.tls)
	b.Service, b.AllowCleartext, b.Offered, b.Host, b.Port = line.Service, line.AllowCleartext, line.Offered, line.Host, line.Port
	return b
}

// maxChallenges is how many challenges an exchange may have.
const maxChallenges = 100

func (c *Client) exchange(ctx context.Context, x *sasl.Attempt, initialResponse bool) error {
	args, initial := &imapwire.Authenticate{Mechanism: x.Mechanism}, x.Initial
	if initialResponse {
		args.Initial, initial = initial, nil
	}
	c.learn(nil)
	var failed error
	challenges := 0
	err := c.Do(ctx, args, func(r imapwire.Response) error {
		cont, ok := r.(*imapwire.Continuation)
		if !ok {
			return nil
		}
		if challenges++; challenges > maxChallenges {
			return fmt.Errorf("%w: challenges without end", ErrProtocol)
		}
		response := initial
		if initial == nil && failed == nil {
			var challenge []byte
			if challenge, failed = imapwire.DecodeSASL([]byte(cont.Text)); failed == nil {
				response, failed = x.Next(challenge)
			}
		}
		initial = nil
		line := []byte("*\r\n")
		if failed == nil {
			line = imapwire.AppendSASLLine(nil, response)
		}
		if _, err := c.conn.WriteSecret(line); err != nil {
			return err
		}
		return c.conn.Flush()
	})
	if failed != nil {
		if err == nil {
			// The server took a cancelled exchange for a good one.
			return c.ended(failed)
		}
		return failed
	}
	if err == nil {
		err = c.ended(x.Done())
	}
	return err
}

// welcome does what Options ask for behind a login.
func (c *Client) welcome(ctx context.Context) error {
	o := &c.opts
	if len(o.ID) == 0 && !o.UTF8 && !o.Compress && !c.caps.Has(imap.CapUTF8Only) {
		return nil
	}
	if _, err := c.Capabilities(ctx); err != nil {
		return err
	}
	if len(o.ID) > 0 && c.offers(imap.CapID) {
		if _, err := c.ID(ctx, o.ID...); err != nil && c.Closed() {
			return err
		}
	}
	if (o.UTF8 || c.caps.Has(imap.CapUTF8Only)) && c.offers(imap.CapUTF8Accept) && c.offers(imap.CapEnable) {
		if _, err := c.Enable(ctx, imap.CapUTF8Accept); err != nil {
			return err
		}
	}
	if o.Compress && !c.deflated && c.offers(imap.CapCompressDeflate) {
		var said *imap.Error
		if err := c.Compress(ctx); err != nil && (!errors.As(err, &said) || c.Closed()) {
			return err
		}
	}
	return nil
}

// Unauthenticate ends the user's session and keeps the connection for another
// login (RFC 8437). The state of everything but TLS is forgotten. It is refused
// on a compressed connection, whose compression would have to end too.
func (c *Client) Unauthenticate(ctx context.Context) error {
	if err := c.need(ctx, imap.CapUnauthenticate, "UNAUTHENTICATE"); err != nil {
		return err
	}
	if c.deflated {
		return errors.New("imapclient: UNAUTHENTICATE on a compressed connection")
	}
	if err := c.Do(ctx, &imapwire.Unauthenticate{}, nil); err != nil {
		return err
	}
	c.selected, c.enabled, c.referral, c.authed = nil, nil, "", false
	c.learn(nil)
	return nil
}

// Logout ends the session (RFC 3501 section 6.1.3) and closes the connection.
// Servers that close instead of answering are forgiven; an error says only that
// the server did not say goodbye. While another call is going on it does
// nothing: ErrBusy.
func (c *Client) Logout(ctx context.Context) error {
	err := c.Do(ctx, &imapwire.Logout{}, nil)
	if errors.Is(err, ErrBusy) {
		return err
	}
	if c.bye != nil {
		err = nil
	}
	c.Close()
	return err
}

// tlsState keeps the state of TLS where the connection is about to be wrapped.
func (c *Client) tlsState() *tls.ConnectionState {
	if state, ok := c.TLS(); ok {
		return &state
	}
	return nil
}
