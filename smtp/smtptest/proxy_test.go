package smtptest_test

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtpclient"
	"github.com/mailwire/mailwire/smtp/smtpserver"
	"github.com/mailwire/mailwire/smtp/smtptest"
)

// A proxy says for whom it speaks, before TLS of either kind and by XCLIENT.
func TestProxyAndXClient(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	s := smtptest.NewUnstartedServer(t)
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	s.Config.TrustProxy, s.Config.TrustXClient = loopback, loopback
	inner := s.Config.Backend
	s.Config.Backend = smtpserver.BackendFunc(func(ctx context.Context, c *smtpserver.Conn) (smtpserver.Session, error) {
		id, _ := c.Identity()
		mu.Lock()
		seen = append(seen, c.RemoteAddr().String()+" "+c.LocalAddr().String()+" "+id.User)
		mu.Unlock()
		return inner.NewSession(ctx, c)
	})
	s.Start()
	proxy := &smtpclient.ProxyHeader{Source: netip.MustParseAddrPort("198.51.100.1:40000"), Destination: netip.MustParseAddrPort("192.0.2.1:25")}
	for _, addr := range []string{s.Addr, s.TLSAddr} {
		o := &smtpclient.Options{TLSConfig: s.ClientTLS(), Proxy: proxy}
		if addr == s.TLSAddr {
			o.TLS = smtpclient.Implicit
		}
		_, err := smtpclient.Send(t.Context(), addr, envelope(t, "a@example.org", "b@example.org"), strings.NewReader("hi"), o)
		require.NoError(t, err)
	}
	s.Wait(2)
	require.Equal(t, []string{"198.51.100.1:40000 192.0.2.1:25 ", "198.51.100.1:40000 192.0.2.1:25 "}, seen)

	c, err := smtpclient.Dial(t.Context(), s.Addr, &smtpclient.Options{TLS: smtpclient.Disabled, Proxy: &smtpclient.ProxyHeader{}})
	require.NoError(t, err)
	require.NoError(t, c.XClient(t.Context(), smtp.Param{Name: "ADDR", Value: "IPV6:2001:db8::5"}, smtp.Param{Name: "PORT", Value: "7"}, smtp.Param{Name: "LOGIN", Value: "a b+c"}))
	require.Equal(t, "[2001:db8::5]:7 "+s.Addr+" a b+c", seen[3])
	require.NoError(t, c.XForward(t.Context(), smtp.Param{Name: "NAME", Value: "x"}))
	_, err = c.Send(t.Context(), envelope(t, "a@example.org", "b@example.org"), strings.NewReader("hi"))
	require.NoError(t, err)
	require.Equal(t, "a b+c", s.Wait(3)[2].User)
	require.NoError(t, c.Quit(t.Context()))

	plain := smtptest.NewServer(t)
	c, err = smtpclient.Dial(t.Context(), plain.Addr, &smtpclient.Options{TLS: smtpclient.Disabled})
	require.NoError(t, err)
	var lacks *smtpclient.ExtensionError
	require.ErrorAs(t, c.XClient(t.Context(), smtp.Param{Name: "ADDR", Value: "10.0.0.1"}), &lacks)
	require.ErrorAs(t, c.XForward(t.Context(), smtp.Param{Name: "ADDR", Value: "10.0.0.1"}), &lacks)
	require.NoError(t, c.Quit(t.Context()))
}
