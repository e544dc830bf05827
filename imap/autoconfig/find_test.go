package autoconfig_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap/autoconfig"
)

// web serves pages by their URL, whatever host they are asked from.
func web(t *testing.T, pages map[string]string) (client *http.Client, asked func() []string) {
	t.Helper()
	var urls []string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u := "https://" + r.Host + r.URL.String()
		urls = append(urls, u)
		page, ok := pages[u]
		if to, redirect := strings.CutPrefix(page, "-> "); redirect {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		if !ok {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = w.Write([]byte(page))
	}))
	t.Cleanup(server.Close)
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
		},
		// The test's server has one certificate for every name.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}, func() []string { return urls }
}

const (
	ownPage   = "https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress=ann%2Bx%40example.org"
	knownPage = "https://example.org/.well-known/autoconfig/mail/config-v1.1.xml"
)

func TestFindOrder(t *testing.T) {
	doc := func(host string) string { return one(strings.Replace(good, "h.example", host, 1)) }
	records := func() *zone {
		return &zone{
			srv: map[string][]*net.SRV{"_imaps._tcp.example.org": {{Target: "srv.example.org.", Port: 993}}},
			mx:  map[string][]*net.MX{"example.org": {{Host: "b.mx.example.", Pref: 20}, {Host: "a.mx.hoster.example.", Pref: 10}}},
		}
	}
	pages := map[string]string{
		ownPage: doc("own.example"), knownPage: doc("known.example"),
		"https://dir.example/v1/example.org":    doc("dir.example"),
		"https://dir.example/v1/hoster.example": doc("mx.example"),
	}
	for _, c := range []struct {
		host    string
		source  autoconfig.Source
		confirm bool
		drop    func()
	}{
		{"own.example", autoconfig.FromProvider, false, func() { delete(pages, ownPage) }},
		{"known.example", autoconfig.FromProvider, false, func() { pages[knownPage] = "-> http://example.org/" }},
		{"srv.example.org", autoconfig.FromSRV, false, func() {}},
		{"dir.example", autoconfig.FromDirectory, false, func() { delete(pages, "https://dir.example/v1/example.org") }},
		{"mx.example", autoconfig.FromMXLookup, true, func() { delete(pages, "https://dir.example/v1/hoster.example") }},
	} {
		z := records()
		if c.source == autoconfig.FromDirectory || c.source == autoconfig.FromMXLookup {
			z.srv = nil
		}
		client, _ := web(t, pages)
		f := &autoconfig.Finder{HTTP: client, Directory: "https://dir.example/v1/", Resolver: z}
		s, err := f.Find(t.Context(), "ann+x@example.org")
		require.NoError(t, err, c.host)
		assert.Equal(t, c.source, s.Source)
		assert.Equal(t, c.confirm, s.Confirm)
		best, _ := s.Best(autoconfig.IMAP)
		assert.Equal(t, c.host, best.Host)
		c.drop()
	}
	client, asked := web(t, pages)
	f := &autoconfig.Finder{HTTP: client, Directory: "https://dir.example/v1/", Resolver: &zone{mx: records().mx}}
	_, err := f.Find(t.Context(), "ann+x@example.org")
	require.ErrorIs(t, err, autoconfig.ErrNotFound)
	require.ErrorContains(t, err, "not https")
	require.ErrorContains(t, err, "404 Not Found")
	assert.Equal(t, []string{
		ownPage, knownPage, "https://dir.example/v1/example.org",
		"https://dir.example/v1/mx.hoster.example", "https://dir.example/v1/hoster.example",
	}, asked())
}

func TestFindPreset(t *testing.T) {
	z := &zone{err: errors.New("asked")}
	s, err := (&autoconfig.Finder{Resolver: z}).Find(t.Context(), "ann@gmail.com")
	require.NoError(t, err)
	assert.Equal(t, "Gmail", s.Name)

	_, err = (&autoconfig.Finder{Resolver: z, NoPresets: true}).Find(t.Context(), "ann@gmail.com")
	require.ErrorIs(t, err, autoconfig.ErrNotFound)
	require.ErrorIs(t, err, z.err)
}

func TestFindSRV(t *testing.T) {
	z := &zone{srv: map[string][]*net.SRV{
		"_imaps._tcp.example.org":       {{Target: "imap.example.org.", Port: 993, Priority: 10}, {Target: "imap2.example.org.", Port: 1993, Priority: 20}},
		"_imap._tcp.example.org":        {{Target: "imap.example.org.", Port: 143, Priority: 10}},
		"_pop3s._tcp.example.org":       {{Target: ".", Port: 0}},
		"_pop3._tcp.example.org":        {{Target: "pop.hoster.example.", Port: 110, Priority: 0}},
		"_submissions._tcp.example.org": {{Target: "1.2.3.4.", Port: 465}, {Target: "bad host.", Port: 465}},
		"_submission._tcp.example.org":  {{Target: "smtp.example.org.", Port: 587}},
	}}
	s, err := (&autoconfig.Finder{Resolver: z}).Find(t.Context(), "ann@Example.org")
	require.NoError(t, err)
	user := "ann@Example.org"
	assert.Equal(t, &autoconfig.Settings{
		Source:  autoconfig.FromSRV,
		Confirm: true,
		Incoming: []autoconfig.Server{
			{Protocol: autoconfig.POP3, Host: "pop.hoster.example", Port: 110, Security: autoconfig.StartTLS, User: user},
			{Protocol: autoconfig.IMAP, Host: "imap.example.org", Port: 993, Security: autoconfig.ImplicitTLS, User: user},
			{Protocol: autoconfig.IMAP, Host: "imap.example.org", Port: 143, Security: autoconfig.StartTLS, User: user},
			{Protocol: autoconfig.IMAP, Host: "imap2.example.org", Port: 1993, Security: autoconfig.ImplicitTLS, User: user},
		},
		Outgoing: []autoconfig.Server{
			{Protocol: autoconfig.Submission, Host: "smtp.example.org", Port: 587, Security: autoconfig.StartTLS, User: user},
		},
	}, s)
}

func TestFindMX(t *testing.T) {
	for _, c := range []struct{ mx, name string }{
		{"aspmx.l.google.com.", "Gmail"},
		{"mx.yandex.net.", "Yandex"},
		{"emx.mail.ru.", "Mail.ru"},
		{"example-org.mail.protection.outlook.com.", "Microsoft 365"},
		{"mx01.mail.icloud.com.", "iCloud"},
		{"mta5.am0.yahoodns.net.", "Yahoo"},
	} {
		f := &autoconfig.Finder{Resolver: &zone{mx: map[string][]*net.MX{"example.org": {{Host: c.mx, Pref: 1}}}}}
		s, err := f.Find(t.Context(), "ann@example.org")
		require.NoError(t, err, c.mx)
		assert.Equal(t, c.name, s.Name)
		assert.Equal(t, autoconfig.FromMX, s.Source)
		assert.True(t, s.Confirm)
		assert.Equal(t, "ann@example.org", s.Incoming[0].User)
	}
	for _, mx := range []string{"mx.notgoogle.com.", "mx.example.org.", "."} {
		f := &autoconfig.Finder{Resolver: &zone{mx: map[string][]*net.MX{"example.org": {{Host: mx, Pref: 1}}}}}
		_, err := f.Find(t.Context(), "ann@example.org")
		require.ErrorIs(t, err, autoconfig.ErrNotFound, mx)
	}
}

func TestFindRedirects(t *testing.T) {
	pages := map[string]string{
		ownPage:                     "-> https://example.org/a.xml",
		"https://example.org/a.xml": one(good),
	}
	client, _ := web(t, pages)
	f := &autoconfig.Finder{HTTP: client, Resolver: &zone{}}
	s, err := f.Find(t.Context(), "ann+x@example.org")
	require.NoError(t, err)
	assert.Equal(t, "h.example", s.Incoming[0].Host)

	pages["https://example.org/a.xml"] = "-> https://example.org/a.xml"
	_, err = f.Find(t.Context(), "ann+x@example.org")
	require.ErrorContains(t, err, "redirected more than 5 times")

	// The caller's own rule counts too.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return errors.New("no redirections here") }
	_, err = f.Find(t.Context(), "ann+x@example.org")
	require.ErrorContains(t, err, "no redirections here")

	delete(pages, ownPage)
	pages[knownPage] = one(good) + strings.Repeat(" ", 10*autoconfig.MaxDocument)
	_, err = f.Find(t.Context(), "ann+x@example.org")
	require.ErrorContains(t, err, "more than 262144 octets")
}

func TestFindEnds(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the user left")
	cancel(why)
	_, err := (&autoconfig.Finder{Resolver: &zone{err: context.Canceled}}).Find(ctx, "ann@example.org")
	require.Equal(t, why, err)
	_, err = new(autoconfig.Finder).Find(t.Context(), "nobody")
	var bad *autoconfig.AddressError
	require.ErrorAs(t, err, &bad)
	assert.Equal(t, `autoconfig: address "nobody": expected local-part@domain`, err.Error())
}

func TestStrings(t *testing.T) {
	assert.Equal(t, "imap pop3 submission Protocol(9)",
		strings.Join([]string{autoconfig.IMAP.String(), autoconfig.POP3.String(), autoconfig.Submission.String(), autoconfig.Protocol(9).String()}, " "))
	assert.Equal(t, "implicit TLS, STARTTLS, cleartext, Security(9)",
		strings.Join([]string{autoconfig.ImplicitTLS.String(), autoconfig.StartTLS.String(), autoconfig.Cleartext.String(), autoconfig.Security(9).String()}, ", "))
	assert.Equal(t, "[::1]:993", autoconfig.Server{Host: "::1", Port: 993}.Addr())
}
