// Logins.

package pop3client

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/mailwire/mailwire/internal/saslline"
	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/pop3/pop3wire"
	"github.com/mailwire/mailwire/sasl"
)

// Auth logs in by SASL (RFC 5034), by a mechanism, or by the best one for a
// *sasl.Credentials. Where the server refuses a token and the credentials have
// a newer one, that is tried too. The error is ErrCleartextAuth,
// sasl.ErrMechanism (by errors.Is) if the server does not offer the mechanism,
// a *pop3.Error (by errors.As) for a refusal, or another one.
func (c *Client) Auth(ctx context.Context, m sasl.Mechanism) error {
	done, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	return c.authenticate(ctx, m)
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

// ErrNoAPOP: the server's greeting has no timestamp, so that it does not do
// APOP.
var ErrNoAPOP = errors.New("pop3client: the server does not offer APOP")

// APOP logs in by APOP (RFC 1939 section 7). It does so only when asked: its
// digest is MD5, from which weak secrets can be guessed by whoever reads the
// line, and strong ones by a server that is an impostor (RFC 6151). The error
// is ErrNoAPOP, a *pop3.Error for a refusal, or another one.
func (c *Client) APOP(ctx context.Context, user, secret string) error {
	done, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	stamp, ok := pop3.Timestamp(c.greeting.Text)
	if !ok {
		return ErrNoAPOP
	}
	// RFC 6856 section 2.2.
	if !ascii(user) {
		if user, err = sasl.SASLprepQuery(user); err != nil {
			return fmt.Errorf("pop3client: APOP: the user name: %w", err)
		}
	}
	if !ascii(secret) {
		if secret, err = sasl.SASLprep(secret); err != nil {
			return fmt.Errorf("pop3client: APOP: the secret: %w", err)
		}
	}
	digest := md5.Sum([]byte(stamp + secret))
	cmd := &pop3wire.Command{Verb: pop3wire.APOP, Arg: user, Digest: hex.EncodeToString(digest[:])}
	r, err := c.command(cmd)
	if err != nil {
		return err
	}
	if r.Status != pop3wire.OK {
		return refusal(&r, string(cmd.Verb))
	}
	return c.entered()
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// userLogin logs in with a name and a password, by the strongest mechanism
// there is for them, else by USER and PASS.
func (c *Client) userLogin(ctx context.Context, user, password string) error {
	if len(c.mechanisms()) > 0 {
		err := c.authenticate(ctx, &sasl.Credentials{User: user, Password: password})
		if !errors.Is(err, sasl.ErrMechanism) {
			return err
		}
	}
	return c.login(user, password)
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

func (c *Client) authenticate(ctx context.Context, m sasl.Mechanism) error {
	line := saslline.Client(c.net, "pop", c.opts.TLSConfig, c.mechanisms(), c.opts.AllowCleartext)
	a, err := sasl.Begin(ctx, m, line)
	switch {
	case errors.Is(err, sasl.ErrEncryption):
		return ErrCleartextAuth
	case err != nil:
		return fmt.Errorf("pop3client: AUTH: %w", err)
	}
	for {
		err := c.exchange(a)
		var refused *pop3.Error
		if !errors.As(err, &refused) || refused.Temporary() {
			return err
		}
		if a, err = a.Again(ctx, err); a == nil {
			return err
		}
	}
}

// mechanisms are those of CAPA, or else of AUTH without a mechanism.
func (c *Client) mechanisms() []string {
	if names := c.caps.Mechanisms(); len(names) > 0 {
		return names
	}
	return c.listed
}

// Mechanisms asks for the SASL mechanisms by AUTH without an argument, for
// servers that do not tell them in CAPA. Auth knows them from then on.
func (c *Client) Mechanisms(ctx context.Context) ([]string, error) {
	done, err := c.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	c.listed = nil
	err = c.eachLine(&pop3wire.Command{Verb: pop3wire.AUTH}, func(line []byte) error {
		name, err := pop3wire.ParseMechanism(line)
		if err == nil {
			c.listed = append(c.listed, name)
		}
		return nil // a line that is none costs nothing but itself
	})
	return c.listed, err
}

// exchange runs one exchange, and asks for the capabilities if it succeeds.
func (c *Client) exchange(x *sasl.Attempt) error {
	cmd := &pop3wire.Command{Verb: pop3wire.AUTH, Arg: x.Mechanism}
	what, initial := cmd.String(), x.Initial
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
			switch {
			case err != nil:
			case sent == 1 && cmd.Initial != nil && len(cmd.Initial)+len(challenge) == 0:
				// Courier asks again for an initial response that is empty.
				response = cmd.Initial
			default:
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
