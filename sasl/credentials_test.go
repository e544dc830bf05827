package sasl_test

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/sasl"
)

func chosen(t *testing.T, c sasl.Credentials, line sasl.Line) string {
	t.Helper()
	x, err := sasl.Begin(t.Context(), &c, line)
	require.NoError(t, err)
	return x.Mechanism
}

// What is strongest goes first, and each that is taken away leaves the next.
func TestChoice(t *testing.T) {
	order := map[bool][]string{
		true: {
			"EXTERNAL", "GS2-KRB5-PLUS", "GSSAPI", "GS2-KRB5", "OAUTHBEARER", "XOAUTH2",
			"SCRAM-SHA-512-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1",
			"DIGEST-MD5", "CRAM-MD5", "PLAIN", "LOGIN", "NTLM", "ANONYMOUS",
		},
		false: {
			"EXTERNAL", "GSSAPI", "GS2-KRB5", "SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5", "CRAM-MD5", "NTLM", "ANONYMOUS",
		},
	}
	for enc, want := range order {
		line := sasl.Line{Service: "imap", Host: "mail.example.org"}
		if enc {
			line = bound
		}
		line.Offered = slices.Clone(sasl.AllMechanisms)
		_, c := everything(t)
		var got []string
		for len(got) < len(want) {
			name := chosen(t, *c, line)
			got = append(got, name)
			line.Offered = slices.DeleteFunc(line.Offered, func(s string) bool { return s == name })
		}
		require.Equal(t, want, got, "encrypted=%t", enc)
		_, err := sasl.Begin(t.Context(), c, line)
		if enc {
			require.ErrorIs(t, err, sasl.ErrMechanism)
		} else {
			require.ErrorIs(t, err, sasl.ErrEncryption, "what is left shows the secret")
		}
	}
}

func TestChoiceIsBound(t *testing.T) {
	user := sasl.Credentials{User: "ada", Password: "pw"}
	offer := func(line sasl.Line, names ...string) sasl.Line {
		line.Offered = append([]string{}, names...)
		return line
	}
	require.Equal(t, "PLAIN", chosen(t, user, offer(encrypted, "login", "Plain")), "names in any case")
	only := user
	only.Only = []string{"login"}
	require.Equal(t, "LOGIN", chosen(t, only, offer(encrypted, "LOGIN", "PLAIN", "SCRAM-SHA-256")))
	require.Equal(t, "LOGIN", chosen(t, only, encrypted), "pinned, and the protocol tells nothing")
	forbid := user
	forbid.Forbid = []string{"SCRAM-SHA-256", "cram-md5"}
	require.Equal(t, "PLAIN", chosen(t, forbid, offer(encrypted, "SCRAM-SHA-256", "CRAM-MD5", "PLAIN")))
	cleartext := offer(clear, "PLAIN")
	cleartext.AllowCleartext = true
	require.Equal(t, "PLAIN", chosen(t, user, cleartext))
	require.Equal(t, "SCRAM-SHA-1", chosen(t, user, offer(encrypted, "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1")), "no bindings")
	end := user
	end.Binding = sasl.BindEndPoint
	x, err := sasl.Begin(t.Context(), &end, offer(bound, "SCRAM-SHA-1-PLUS"))
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(x.Initial), "p=tls-server-end-point,,"))
	end.Binding = "tls-unknown"
	_, err = sasl.Begin(t.Context(), &end, offer(bound, "SCRAM-SHA-1-PLUS"))
	require.ErrorIs(t, err, sasl.ErrMechanism)
	for want, b := range map[string]sasl.Bindings{
		"p=tls-unique,,": bound.Bindings, "p=tls-exporter,,": {Exporter: []byte("e"), EndPoint: []byte("c")}, "p=tls-server-end-point,,": {EndPoint: []byte("c")},
	} {
		line := offer(encrypted, "SCRAM-SHA-1-PLUS")
		line.Bindings = b
		x, err := sasl.Begin(t.Context(), &user, line)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(x.Initial), want), "%q", x.Initial)
	}

	for _, bad := range []sasl.Line{offer(encrypted), encrypted, offer(encrypted, "SCRAM-SHA-999", "X\r\nY", strings.Repeat("Z", 1000), "EXTERNAL")} {
		_, err := sasl.Begin(t.Context(), &user, bad)
		require.ErrorIs(t, err, sasl.ErrMechanism)
		require.NotContains(t, err.Error(), "\r")
		require.NotContains(t, err.Error(), "ZZZ")
	}
	_, err = sasl.Begin(t.Context(), &sasl.Credentials{}, offer(encrypted, sasl.AllMechanisms...))
	require.ErrorIs(t, err, sasl.ErrMechanism, "no credentials")

	// A password that one mechanism can not say is said by the next.
	odd := sasl.Credentials{User: "ada", Password: "p\u0085w"}
	require.Equal(t, "PLAIN", chosen(t, odd, offer(encrypted, "SCRAM-SHA-256", "PLAIN")))
	odd.Only = []string{"SCRAM-SHA-256"}
	_, err = sasl.Begin(t.Context(), &odd, offer(encrypted, "SCRAM-SHA-256", "PLAIN"))
	require.ErrorIs(t, err, sasl.ErrPrep)
	require.NotContains(t, err.Error(), "p\u0085w")
}

// A mechanism of the caller's choice is checked as the protocol's list has it.
func TestBeginOfAMechanism(t *testing.T) {
	line := encrypted
	line.Offered = []string{"PLAIN"}
	x, err := sasl.Begin(t.Context(), sasl.Plain("", "ada", "pw"), line)
	require.NoError(t, err)
	require.Equal(t, "\x00ada\x00pw", string(x.Initial))
	_, err = sasl.Begin(t.Context(), sasl.Login("ada", "pw"), line)
	require.ErrorIs(t, err, sasl.ErrMechanism)
	line.Encrypted = false
	_, err = sasl.Begin(t.Context(), sasl.Plain("", "ada", "pw"), line)
	require.ErrorIs(t, err, sasl.ErrEncryption)
	next, err := x.Again(t.Context(), sasl.ErrFailed)
	require.Nil(t, next)
	require.Equal(t, sasl.ErrFailed, err, "the refusal as it is")

	c := &sasl.Credentials{User: "ada", Password: "pw"}
	require.Empty(t, c.Name())
	require.False(t, c.Cleartext())
	_, _, err = c.Start(encrypted)
	require.ErrorIs(t, err, sasl.ErrMechanism)
	for _, name := range []string{"", "NOPE", "EXTERNAL", "GSSAPI", "XOAUTH2"} {
		_, err := c.Mechanism(t.Context(), name)
		require.ErrorIs(t, err, sasl.ErrMechanism, name)
	}
	full, creds := everything(t)
	_ = full
	for _, name := range sasl.AllMechanisms {
		m, err := creds.Mechanism(t.Context(), strings.ToLower(name))
		require.NoError(t, err)
		cleartext := slices.Contains([]string{"PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2"}, name)
		require.Equal(t, cleartext, m.Cleartext(), name)
	}
}

func TestTokens(t *testing.T) {
	away := errors.New("the token service is away")
	c := &sasl.Credentials{User: "ada", Password: "pw", Token: func(context.Context, string) (string, error) { return "", away }}
	line := encrypted
	line.Offered = []string{"XOAUTH2"}
	_, err := sasl.Begin(t.Context(), c, line)
	require.ErrorIs(t, err, away)
	line.Offered = []string{"XOAUTH2", "PLAIN"}
	require.Equal(t, "PLAIN", chosen(t, *c, line))

	// What can not be put into a message.
	for _, bad := range []sasl.Credentials{
		{User: "ada", Token: always("")}, {User: "ada", Token: always("two words")}, {User: "ada", Token: always("line\nend")},
		{User: "a\x01b", Token: always("t")}, {User: "\xff", Token: always("t")},
	} {
		for _, name := range []string{"XOAUTH2", "OAUTHBEARER"} {
			m, err := bad.Mechanism(t.Context(), name)
			require.NoError(t, err)
			_, _, err = m.Start(encrypted)
			require.Error(t, err)
			require.NotContains(t, err.Error(), "words")
		}
	}

	// The refresh itself fails.
	calls := 0
	c = &sasl.Credentials{User: "ada", Only: []string{"XOAUTH2"}, Token: func(_ context.Context, stale string) (string, error) {
		if calls++; calls > 1 {
			require.Equal(t, "old", stale)
			return "", away
		}
		return "old", nil
	}}
	x, err := sasl.Begin(t.Context(), c, encrypted)
	require.NoError(t, err)
	refused := errors.New("535 no")
	next, err := x.Again(t.Context(), refused)
	require.Nil(t, next)
	require.ErrorIs(t, err, refused)
	require.ErrorIs(t, err, away)

	// A token that suffices for something else is not stale.
	x, err = sasl.Begin(t.Context(), &sasl.Credentials{User: "ada", Only: []string{"XOAUTH2"}, Token: func(_ context.Context, stale string) (string, error) {
		require.Empty(t, stale)
		return "narrow", nil
	}}, encrypted)
	require.NoError(t, err)
	_, err = x.Next([]byte(`{"status":"insufficient_scope","scope":"mail"}`))
	require.NoError(t, err)
	next, err = x.Again(t.Context(), refused)
	require.Nil(t, next)
	require.ErrorIs(t, err, sasl.ErrFailed)
	require.EqualError(t, err, `535 no: the token was refused: "insufficient_scope", needed scope "mail"`)
}

// Messages of OAuth that a server does not take, and such that it does.
func TestBearerGrammar(t *testing.T) {
	tests := []struct {
		mechanism, msg string
		good           bool
	}{
		{"XOAUTH2", "user=ada\x01auth=Bearer token-of-ada\x01\x01", true},
		{"XOAUTH2", "user=ada\x01auth=bEARER  token-of-ada\x01\x01", true},
		{"XOAUTH2", "", false},
		{"XOAUTH2", "user=\x01auth=Bearer token-of-ada\x01\x01", false},
		{"XOAUTH2", "user=ada\x01auth=Basic token-of-ada\x01\x01", false},
		{"XOAUTH2", "user=ada\x01auth=Bearer token-of-ada\x01", false},
		{"XOAUTH2", "user=ada\x01auth=Bearer token-of-ada\x01\x01\x01", false},
		{"XOAUTH2", "user=ada\x01auth=Bearer token of ada\x01\x01", false},
		{"OAUTHBEARER", "n,,\x01auth=Bearer token-of-ada\x01\x01", true},
		{"OAUTHBEARER", "y,a=ada,\x01host=h\x01port=993\x01x=y\x01auth=Bearer token-of-ada\x01\x01", true},
		{"OAUTHBEARER", "p=tls-exporter,,\x01auth=Bearer token-of-ada\x01\x01", false},
		{"OAUTHBEARER", "F,n,,\x01auth=Bearer token-of-ada\x01\x01", false},
		{"OAUTHBEARER", "\x01", false},
		{"OAUTHBEARER", "n,,\x01\x01", false},
		{"OAUTHBEARER", "n,,\x01auth=Bearer token-of-ada\x01", false},
		{"OAUTHBEARER", "n,,\x01auth=Bearer token-of-ada\x01auth=Bearer x\x01\x01", false},
		{"OAUTHBEARER", "n,,\x01port=065\x01auth=Bearer token-of-ada\x01\x01", false},
		{"OAUTHBEARER", "n,,\x01port=65536\x01auth=Bearer token-of-ada\x01\x01", false},
		{"OAUTHBEARER", "n,,\x01k1=v\x01auth=Bearer token-of-ada\x01\x01", false},
		{"OAUTHBEARER", "n,a=,\x01auth=Bearer token-of-ada\x01\x01", false},
		{"OAUTHBEARER", "n,a=a=2,\x01auth=Bearer token-of-ada\x01\x01", false},
	}
	for _, tt := range tests {
		a, _ := everything(t)
		s, err := a.Start(t.Context(), tt.mechanism, bound)
		require.NoError(t, err)
		_, done, err := s.Next([]byte(tt.msg))
		require.Equal(t, tt.good, done, "%s %q", tt.mechanism, tt.msg)
		if !tt.good {
			require.ErrorIs(t, err, sasl.ErrProtocol, "%s %q", tt.mechanism, tt.msg)
		}
	}
	// Auth.Token's own words reach the client.
	a := &sasl.Auth{Token: func(_ context.Context, tok sasl.BearerToken) (string, error) {
		require.Equal(t, sasl.BearerToken{Token: "t", User: "ada", Host: "h", Port: 25}, tok)
		return "", fmt.Errorf("no: %w", &sasl.BearerError{Status: "insufficient_scope", Scope: "mail"})
	}}
	s, err := a.Start(t.Context(), "OAUTHBEARER", encrypted)
	require.NoError(t, err)
	challenge, _, err := s.Next([]byte("n,a=ada,\x01host=h\x01port=25\x01auth=Bearer t\x01\x01"))
	require.NoError(t, err)
	require.JSONEq(t, `{"status":"insufficient_scope","scope":"mail"}`, string(challenge))
	_, _, err = s.Next(nil)
	require.ErrorIs(t, err, sasl.ErrFailed)
}

// Users whose names are not ASCII, with and without the server's UTF-8, and
// what DIGEST-MD5 forbids.
func TestDigestMD5(t *testing.T) {
	for user, want := range map[string]string{"ada": "ada", "Übung": "\xdcbung", "日本": ""} {
		c := &sasl.Credentials{User: user, Password: "pw"}
		m, err := c.Mechanism(t.Context(), "DIGEST-MD5")
		require.NoError(t, err)
		x, _, err := m.Start(bound)
		require.NoError(t, err)
		out, err := x.Next([]byte(`nonce="n",algorithm=md5-sess`))
		if want == "" {
			require.ErrorIs(t, err, sasl.ErrProtocol)
			continue
		}
		require.NoError(t, err)
		require.Contains(t, string(out), `username="`+want+`"`)
		require.NotContains(t, string(out), "charset")
	}
	// The server reads both.
	a := &sasl.Auth{Secret: secrets(map[string]string{"Übung": "pw"}), Realm: "r"}
	for _, charset := range []string{`,charset=utf-8`, ``} {
		a.SetNonce("n")
		s, err := a.Start(t.Context(), "DIGEST-MD5", bound)
		require.NoError(t, err)
		challenge, _, err := s.Next([]byte{})
		require.NoError(t, err)
		c := &sasl.Credentials{User: "Übung", Password: "pw"}
		m, err := c.Mechanism(t.Context(), "DIGEST-MD5")
		require.NoError(t, err)
		x, _, err := m.Start(bound)
		require.NoError(t, err)
		response, err := x.Next([]byte(strings.Replace(string(challenge), ",charset=utf-8", charset, 1)))
		require.NoError(t, err)
		_, done, err := s.Next(response)
		require.NoError(t, err)
		require.True(t, done)
		require.Equal(t, "Übung", s.Identity().User)
	}
	for _, bad := range []string{
		``, `nonce="n"`, `nonce="n",algorithm=md5`, `nonce="",algorithm=md5-sess`, `nonce="n",nonce="m",algorithm=md5-sess`,
		`nonce="n",algorithm=md5-sess,qop="auth-int"`, `nonce="n",algorithm=md5-sess,charset=latin1`, `nonce="n,algorithm=md5-sess`,
		`nonce=n algorithm=md5-sess`, `=n`, `nonce="n",algorithm=`, `nonce="a` + "\x00" + `",algorithm=md5-sess`,
		`nonce="` + strings.Repeat("n", 2048) + `",algorithm=md5-sess`,
	} {
		c := &sasl.Credentials{User: "ada", Password: "pw"}
		m, err := c.Mechanism(t.Context(), "DIGEST-MD5")
		require.NoError(t, err)
		x, _, err := m.Start(bound)
		require.NoError(t, err)
		_, err = x.Next([]byte(bad))
		require.ErrorIs(t, err, sasl.ErrProtocol, bad)
	}
	c := &sasl.Credentials{User: `a"d\a`, Password: "pw", Realm: "second"}
	m, err := c.Mechanism(t.Context(), "DIGEST-MD5")
	require.NoError(t, err)
	x, _, err := m.Start(bound)
	require.NoError(t, err)
	out, err := x.Next([]byte(`realm="first", realm = "second" ,, nonce="n\"\\", qop="auth-conf , auth",algorithm=md5-sess,charset=UTF-8,stale=false,x="y"`))
	require.NoError(t, err)
	require.Contains(t, string(out), `username="a\"d\\a",realm="second",nonce="n\"\\",`)
}

func TestAPOP(t *testing.T) {
	// RFC 1939 section 7.
	const stamp, digest = "<1896.697170952@dbc.mtview.ca.us>", "c4c9334bac560ecc979e58001b3e22fb"
	a := &sasl.Auth{Secret: secrets(map[string]string{"mrose": "tanstaaf"})}
	require.True(t, a.CanAPOP())
	id, err := a.CheckAPOP(t.Context(), clear, stamp, "mrose", digest)
	require.NoError(t, err)
	require.Equal(t, sasl.Identity{User: "mrose", Mechanism: "APOP"}, id)
	_, err = a.CheckAPOP(t.Context(), clear, stamp, "mrose", strings.ToUpper(digest))
	require.NoError(t, err)
	sum := md5.Sum([]byte(stamp))
	for _, bad := range [][2]string{{"mrose", "x"}, {"mrose", ""}, {"nobody", digest}, {"nobody", fmt.Sprintf("%x", sum)}} {
		_, err := a.CheckAPOP(t.Context(), clear, stamp, bad[0], bad[1])
		require.ErrorIs(t, err, sasl.ErrFailed)
	}
	for _, none := range []*sasl.Auth{nil, {}, {Secret: a.Secret, Forbid: []string{"apop"}}, {Secret: a.Secret, Only: []string{"PLAIN"}}} {
		require.False(t, none.CanAPOP())
		_, err := none.CheckAPOP(t.Context(), clear, stamp, "mrose", digest)
		require.ErrorIs(t, err, sasl.ErrMechanism)
	}
}

func TestOfferOnly(t *testing.T) {
	a, _ := everything(t)
	a.Only = []string{"plain", "SCRAM-SHA-256-PLUS"}
	require.Equal(t, []string{"SCRAM-SHA-256-PLUS", "PLAIN"}, a.Mechanisms(bound))
	require.Equal(t, []string{"PLAIN"}, a.Mechanisms(encrypted), "no binding")
	require.Empty(t, a.Mechanisms(clear))
	require.True(t, a.CanPassword(bound))
	a.Forbid = []string{"Plain"}
	require.Equal(t, []string{"SCRAM-SHA-256-PLUS"}, a.Mechanisms(bound))
	require.False(t, a.CanPassword(bound), "neither PLAIN nor LOGIN, nor what is like them")
	_, err := a.CheckPassword(t.Context(), "USER", bound, "ada", thePassword)
	require.ErrorIs(t, err, sasl.ErrMechanism)
	for _, name := range []string{"PLAIN", "SCRAM-SHA-256", "EXTERNAL"} {
		_, err := a.Start(t.Context(), name, bound)
		require.ErrorIs(t, err, sasl.ErrMechanism)
	}
	a.Only, a.Forbid = nil, nil
	a.Hashes = []sasl.Hash{sasl.SHA1}
	require.Equal(t, []string{"EXTERNAL", "GSSAPI", "GS2-KRB5", "SCRAM-SHA-1", "DIGEST-MD5", "CRAM-MD5", "ANONYMOUS"}, a.Mechanisms(sasl.Line{PeerCertificates: bound.PeerCertificates}))
	require.True(t, a.NeedsEncryption(clear))
}

func TestBindingsGet(t *testing.T) {
	b := bound.Bindings
	require.Equal(t, b.Exporter, b.Get(sasl.BindExporter))
	require.Equal(t, b.Unique, b.Get(sasl.BindUnique))
	require.Equal(t, b.EndPoint, b.Get(sasl.BindEndPoint))
	require.Nil(t, b.Get("tls-unknown"))
}

func ExampleBegin() {
	creds := &sasl.Credentials{User: "ada", Password: "lovelace"}
	line := sasl.Line{Encrypted: true, Offered: []string{"LOGIN", "PLAIN", "XOAUTH2"}}
	x, err := sasl.Begin(context.Background(), creds, line)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s %q\n", x.Mechanism, x.Initial)

	line.Encrypted = false
	_, err = sasl.Begin(context.Background(), creds, line)
	fmt.Println(err)
	// Output:
	// PLAIN "\x00ada\x00lovelace"
	// sasl: encryption required for the mechanism
}

func ExampleCredentials_token() {
	expired := true
	creds := &sasl.Credentials{
		User: "ada@example.org",
		Token: func(ctx context.Context, stale string) (string, error) {
			if stale != "" { // the server has just refused it
				return "a-new-one", nil
			}
			return "the-one-at-hand", nil
		},
	}
	ctx, line := context.Background(), sasl.Line{Encrypted: true, Offered: []string{"XOAUTH2"}}
	x, err := sasl.Begin(ctx, creds, line)
	for err == nil && x != nil {
		fmt.Printf("%q\n", x.Initial)
		if !expired {
			break
		}
		expired = false
		x, err = x.Again(ctx, sasl.ErrFailed)
	}
	// Output:
	// "user=ada@example.org\x01auth=Bearer the-one-at-hand\x01\x01"
	// "user=ada@example.org\x01auth=Bearer a-new-one\x01\x01"
}
