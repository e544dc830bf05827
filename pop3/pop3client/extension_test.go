package pop3client_test

import (
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/pop3"
	"github.com/mailwire/mailwire/pop3/pop3client"
	"github.com/mailwire/mailwire/pop3/pop3wire"
	"github.com/mailwire/mailwire/sasl"
)

// RFC 1939 section 7's example.
func TestAPOP(t *testing.T) {
	ctx := t.Context()
	apop := func(greeting, text string) *pop3client.Client {
		c, err := connect(t, "S: "+greeting+"\n"+text, plaintext)
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	stamp := "+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>"
	c := apop(stamp, "C: APOP mrose c4c9334bac560ecc979e58001b3e22fb\nS: +OK maildrop has 1 message (369 octets)\n")
	require.NoError(t, c.APOP(ctx, "mrose", "tanstaaf"))
	assert.True(t, c.LoggedIn())
	c = apop(stamp, "C: APOP mrose {{re:[0-9a-f]{32}}}\nS: -ERR [AUTH] no\nC: NOOP\nS: +OK\n")
	require.ErrorIs(t, c.APOP(ctx, "mrose", "x"), pop3.ErrAuth)
	var e *pop3wire.EncodeError
	require.ErrorAs(t, c.APOP(ctx, "a\r\nQUIT", "x"), &e)
	require.NoError(t, c.Noop(ctx))
	for _, greeting := range []string{"+OK ready", "+OK <x>", "+OK <a b@c>"} {
		require.ErrorIs(t, apop(greeting, "").APOP(ctx, "mrose", "tanstaaf"), pop3client.ErrNoAPOP)
	}
}

// Credentials are used by the strongest mechanism there is for them.
func TestCredentials(t *testing.T) {
	ctx := t.Context()
	o := pop3client.Options{TLS: pop3client.Disabled, AllowCleartext: true}
	capa := "S: +OK\nC: CAPA\nS: +OK\nS: SASL PLAIN CRAM-MD5\nS: .\n"
	cram := "C: AUTH CRAM-MD5\nS: + PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\nC: dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\nS: +OK\nC: CAPA\nS: -ERR\n"
	c, err := connect(t, capa+cram, o)
	require.NoError(t, err)
	require.NoError(t, c.Auth(ctx, &sasl.Credentials{User: "tim", Password: "tanstaaftanstaaf"}))
	o.User, o.Password = "tim", "tanstaaftanstaaf"
	c, err = connect(t, capa+cram, o)
	require.NoError(t, err)
	assert.True(t, c.LoggedIn())
	// Nothing there that they do for: USER and PASS.
	c, err = connect(t, "S: +OK\nC: CAPA\nS: +OK\nS: SASL GSSAPI\nS: .\nC: USER tim\nS: +OK\nC: PASS tanstaaftanstaaf\nS: +OK\nC: CAPA\nS: -ERR\n", o)
	require.NoError(t, err)
	assert.True(t, c.LoggedIn())
}

func TestMechanisms(t *testing.T) {
	ctx := t.Context()
	c := open(t, "C: AUTH\nS: +OK\nS: plain\nS: ???\nS: LOGIN\nS: .\nC: AUTH PLAIN AGFkYQBzZWNyZXQ=\nS: +OK\nC: AUTH\nS: -ERR\n")
	names, err := c.Mechanisms(ctx)
	require.NoError(t, err)
	assert.Equal(t, []string{"PLAIN", "LOGIN"}, names)
	require.NoError(t, c.Auth(ctx, sasl.Plain("", "ada", "secret")))
	_, err = c.Mechanisms(ctx)
	var refused *pop3.Error
	require.ErrorAs(t, err, &refused)
}

func TestUTF8AndLang(t *testing.T) {
	ctx := t.Context()
	c := open(t, `
C: UTF8
S: -ERR no
C: UTF8
S: +OK
C: LANG
S: +OK
S: en English
S: es Español
S: *
S: .
C: LANG MUL
S: -ERR invalid language MUL
C: LANG *
S: +OK es Idioma cambiado
C: LANG en
S: +OK
C: NOOP
S: +OK
`)
	require.Error(t, c.UTF8(ctx))
	assert.False(t, c.UTF8Enabled())
	require.NoError(t, c.UTF8(ctx))
	assert.True(t, c.UTF8Enabled())
	var got []pop3.Language
	bad := 0
	for l, err := range c.Languages(ctx) {
		if err != nil {
			bad++
			continue
		}
		got = append(got, l)
	}
	assert.Equal(t, []pop3.Language{{Tag: "en", Name: "English"}, {Tag: "es", Name: "Español"}}, got)
	assert.Equal(t, 1, bad)
	_, err := c.Lang(ctx, "MUL")
	require.Error(t, err)
	l, err := c.Lang(ctx, "*")
	require.NoError(t, err)
	assert.Equal(t, pop3.Language{Tag: "es", Name: "Idioma cambiado"}, l)
	_, err = c.Lang(ctx, "en")
	var bad2 *pop3wire.ParseError
	require.ErrorAs(t, err, &bad2)
	_, err = c.Lang(ctx, "")
	require.Error(t, err)
	require.NoError(t, c.Noop(ctx))

	// Before the login, and behind TLS: RFC 6856 section 2.1.
	_, clientTLS := testkit.TLS()
	c, err = connect(t, `
S: +OK [XCLIENT] ready
C: CAPA
S: +OK
S: STLS
S: UTF8
S: .
C: STLS
S: +OK
--- starttls ---
C: CAPA
S: +OK
S: UTF8 USER
S: .
C: XCLIENT ADDR=192.0.2.1 PORT=1234
S: +OK Updated
C: UTF8
S: +OK
C: USER ada
S: +OK
C: PASS x
S: -ERR [REFERRAL/ada@pop2.example.org] elsewhere
--- client close ---
`, pop3client.Options{TLSConfig: clientTLS, User: "ada", Password: "x", UTF8: true, XClient: []pop3.Attribute{{Name: "ADDR", Value: "192.0.2.1"}, {Name: "PORT", Value: "1234"}}})
	assert.Nil(t, c)
	var refused *pop3.Error
	require.ErrorAs(t, err, &refused)
	to, ok := refused.Referral()
	assert.True(t, ok)
	assert.Equal(t, pop3.Referral{User: "ada", Host: "pop2.example.org"}, to)
}

func TestXClient(t *testing.T) {
	ctx := t.Context()
	c := open(t, "C: XCLIENT ADDR=192.0.2.1\nS: -ERR You are not from trusted IP\nC: XCLIENT SESSION=x\nS: +OK\n")
	var refused *pop3.Error
	require.ErrorAs(t, c.XClient(ctx, pop3.Attribute{Name: "ADDR", Value: "192.0.2.1"}), &refused)
	require.NoError(t, c.XClient(ctx, pop3.Attribute{Name: "SESSION", Value: "x"}))
	var e *pop3wire.EncodeError
	require.ErrorAs(t, c.XClient(ctx), &e)
	require.ErrorAs(t, c.XClient(ctx, pop3.Attribute{Name: "ADDR", Value: "x\r\nDELE 1"}), &e)
	// A server that does not offer it is not asked.
	o := plaintext
	o.XClient = []pop3.Attribute{{Name: "ADDR", Value: "192.0.2.1"}}
	c, err := connect(t, "S: +OK\nC: NOOP\nS: +OK\n", o)
	require.NoError(t, err)
	require.NoError(t, c.Noop(ctx))
}

func TestEnvelope(t *testing.T) {
	ctx := t.Context()
	c := open(t, "C: *ENV 1\nS: +OK\nS: host.example\nS: a\nS: b\nS: from@example.org\nS: to@host.example\nS: .\nC: *ENV 2\nS: +OK\nS: a\nS: .\nC: *ENV 3\nS: -ERR\nC: *ENV 4\nS~ +OK\\r\\na\\0b\\r\\nb\\r\\n.\\r\\n\nC: NOOP\nS: +OK\n")
	e, err := c.Envelope(ctx, 1)
	require.NoError(t, err)
	assert.Equal(t, pop3.Envelope{Info: [3]string{"host.example", "a", "b"}, From: "from@example.org", To: []string{"to@host.example"}}, e)
	for n := 2; n <= 4; n++ {
		_, err = c.Envelope(ctx, n)
		require.Error(t, err)
	}
	require.NoError(t, c.Noop(ctx))
}

func TestHijack(t *testing.T) {
	c := open(t, "C: USER ada\nS: +OK\nC: PASS x\nS: +OK\nS: +OK early\nC: STAT\nS: +OK 0 0\n")
	require.NoError(t, c.Login(t.Context(), "ada", "x"))
	conn, r, err := c.Hijack()
	require.NoError(t, err)
	require.ErrorIs(t, c.Noop(t.Context()), pop3client.ErrClosed)
	_, _, err = c.Hijack()
	require.ErrorIs(t, err, pop3client.ErrClosed)
	require.NoError(t, c.Close())
	_, err = conn.Write([]byte("STAT\r\n"))
	require.NoError(t, err)
	out, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.Equal(t, "+OK early\r\n+OK 0 0\r\n", string(out))
	require.NoError(t, conn.Close())
}
