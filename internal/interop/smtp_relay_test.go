//go:build interop

package interop

// Postfix and Exim between our client and our server: what the client sends is
// what the server gets, octet by octet, with all parameters.

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/mime/report"
	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpclient"
	"github.com/mailwire/mailwire/smtp/smtptest"
)

// mta is a mail transfer agent that listens on smtp and smtps, and on small
// where it takes messages of 2000 octets at most. It refuses the recipients
// nobody and full.
type mta struct {
	port, addr map[string]string // by service
	says8bit   bool              // hands BODY=8BITMIME on
	losesCR    bool              // of messages that come after a chunk that it refused, on the same connection (Exim 4.96)
	log        func() string
}

func newMTA(t *testing.T) *mta {
	t.Helper()
	m := &mta{port: map[string]string{}, addr: map[string]string{}}
	for _, name := range []string{"smtp", "smtps", "small"} {
		m.port[name] = fmt.Sprint(freePort(t))
		m.addr[name] = "localhost:" + m.port[name]
	}
	return m
}

// behind are our servers behind one: by the domain they get the mail of.
type behind struct {
	peer, lmtp, small *peer
}

func startBehind(t *testing.T) *behind {
	t.Helper()
	large := func(s *smtptest.Server) { s.Config.Limits.MaxMessageSize = 70 << 20 }
	return &behind{
		peer:  startPeer(t, large),
		lmtp:  startPeer(t, func(s *smtptest.Server) { s.Config.LMTP = true }),
		small: startPeer(t, small),
	}
}

// The ways on which mail goes on: the domain says which.
var tlsDomains = map[string]bool{"plain.test": false, "may.test": true, "encrypt.test": true, "secure.test": true, "implicit.test": true}

func relayOptions(mode smtpclient.TLSMode, chunking smtpclient.Chunking) *smtpclient.Options {
	_, config := testkit.TLS("localhost")
	return &smtpclient.Options{TLS: mode, TLSConfig: config, Chunking: chunking, HelloName: "client.example.test"}
}

func dialMTA(t *testing.T, m *mta, service string, o *smtpclient.Options) *smtpclient.Client {
	t.Helper()
	c, err := smtpclient.Dial(t.Context(), m.addr[service], o)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func envelope(t *testing.T, from string, to ...string) *smtp.Envelope {
	t.Helper()
	e, err := smtp.NewEnvelope(from, to...)
	require.NoError(t, err)
	e.Options.Body = smtp.Body8BitMIME
	return e
}

// unsized hides what a reader knows of its length.
type unsized struct{ io.Reader }

func testRelay(t *testing.T, m *mta, b *behind) {
	check := func(name string, f func(t *testing.T)) {
		t.Run(name, func(t *testing.T) {
			for _, p := range []*peer{b.peer, b.lmtp, b.small} {
				p.Clear()
			}
			f(t)
		})
	}
	plain := relayOptions(smtpclient.Disabled, smtpclient.ChunkAuto)
	send := func(t *testing.T, o *smtpclient.Options, service string, e *smtp.Envelope, message io.Reader) *smtp.Result {
		t.Helper()
		c := dialMTA(t, m, service, o)
		res, err := c.Send(t.Context(), e, message)
		require.NoError(t, err)
		require.NoError(t, c.Quit(t.Context()))
		return res
	}
	for domain, encrypted := range tlsDomains {
		check("TLS of its client, "+domain, func(t *testing.T) {
			send(t, plain, "smtp", envelope(t, "ada@plain.test", "bob@"+domain), strings.NewReader(letter))
			got := b.peer.one(t)
			require.Equal(t, letter, untraced(got.Data))
			require.Equal(t, encrypted, got.TLS)
			if m.says8bit {
				require.Equal(t, smtp.Body8BitMIME, got.Envelope.Options.Body)
			}
		})
	}
	for name, mode := range map[string]smtpclient.TLSMode{"smtp": smtpclient.Required, "smtps": smtpclient.Implicit} {
		for _, chunking := range []smtpclient.Chunking{smtpclient.ChunkNever, smtpclient.ChunkAlways} {
			check(fmt.Sprintf("TLS of its server, %s, chunking %d", name, chunking), func(t *testing.T) {
				c := dialMTA(t, m, name, relayOptions(mode, chunking))
				for _, name := range []string{"PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "CHUNKING", "DSN"} {
					require.True(t, c.Extensions().Has(name), name)
				}
				for range 3 {
					_, err := c.Send(t.Context(), envelope(t, "ada@plain.test", "bob@plain.test"), strings.NewReader(letter))
					require.NoError(t, err)
				}
				require.NoError(t, c.Quit(t.Context()))
				for _, got := range b.peer.Wait(3) {
					require.Equal(t, letter, untraced(got.Data))
				}
				b.peer.Clear()
			})
		}
	}
	check("a certificate of another name", func(t *testing.T) {
		o := relayOptions(smtpclient.Required, smtpclient.ChunkAuto)
		o.TLSConfig.ServerName = "other.example"
		_, err := smtpclient.Dial(t.Context(), m.addr["smtp"], o)
		require.ErrorContains(t, err, "certificate is valid for")
	})
	check("DSN", func(t *testing.T) {
		e := envelope(t, "ada@plain.test", "bob@plain.test")
		e.Options.Return, e.Options.EnvelopeID = smtp.ReturnHeaders, "a+b=c"
		e.To[0].Options.Notify = smtp.NotifyFailure | smtp.NotifyDelay
		e.To[0].Options.Original = smtp.OriginalRecipient{Type: "rfc822", Address: "b+b=b@example.org"}
		send(t, plain, "smtp", e, strings.NewReader(letter))
		got := b.peer.one(t).Envelope
		require.Equal(t, e.Options.Return, got.Options.Return)
		require.Equal(t, e.Options.EnvelopeID, got.Options.EnvelopeID)
		require.Equal(t, e.To[0].Options.Notify, got.To[0].Options.Notify)
		require.Equal(t, e.To[0].Options.Original, got.To[0].Options.Original)
	})
	check("SMTPUTF8", func(t *testing.T) {
		send(t, plain, "smtp", envelope(t, "jürgen@plain.test", "λ@plain.test"), strings.NewReader(letter))
		got := b.peer.one(t)
		require.True(t, got.Envelope.Options.UTF8)
		require.Equal(t, "jürgen@plain.test", got.Envelope.From.String())
		require.Equal(t, []string{"λ@plain.test"}, addresses(got))
		require.Equal(t, letter, untraced(got.Data))
	})
	check("quoted and null paths", func(t *testing.T) {
		send(t, plain, "smtp", envelope(t, "", `"a b"@plain.test`), strings.NewReader(letter))
		got := b.peer.one(t)
		require.True(t, got.Envelope.From.IsNull())
		require.Equal(t, []string{`"a b"@plain.test`}, addresses(got))
	})
	check("mixed recipients", func(t *testing.T) {
		for _, chunking := range []smtpclient.Chunking{smtpclient.ChunkNever, smtpclient.ChunkAlways} {
			res := send(t, relayOptions(smtpclient.Disabled, chunking), "smtp",
				envelope(t, "ada@plain.test", "bob@plain.test", "nobody@plain.test", "full@plain.test", "eve@plain.test"), strings.NewReader(letter))
			require.Equal(t, 2, res.Accepted())
			require.Regexp(t, "550 5.1.1 .*no such user here", res.Recipients[1].Err)
			require.Regexp(t, "452 4.2.2 .*the mailbox is full", res.Recipients[2].Err)
			got := addresses(b.peer.one(t))
			slices.Sort(got)
			require.Equal(t, []string{"bob@plain.test", "eve@plain.test"}, got)
		}
	})
	check("all refused, and the connection goes on", func(t *testing.T) {
		for _, chunking := range []smtpclient.Chunking{smtpclient.ChunkNever, smtpclient.ChunkAlways} {
			c := dialMTA(t, m, "smtp", relayOptions(smtpclient.Disabled, chunking))
			_, err := c.Send(t.Context(), envelope(t, "ada@plain.test", "nobody@plain.test", "nobody@may.test"), strings.NewReader(letter))
			require.ErrorContains(t, err, "550 5.1.1")
			_, err = c.Send(t.Context(), envelope(t, "ada@plain.test", "bob@plain.test"), strings.NewReader(letter))
			require.NoError(t, err)
			require.NoError(t, c.Quit(t.Context()))
			require.Equal(t, letter, untraced(b.peer.one(t).Data))
		}
	})
	check("too large for it", func(t *testing.T) {
		for _, chunking := range []smtpclient.Chunking{smtpclient.ChunkNever, smtpclient.ChunkAlways} {
			c := dialMTA(t, m, "small", relayOptions(smtpclient.Disabled, chunking))
			e := envelope(t, "ada@plain.test", "bob@plain.test")
			e.Options.Size = 5000
			message := letter + strings.Repeat(largeLine, 60)
			_, err := c.Send(t.Context(), e, strings.NewReader(message))
			var refused *smtp.Error
			require.ErrorAs(t, err, &refused)
			require.Equal(t, 552, refused.Code)
			e.Options.Size = 0
			_, err = c.Send(t.Context(), e, unsized{strings.NewReader(message)})
			require.ErrorAs(t, err, &refused)
			require.Equal(t, 552, refused.Code)
			if m.losesCR && chunking == smtpclient.ChunkAlways {
				c = dialMTA(t, m, "small", relayOptions(smtpclient.Disabled, chunking))
			}
			_, err = c.Send(t.Context(), e, strings.NewReader(letter))
			require.NoError(t, err)
			require.NoError(t, c.Quit(t.Context()))
			require.Equal(t, letter, untraced(b.peer.one(t).Data))
		}
	})
	check("50 MB", func(t *testing.T) {
		send(t, relayOptions(smtpclient.Implicit, smtpclient.ChunkAuto), "smtps", envelope(t, "ada@plain.test", "bob@plain.test"), large())
		require.Equal(t, largeSum(), sum(strings.NewReader(untraced(b.peer.one(t).Data))))
	})
	check("1000 recipients", func(t *testing.T) {
		res := send(t, plain, "smtp", envelope(t, "ada@plain.test", manyRecipients("plain.test")...), strings.NewReader(letter))
		require.Equal(t, 1000, res.Accepted())
		got := addresses(b.peer.one(t))
		slices.Sort(got)
		require.Equal(t, manyRecipients("plain.test"), got)
	})
	check("refused by our server", func(t *testing.T) {
		send(t, plain, "smtp", envelope(t, "ada@plain.test", "nobody2@plain.test"), strings.NewReader(letter))
		bounce := b.peer.one(t)
		require.True(t, bounce.Envelope.From.IsNull())
		require.Equal(t, []string{"ada@plain.test"}, addresses(bounce))
		r := report.ParseBytes(bounce.Data, nil)
		require.Equal(t, report.DSN, r.Kind)
		require.Len(t, r.Recipients, 1)
		require.Equal(t, "nobody2@plain.test", r.Recipients[0].Address)
		require.Equal(t, report.Failed, r.Recipients[0].Action)
		require.Equal(t, 550, r.Recipients[0].Reply)
		require.Contains(t, r.Recipients[0].Diagnostic, "no such user here")
		require.Equal(t, "1@example.test", r.OriginalMessageID)
	})
	check("too large for our server", func(t *testing.T) {
		send(t, plain, "smtp", envelope(t, "ada@plain.test", "bob@small.test"), strings.NewReader(letter+strings.Repeat(largeLine, 60)))
		require.Contains(t, string(b.peer.one(t).Data), "5.3.4")
		require.Empty(t, b.small.Messages())
		send(t, plain, "smtp", envelope(t, "ada@plain.test", "bob@small.test"), strings.NewReader(letter))
		require.Equal(t, letter, untraced(b.small.one(t).Data))
	})
	check("LMTP", func(t *testing.T) {
		send(t, plain, "smtp", envelope(t, "ada@plain.test", "bob@lmtp.test", "nobody2@lmtp.test", "late@lmtp.test", "eve@lmtp.test"), strings.NewReader(letter))
		got := b.lmtp.one(t)
		require.Equal(t, letter, untraced(got.Data))
		to := addresses(got)
		slices.Sort(to)
		require.Equal(t, []string{"bob@lmtp.test", "eve@lmtp.test", "late@lmtp.test"}, to)
		bounce := string(b.peer.one(t).Data)
		require.Contains(t, bounce, "no such user here")
		require.Contains(t, bounce, "the mailbox became full")
		require.NotContains(t, bounce, "eve@lmtp.test")
	})
}

func TestPostfixRelay(t *testing.T) {
	m, b := newMTA(t), startBehind(t)
	var routes, services []string
	for domain, to := range map[string]struct{ port, options string }{
		"plain.test":    {b.peer.port, "smtp -o smtp_tls_security_level=none"},
		"may.test":      {b.peer.port, "smtp -o smtp_tls_security_level=may"},
		"encrypt.test":  {b.peer.port, "smtp -o smtp_tls_security_level=encrypt"},
		"secure.test":   {b.peer.port, "smtp -o smtp_tls_security_level=secure"},
		"implicit.test": {b.peer.tlsPort, "smtp -o smtp_tls_security_level=secure -o smtp_tls_wrappermode=yes"},
		"small.test":    {b.small.port, "smtp"},
		"lmtp.test":     {b.lmtp.port, "lmtp"},
	} {
		service := "by-" + strings.TrimSuffix(domain, ".test")
		routes = append(routes, fmt.Sprintf("{ %s = %s:[localhost]:%s }", domain, service, to.port))
		services = append(services, service+" unix - - n - - "+to.options)
	}
	services = append(services,
		"127.0.0.1:"+m.port["smtps"]+" inet n - n - - smtpd -o smtpd_tls_wrappermode=yes",
		"127.0.0.1:"+m.port["small"]+" inet n - n - - smtpd -o message_size_limit=2000")
	const verdicts = "inline:{ { nobody@ = 550 5.1.1 no such user here }, { full@ = 452 4.2.2 the mailbox is full } }"
	p := startPostfix(t, []string{
		"smtputf8_enable = yes", "message_size_limit = 70000000", "smtpd_recipient_limit = 1000", "default_destination_recipient_limit = 1000",
		"in_flow_delay = 0", "smtpd_authorized_xforward_hosts = 127.0.0.0/8", "fast_flush_domains = plain.test",
		"smtpd_relay_restrictions = permit_mynetworks, reject", "smtpd_recipient_restrictions = check_recipient_access " + verdicts,
		"transport_maps = inline:{ " + strings.Join(routes, ", ") + " }",
	}, services...)
	m.addr["smtp"], m.says8bit = p.addr, true
	testRelay(t, m, b)
	t.Run("VRFY, ETRN, XFORWARD", func(t *testing.T) {
		b.peer.Clear()
		c := dialMTA(t, m, "smtp", relayOptions(smtpclient.Required, smtpclient.ChunkAuto))
		said, err := c.Verify(t.Context(), "bob@plain.test")
		require.NoError(t, err)
		require.Equal(t, 252, said.Code)
		said, err = c.Etrn(t.Context(), "plain.test")
		require.NoError(t, err)
		require.Equal(t, 250, said.Code)
		require.NoError(t, c.Noop(t.Context()))
		require.NoError(t, c.XForward(t.Context(), smtp.Param{Name: "NAME", Value: "spike.example"}, smtp.Param{Name: "ADDR", Value: "192.0.2.9"}))
		_, err = c.Send(t.Context(), envelope(t, "ada@plain.test", "bob@plain.test"), strings.NewReader(letter))
		require.NoError(t, err)
		require.NoError(t, c.Quit(t.Context()))
		require.Equal(t, letter, untraced(b.peer.one(t).Data))
		log, err := os.ReadFile(filepath.Join(p.dir, "mail.log"))
		require.NoError(t, err)
		require.Contains(t, string(log), "client=spike.example[192.0.2.9]")
	})
}
