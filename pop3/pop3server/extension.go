// Before the greeting, and the commands of extensions: APOP, XCLIENT, UTF8,
// LANG, *ENV.

package pop3server

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mailwire/mailwire/internal/netconn"
	"github.com/mailwire/mailwire/internal/serve"
	"github.com/mailwire/mailwire/internal/wire"
	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/pop3/pop3wire"
	"github.com/mailwire/mailwire/sasl"
)

// meet is what comes before the first command.
func (c *Conn) meet(ctx context.Context) error {
	if len(c.srv.TrustProxy) > 0 {
		if err := c.net.ReadProxy(ctx); err != nil {
			return err
		}
	}
	if c.srv.Connect != nil {
		was := c.net.MarkRead(netconn.Secret)
		id, err := c.srv.Connect(ctx, c, preGreeting{c})
		c.net.MarkRead(was)
		switch {
		case c.net.Hijacked():
			return errDone
		case err != nil:
			code, text := c.clean(err)
			return c.bye(pop3wire.ERR, code, text)
		}
		c.pre = id
	}
	text := c.srv.name + " POP3 ready"
	if c.srv.Auth.CanAPOP() {
		c.stamp = "<" + rand.Text() + "@" + c.srv.name + ">"
		if got, ok := pop3.Timestamp(c.stamp); !ok || got != c.stamp {
			c.stamp = "<" + rand.Text() + "@localhost>"
		}
		text += " " + c.stamp
	}
	code := pop3.Code("")
	if c.trusted() {
		code = pop3.CodeXClient
	}
	return c.say(pop3wire.OK, code, text)
}

// preGreeting is the connection before the greeting.
type preGreeting struct{ c *Conn }

func (p preGreeting) Read(b []byte) (int, error) {
	p.c.net.SetState(serve.StateIdle)
	defer p.c.net.SetState(serve.StateActive)
	return p.c.net.Reader().Read(b)
}

func (p preGreeting) Write(b []byte) (int, error) { return p.c.net.WriteSecret(b) }

var _ io.ReadWriter = preGreeting{}

// prePass runs PASS of a client that had authenticated before the greeting.
func (c *Conn) prePass(ctx context.Context, user string) error {
	id := *c.pre
	if user != id.Name() {
		if c.srv.Auth == nil || c.srv.Auth.Authorize == nil {
			return c.authFailed(sasl.ErrNotAuthorized)
		}
		if err := c.srv.Auth.Authorize(ctx, id.User, user); err != nil {
			return c.authFailed(err)
		}
		id.Authzid = user
	}
	return c.login(ctx, id)
}

// apop runs APOP (RFC 1939 section 7).
func (c *Conn) apop(ctx context.Context, cmd *pop3wire.Command) error {
	switch {
	case c.stamp == "":
		return c.refuse(pop3.CodeAuth, "APOP is not offered")
	case !c.mayLogIn():
		return c.refuse(pop3.CodeAuth, needTLS)
	}
	id, err := c.srv.Auth.CheckAPOP(ctx, c.line(), c.stamp, cmd.Arg, cmd.Digest)
	if err != nil {
		return c.authFailed(err)
	}
	return c.login(ctx, id)
}

func among(nets []netip.Prefix, a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return slices.ContainsFunc(nets, func(p netip.Prefix) bool { return p.Contains(a) })
}

// trusted says whether the peer itself may say for whom it speaks.
func (c *Conn) trusted() bool {
	if len(c.srv.TrustXClient) == 0 || c.net.RemoteAddr() == nil {
		return false
	}
	a, err := netip.ParseAddrPort(c.net.RemoteAddr().String())
	return err == nil && among(c.srv.TrustXClient, a.Addr())
}

// xclient runs XCLIENT. Attributes that it does not know are kept for the
// backend.
func (c *Conn) xclient(_ context.Context, cmd *pop3wire.Command) error {
	if !c.trusted() {
		return c.refuse("", "Not authorized to use XCLIENT")
	}
	now, attrs := c.client, slices.Clone(c.xattrs)
	for _, a := range cmd.Attributes {
		switch a.Name {
		case "ADDR":
			value := a.Value
			if len(value) > 5 && wire.EqualFold([]byte(value[:5]), "IPV6:") {
				value = value[5:]
			}
			ip, err := netip.ParseAddr(value)
			if err != nil || ip.Zone() != "" {
				return c.refuse("", "Malformed attribute ADDR")
			}
			now = netip.AddrPortFrom(ip.Unmap(), now.Port())
		case "PORT":
			n, err := strconv.ParseUint(a.Value, 10, 16)
			if err != nil {
				return c.refuse("", "Malformed attribute PORT")
			}
			now = netip.AddrPortFrom(now.Addr(), uint16(n))
		}
		attrs = slices.DeleteFunc(attrs, func(x pop3.Attribute) bool { return x.Name == a.Name })
		attrs = append(attrs, a)
	}
	const maxAttributes = 64
	if len(attrs) > maxAttributes {
		return c.refuse("", "Too many attributes")
	}
	// Nothing that was said for somebody else counts.
	c.client, c.xattrs, c.user = now, attrs, ""
	return c.ok("Updated")
}

// utf8Mode runs UTF8 (RFC 6856 section 2).
func (c *Conn) utf8Mode(context.Context, *pop3wire.Command) error {
	c.utf8 = true
	return c.ok("UTF8 enabled")
}

// content is the index of message n for a command that gives its content, or
// why there is none.
func (c *Conn) content(n int) (int, *pop3.Error) {
	i, refusal := c.drop.message(n)
	if refusal == nil && c.drop.messages[i].UTF8 && !c.utf8 {
		refusal = pop3.Errorf(pop3.CodeUTF8, "Message %d has a header in UTF-8, which needs UTF8", n)
	}
	return i, refusal
}

// language runs LANG (RFC 6856 section 3).
func (c *Conn) language(_ context.Context, cmd *pop3wire.Command) error {
	list := c.srv.Languages
	if len(list) == 0 {
		return c.refuse("", "LANG is not offered")
	}
	if cmd.Arg == "" {
		var b []byte
		for _, l := range list {
			var err error
			if b, err = pop3wire.AppendLanguage(b, l); err != nil {
				c.net.Log.Error("a language can not be listed", "error", err)
				return c.refuse(pop3.CodeSysPerm, "The languages can not be listed")
			}
		}
		if err := c.ok("Language listing follows"); err != nil {
			return err
		}
		_, err := c.net.Write(append(b, ".\r\n"...))
		return err
	}
	i := slices.IndexFunc(list, func(l pop3.Language) bool { return matches(cmd.Arg, l.Tag) })
	if i < 0 {
		return c.refuse("", "No such language")
	}
	c.lang = list[i].Tag
	text := fit(c.translate("Language changed"), pop3wire.MaxReplyLine-len("+OK  \r\n")-len(c.lang))
	b, err := pop3wire.AppendReply(c.net.AvailableBuffer(), &pop3wire.Reply{Text: c.lang + " " + text})
	if err != nil {
		return err
	}
	_, err = c.net.Write(b)
	return err
}

// matches reports whether a basic language range matches a tag (RFC 4647
// section 3.3.1).
func matches(rng, tag string) bool {
	switch {
	case rng == "*":
		return true
	case len(tag) < len(rng) || !wire.EqualFold([]byte(tag[:len(rng)]), wire.Upper(rng)):
		return false
	}
	return len(tag) == len(rng) || tag[len(rng)] == '-'
}

// translate is text in the session's language, on one line.
func (c *Conn) translate(text string) string {
	if c.lang == "" || c.srv.Translate == nil || c.lang == c.srv.Languages[0].Tag {
		return text
	}
	other := c.srv.Translate(c.lang, text)
	if other == "" {
		return text
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return ' '
		}
		return r
	}, other)
}

// fit cuts text to n octets, between its characters.
func fit(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n = max(n, 0); n > 0 && !utf8.RuneStart(text[n]); {
		n--
	}
	return text[:n]
}

// envelope runs *ENV (SDPS).
func (c *Conn) envelope(ctx context.Context, cmd *pop3wire.Command) error {
	i, refusal := c.drop.message(cmd.Number)
	if refusal != nil {
		return c.refuseErr(refusal)
	}
	e, err := c.drop.Maildrop.(Enveloper).Envelope(ctx, i)
	if err == nil && e == nil {
		err = errors.New("pop3server: the backend has no envelope")
	}
	var b []byte
	if err == nil {
		b, err = pop3wire.AppendEnvelope(nil, e)
	}
	if err != nil {
		return c.refuseErr(err)
	}
	if err := c.ok("Envelope follows"); err != nil {
		return err
	}
	_, err = c.net.Write(b)
	return err
}
