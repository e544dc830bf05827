package autoconfig_test

import (
	"context"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap/autoconfig"
)

func TestPreset(t *testing.T) {
	for _, c := range []struct {
		address, name, imap, user, pop3, submission string
	}{
		{"ann@gmail.com", "Gmail", "imap.gmail.com:993", "ann@gmail.com", "pop.gmail.com:995", "smtp.gmail.com:465"},
		{"ann@GoogleMail.com", "Gmail", "imap.gmail.com:993", "ann@GoogleMail.com", "pop.gmail.com:995", "smtp.gmail.com:465"},
		{"ann@ya.ru", "Yandex", "imap.yandex.ru:993", "ann@ya.ru", "pop.yandex.ru:995", "smtp.yandex.ru:465"},
		{"ann@mail.ru", "Mail.ru", "imap.mail.ru:993", "ann@mail.ru", "pop.mail.ru:995", "smtp.mail.ru:465"},
		{"ann@inbox.ru", "Mail.ru", "imap.mail.ru:993", "ann@inbox.ru", "pop.mail.ru:995", "smtp.mail.ru:465"},
		{"ann@list.ru", "Mail.ru", "imap.mail.ru:993", "ann@list.ru", "pop.mail.ru:995", "smtp.mail.ru:465"},
		{"ann@bk.ru", "Mail.ru", "imap.mail.ru:993", "ann@bk.ru", "pop.mail.ru:995", "smtp.mail.ru:465"},
		{"ann@rambler.ru", "Rambler", "imap.rambler.ru:993", "ann@rambler.ru", "pop.rambler.ru:995", "smtp.rambler.ru:465"},
		{"ann@hotmail.com", "Outlook.com", "outlook.office365.com:993", "ann@hotmail.com", "outlook.office365.com:995", "smtp-mail.outlook.com:587"},
		{"ann@firm.onmicrosoft.com", "Microsoft 365", "outlook.office365.com:993", "ann@firm.onmicrosoft.com", "outlook.office365.com:995", "smtp.office365.com:587"},
		{"ann@ymail.com", "Yahoo", "imap.mail.yahoo.com:993", "ann@ymail.com", "pop.mail.yahoo.com:995", "smtp.mail.yahoo.com:465"},
		{"ann@icloud.com", "iCloud", "imap.mail.me.com:993", "ann", "", "smtp.mail.me.com:587"},
	} {
		s, ok := autoconfig.Preset(c.address)
		require.True(t, ok, c.address)
		assert.Equal(t, autoconfig.FromPreset, s.Source)
		assert.Equal(t, c.name, s.Name)
		assert.False(t, s.Confirm)
		imap, ok := s.Best(autoconfig.IMAP)
		assert.True(t, ok)
		assert.Equal(t, c.imap, imap.Addr())
		assert.Equal(t, c.user, imap.User)
		pop3, ok := s.Best(autoconfig.POP3)
		assert.Equal(t, c.pop3 != "", ok)
		if ok {
			assert.Equal(t, c.pop3, pop3.Addr())
		}
		submission, ok := s.Best(autoconfig.Submission)
		assert.True(t, ok)
		assert.Equal(t, c.submission, submission.Addr())
		assert.Equal(t, c.address, submission.User)
		assert.Equal(t, submission.Port == 587, submission.Security == autoconfig.StartTLS)
	}
	for _, address := range []string{"ann@example.org", "gmail.com", "", "@gmail.com", "ann@notgmail.com", "ann@x.gmail.com", "a\r\nb@gmail.com"} {
		_, ok := autoconfig.Preset(address)
		assert.False(t, ok, address)
	}
}

func TestPresetIsACopy(t *testing.T) {
	s, _ := autoconfig.Preset("ann@gmail.com")
	s.Incoming[0].Host, s.Incoming[0].Auth[0], s.OAuth2.Scopes[0], s.OAuth2.AuthURL = "x", "x", "x", "x"
	s, _ = autoconfig.Preset("ann@gmail.com")
	assert.Equal(t, "imap.gmail.com", s.Incoming[0].Host)
	assert.Equal(t, autoconfig.AuthOAuth2, s.Incoming[0].Auth[0])
	assert.Equal(t, "https://mail.google.com/", s.OAuth2.Scopes[0])
	assert.Equal(t, "https://accounts.google.com/o/oauth2/v2/auth", s.OAuth2.AuthURL)
}

func TestParse(t *testing.T) {
	doc, err := os.ReadFile("testdata/example.xml")
	require.NoError(t, err)
	s, err := autoconfig.Parse(doc, "Ann@Example.NET")
	require.NoError(t, err)
	assert.Equal(t, &autoconfig.Settings{
		Source: autoconfig.FromDocument,
		Name:   "Example Mail",
		Incoming: []autoconfig.Server{
			{
				Protocol: autoconfig.IMAP, Host: "imap.example.org", Port: 143, Security: autoconfig.StartTLS, User: "Ann",
				Auth: []autoconfig.Auth{autoconfig.AuthEncrypted, autoconfig.AuthPassword},
			},
			{
				Protocol: autoconfig.IMAP, Host: "imap.example.net", Port: 993, Security: autoconfig.ImplicitTLS, User: "Ann@Example.NET",
				Auth: []autoconfig.Auth{autoconfig.AuthOAuth2},
			},
			{
				Protocol: autoconfig.POP3, Host: "pop.example.org", Port: 110, Security: autoconfig.Cleartext,
				Auth: []autoconfig.Auth{autoconfig.AuthPassword},
			},
		},
		Outgoing: []autoconfig.Server{{
			Protocol: autoconfig.Submission, Host: "smtp.example.org", Port: 465, Security: autoconfig.ImplicitTLS, User: "Ann@Example.NET",
			Auth: []autoconfig.Auth{autoconfig.AuthEncrypted, autoconfig.AuthGSSAPI},
		}},
		OAuth2: &autoconfig.OAuth2{
			Issuer: "login.example.org", Scopes: []string{"mail.read", "mail.send"},
			AuthURL: "https://login.example.org/auth", TokenURL: "https://login.example.org/token",
		},
	}, s)

	best, ok := s.Best(autoconfig.IMAP)
	assert.True(t, ok)
	assert.Equal(t, "imap imap.example.net:993, implicit TLS", best.String())
	_, ok = s.Best(autoconfig.POP3)
	assert.False(t, ok, "what is not encrypted is never chosen")
}

func one(server string) string {
	return `<clientConfig version="1.1"><emailProvider id="x"><domain>example.org</domain>` + server + `</emailProvider></clientConfig>`
}

const good = `<incomingServer type="imap"><hostname>h.example</hostname><port>993</port><socketType>SSL</socketType></incomingServer>`

func TestParseBad(t *testing.T) {
	for _, c := range []struct{ name, doc, err string }{
		{"empty", "", "EOF"},
		{"not XML", "{}", "EOF"},
		{"a web page", "<html><body>Not found</body></html>", "expected element type <clientConfig>"},
		{"no provider", "<clientConfig></clientConfig>", "without an emailProvider"},
		{"no server", one(""), "without a server"},
		{"cut", one(good)[:150], "unexpected EOF"},
		{"port 0", one(strings.Replace(good, "993", "0", 1)), "without a server"},
		{"port 65536", one(strings.Replace(good, "993", "65536", 1)), "without a server"},
		{"no port", one(strings.Replace(good, "993", "", 1)), "without a server"},
		{"no socket type", one(strings.Replace(good, "SSL", "", 1)), "without a server"},
		{"a path", one(strings.Replace(good, "h.example", "h.example/x", 1)), "without a server"},
		{"a port in the host", one(strings.Replace(good, "h.example", "h.example:80", 1)), "without a server"},
		{"a user in the host", one(strings.Replace(good, "h.example", "a@h.example", 1)), "without a server"},
		{"no host", one(strings.Replace(good, "h.example", "", 1)), "without a server"},
		{"a login of two lines", one(strings.Replace(good, "<port>", "<username>a&#10;b</username><port>", 1)), "without a server"},
		{"SMTP for reading", one(strings.Replace(good, "imap", "smtp", 1)), "without a server"},
		{"an unknown charset", `<?xml version="1.0" encoding="x-none"?>` + one(good), "x-none"},
		{"an entity of its own", `<!DOCTYPE x [<!ENTITY a "h.example">]>` + one(strings.Replace(good, "h.example", "&a;", 1)), "entity"},
		{"too large", one(good + strings.Repeat(" ", autoconfig.MaxDocument)), "more than"},
		{"deep", strings.Repeat("<clientConfig>", 18000), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := autoconfig.Parse([]byte(c.doc), "ann@example.org")
			require.ErrorContains(t, err, c.err)
		})
	}
	for _, address := range []string{
		"", "ann", "@example.org", "ann@", "ann@localhost", "ann@127.0.0.1", "ann@[127.0.0.1]", "ann@[::1]", "ann@exa mple.org",
		"ann@-x.org", "ann@a..org", "ann@x.org/y", "ann@x.org:80", "a\nnn@example.org", "ann@" + strings.Repeat("a.", 130) + "org",
	} {
		_, err := autoconfig.Parse([]byte(one(good)), address)
		var bad *autoconfig.AddressError
		require.ErrorAs(t, err, &bad, address)
		assert.Equal(t, address, bad.Address)
	}
}

func TestParseForms(t *testing.T) {
	s, err := autoconfig.Parse([]byte(one(good)), "ann@bücher.example")
	require.NoError(t, err)
	assert.Equal(t, "ann@bücher.example", s.Incoming[0].User)

	s, err = autoconfig.Parse([]byte(one(strings.Replace(good, "h.example", "%EMAILDOMAIN%", 1))), "ann@bücher.example")
	require.NoError(t, err)
	assert.Equal(t, "xn--bcher-kva.example", s.Incoming[0].Host)

	s, err = autoconfig.Parse([]byte("<?xml version='1.0' encoding='windows-1251'?>"+
		one("<displayName>\xcf\xee\xf7\xf2\xe0</displayName>"+good)), "ann@example.org")
	require.NoError(t, err)
	assert.Equal(t, "Почта", s.Name)

	// Of several providers, the one that has the domain.
	two := `<clientConfig><emailProvider id="a"><domain>a.example</domain>` + good + `</emailProvider><emailProvider id="b">` +
		`<domain>b.example</domain>` + strings.Replace(good, "h.example", "other.example", 1) + `</emailProvider></clientConfig>`
	for address, host := range map[string]string{"x@a.example": "h.example", "x@B.example": "other.example", "x@c.example": "h.example"} {
		s, err = autoconfig.Parse([]byte(two), address)
		require.NoError(t, err)
		assert.Equal(t, host, s.Incoming[0].Host, address)
	}

	// No token is fetched over a line that anyone can read.
	s, err = autoconfig.Parse([]byte(strings.Replace(one(good), "</emailProvider>", "</emailProvider><oAuth2><authURL>https://a.example/</authURL>"+
		"<tokenURL>http://a.example/</tokenURL></oAuth2>", 1)), "ann@example.org")
	require.NoError(t, err)
	assert.Nil(t, s.OAuth2)

	// A thousand servers are a hundred.
	s, err = autoconfig.Parse([]byte(one(strings.Repeat(good, 1000))), "ann@example.org")
	require.NoError(t, err)
	assert.Len(t, s.Incoming, 100)
}

func FuzzParse(f *testing.F) {
	doc, err := os.ReadFile("testdata/example.xml")
	require.NoError(f, err)
	f.Add(doc, "ann@example.org")
	f.Add([]byte(one(good)), "ann@bücher.example")
	f.Add([]byte(one(strings.Replace(good, "h.example", "%EMAILDOMAIN%", 1))), `"a@b"@example.org`)
	f.Fuzz(func(t *testing.T, doc []byte, address string) {
		s, err := autoconfig.Parse(doc, address)
		if err != nil {
			require.Nil(t, s)
			return
		}
		require.NotEmpty(t, append(s.Incoming, s.Outgoing...))
		for _, v := range append(s.Incoming, s.Outgoing...) {
			host, port, err := net.SplitHostPort(v.Addr())
			require.NoError(t, err)
			require.Equal(t, v.Host, host)
			require.NotEqual(t, "0", port)
			require.NotContains(t, v.Host, "%")
			require.False(t, strings.ContainsAny(v.User, "\r\n\x00"))
		}
		if s.OAuth2 != nil {
			require.True(t, strings.HasPrefix(strings.ToLower(s.OAuth2.TokenURL), "https://"))
		}
	})
}

// zone answers the questions of a Finder.
type zone struct {
	srv map[string][]*net.SRV
	mx  map[string][]*net.MX
	err error
}

func (z *zone) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	if z.err != nil {
		return "", nil, z.err
	}
	q := "_" + service + "._" + proto + "." + name
	if r, ok := z.srv[q]; ok {
		return q, r, nil
	}
	return "", nil, &net.DNSError{Err: "no such host", Name: q, IsNotFound: true}
}

func (z *zone) LookupMX(_ context.Context, name string) ([]*net.MX, error) {
	if z.err != nil {
		return nil, z.err
	}
	if r, ok := z.mx[name]; ok {
		return r, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}
