// Commands of extensions: UTF8, LANG, XCLIENT, *ENV.

package pop3client

import (
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/pop3/pop3wire"
)

// UTF8 enters UTF-8 mode (RFC 6856 section 2.1), in which headers may be UTF-8
// as they are. It comes before the login; Options.UTF8 sees to it where Dial
// logs in.
func (c *Client) UTF8(ctx context.Context) error {
	done, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	return c.startUTF8()
}

func (c *Client) startUTF8() error {
	r, err := c.command(&pop3wire.Command{Verb: pop3wire.UTF8})
	if err == nil && r.Status != pop3wire.OK {
		err = refusal(&r, string(pop3wire.UTF8))
	}
	c.utf8 = c.utf8 || err == nil
	return err
}

// UTF8Enabled reports whether the connection is in UTF-8 mode.
func (c *Client) UTF8Enabled() bool { return c.utf8 }

// Lang asks for the server's texts in the language that matches a basic
// language range (RFC 6856 section 3), such as "en" or "*", the server's own
// choice. It returns the tag of the one chosen; its Name is the server's text
// in it.
func (c *Client) Lang(ctx context.Context, tag string) (pop3.Language, error) {
	cmd := &pop3wire.Command{Verb: pop3wire.LANG, Arg: tag}
	if tag == "" {
		return pop3.Language{}, &pop3wire.EncodeError{Field: "the language", Reason: "it is empty"}
	}
	r, err := c.run(ctx, cmd)
	if err != nil {
		return pop3.Language{}, err
	}
	l, err := pop3wire.ParseLanguage([]byte(r.Text))
	return answer(l, err, cmd)
}

// Languages lists the languages that the server's texts can be had in, as List
// lists messages.
func (c *Client) Languages(ctx context.Context) iter.Seq2[pop3.Language, error] {
	return listing(c, ctx, &pop3wire.Command{Verb: pop3wire.LANG}, func(_ *pop3wire.UIDParser, line []byte) (pop3.Language, error) {
		return pop3wire.ParseLanguage(line)
	})
}

// XClient tells the server for whom a proxy speaks (Dovecot's XCLIENT), before
// the login: ADDR, PORT, SESSION, TTL, FORWARD. Servers take it from the
// networks that they trust.
func (c *Client) XClient(ctx context.Context, attributes ...pop3.Attribute) error {
	done, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	return c.xclient(attributes)
}

func (c *Client) xclient(attributes []pop3.Attribute) error {
	r, err := c.command(&pop3wire.Command{Verb: pop3wire.XCLIENT, Attributes: attributes})
	if err == nil && r.Status != pop3wire.OK {
		err = refusal(&r, string(pop3wire.XCLIENT))
	}
	return err
}

func (c *Client) takesXClient() bool {
	return c.greeting.Code.Is(pop3.CodeXClient) || c.caps.Has(pop3.CapXClient)
}

// Envelope returns the envelope that message n was delivered with (*ENV),
// which few servers know.
func (c *Client) Envelope(ctx context.Context, n int) (pop3.Envelope, error) {
	cmd := &pop3wire.Command{Verb: pop3wire.ENV, Number: n}
	done, err := c.begin(ctx)
	if err != nil {
		return pop3.Envelope{}, err
	}
	defer done()
	var p pop3wire.EnvelopeParser
	if err := c.eachLine(cmd, p.Line); err != nil {
		return pop3.Envelope{}, err
	}
	e, err := p.Envelope()
	return answer(e, err, cmd)
}

// eachLine runs a command whose response has many lines, and calls f with each
// until it fails. It reads to the end in any case, up to Options.MaxDrain
// behind a failure.
func (c *Client) eachLine(cmd *pop3wire.Command, f func([]byte) error) error {
	lines, err := c.beginLines(cmd)
	if err != nil {
		return err
	}
	what := cmd.String()
	for {
		line, err := lines.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil && lines.Err() != nil {
			return c.broken(what, err)
		}
		if err == nil {
			err = f(line)
		}
		if err != nil {
			c.drain(what, lines.Drain)
			return fmt.Errorf("pop3client: %s: %w", what, err)
		}
	}
}
