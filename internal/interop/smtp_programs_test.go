//go:build interop

package interop

// Programs that submit mail to our server: swaks, msmtp and curl, with every
// mechanism of theirs, and what they have of extensions.

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/smtp"
	"github.com/mailwire/mailwire/smtp/smtptest"
)

func TestMsmtpServer(t *testing.T) {
	program(t, "msmtp")
	p := startPeer(t)
	home := t.TempDir()
	args := func(port, auth, secret string, more ...string) []string {
		return append([]string{
			"--file=" + write(t, home, "msmtprc", ""), "--host=localhost", "--port=" + port, "--tls=on", "--tls-trust-file=" + p.ca,
			"--auth=" + auth, "--user=ada", "--passwordeval=echo '" + secret + "'", "--from=ada@example.test",
		}, more...)
	}
	for _, auth := range []string{"plain", "login", "cram-md5", "digest-md5", "scram-sha-1", "scram-sha-256", "oauthbearer", "xoauth2", "external"} {
		t.Run(auth, func(t *testing.T) {
			secret := password
			more := []string{"bob@example.test"}
			switch auth {
			case "oauthbearer", "xoauth2":
				secret = token
			case "external":
				more = append([]string{"--tls-cert-file=" + p.cert, "--tls-key-file=" + p.key}, more...)
			}
			must(t, home, unix(letter), "msmtp", args(p.port, auth, secret, append([]string{"--tls-starttls=on"}, more...)...)...)
			must(t, home, unix(letter), "msmtp", args(p.tlsPort, auth, secret, append([]string{"--tls-starttls=off"}, more...)...)...)
			for _, m := range p.Wait(2) {
				require.Equal(t, "ada", m.User)
				require.True(t, m.TLS)
				require.Equal(t, letter, string(m.Data))
			}
			require.Equal(t, strings.ToUpper(auth), p.mechanism())
			p.Clear()
			if auth == "external" {
				return
			}
			r := run(t, home, unix(letter), "msmtp", args(p.tlsPort, auth, "wrong", "--tls-starttls=off", "bob@example.test")...)
			require.NotZero(t, r.code)
			require.Contains(t, r.out, "authentication failed")
			require.Empty(t, p.Messages())
		})
	}
	t.Run("DSN", func(t *testing.T) {
		must(t, home, unix(letter), "msmtp", args(p.port, "plain", password, "--tls-starttls=on", "--dsn-notify=failure,delay", "--dsn-return=headers", "bob@example.test")...)
		m := p.one(t)
		require.Equal(t, smtp.ReturnHeaders, m.Envelope.Options.Return)
		require.Equal(t, smtp.NotifyFailure|smtp.NotifyDelay, m.Envelope.To[0].Options.Notify)
	})
	t.Run("nobody there", func(t *testing.T) {
		r := run(t, home, unix(letter), "msmtp", args(p.port, "plain", password, "--tls-starttls=on", "bob@example.test", "nobody@example.test")...)
		require.NotZero(t, r.code)
		require.Contains(t, r.out, "550 5.1.1 no such user here")
		require.Empty(t, p.Messages())
	})
}

func TestCurlServer(t *testing.T) {
	program(t, "curl")
	p := startPeer(t)
	home := t.TempDir()
	file := write(t, home, "letter", letter)
	args := func(url string, more ...string) []string {
		return append([]string{"-sS", "--ssl-reqd", "--cacert", p.ca, "--mail-from", "ada@example.test", url + "/client.test"}, more...)
	}
	starttls, implicit := "smtp://localhost:"+p.port, "smtps://localhost:"+p.tlsPort
	bob := []string{"--mail-rcpt", "bob@example.test", "-T", file}
	for _, auth := range []string{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "XOAUTH2", "OAUTHBEARER", "EXTERNAL"} {
		t.Run(auth, func(t *testing.T) {
			p, login := p, append([]string{"--login-options", "AUTH=" + auth, "-u", "ada:" + password}, bob...)
			switch auth {
			case "XOAUTH2": // which curl takes only where it has no choice
				p = startPeer(t, func(s *smtptest.Server) { s.Config.Auth.Forbid = []string{"OAUTHBEARER"} })
				fallthrough
			case "OAUTHBEARER":
				login = append([]string{"--oauth2-bearer", token}, login...)
			case "EXTERNAL":
				login = append([]string{"--cert", p.cert, "--key", p.key, "--login-options", "AUTH=" + auth, "-u", "ada:"}, bob...)
			}
			must(t, home, "", "curl", args("smtp://localhost:"+p.port, login...)...)
			must(t, home, "", "curl", args("smtps://localhost:"+p.tlsPort, append([]string{"--sasl-ir"}, login...)...)...)
			for _, m := range p.Wait(2) {
				require.Equal(t, "ada", m.User)
				require.Equal(t, "client.test", m.Helo)
				require.Equal(t, letter, string(m.Data))
				require.Equal(t, int64(len(letter)), m.Envelope.Options.Size)
			}
			require.Equal(t, auth, p.mechanism())
			p.Clear()
		})
	}
	t.Run("SMTPUTF8", func(t *testing.T) {
		must(t, home, "", "curl", args(starttls, "--mail-rcpt", "jürgen@example.test", "-T", file)...)
		m := p.one(t)
		require.True(t, m.Envelope.Options.UTF8)
		require.Equal(t, []string{"jürgen@example.test"}, addresses(m))
	})
	t.Run("mixed recipients", func(t *testing.T) {
		three := []string{"--mail-rcpt", "bob@example.test", "--mail-rcpt", "nobody@example.test", "--mail-rcpt", "full@example.test", "-T", file}
		r := run(t, home, "", "curl", args(starttls, three...)...)
		require.Equal(t, 55, r.code, "curl's code for a refusal: %s", r.out)
		must(t, home, "", "curl", args(starttls, append([]string{"--mail-rcpt-allowfails"}, three...)...)...)
		m := p.one(t)
		require.Equal(t, []string{"bob@example.test"}, addresses(m))
		require.Equal(t, letter, string(m.Data))
	})
	t.Run("VRFY and more", func(t *testing.T) {
		require.Contains(t, must(t, home, "", "curl", "-sS", "--ssl-reqd", "--cacert", p.ca, "--mail-rcpt", "bob", starttls), "252 ")
		require.Contains(t, must(t, home, "", "curl", "-sS", "--ssl-reqd", "--cacert", p.ca, "-X", "HELP", starttls), "214")
		require.NotZero(t, run(t, home, "", "curl", "-sS", "--ssl-reqd", "--cacert", p.ca, "-X", "EXPN", "--mail-rcpt", "list", starttls).code)
	})
	t.Run("50 MB", func(t *testing.T) {
		f, err := os.Create(home + "/large")
		require.NoError(t, err)
		_, err = f.ReadFrom(large())
		require.NoError(t, err)
		require.NoError(t, f.Close())
		must(t, home, "", "curl", args(implicit, "--mail-rcpt", "bob@example.test", "-T", f.Name())...)
		require.Equal(t, largeSum(), sum(strings.NewReader(string(p.one(t).Data))))
	})
	t.Run("1000 recipients", func(t *testing.T) {
		var config strings.Builder
		for _, to := range manyRecipients("example.test") {
			config.WriteString("mail-rcpt = " + to + "\n")
		}
		must(t, home, config.String(), "curl", args(starttls, "-K", "-", "-T", file)...)
		require.Equal(t, manyRecipients("example.test"), addresses(p.one(t)))
	})
	t.Run("too large", func(t *testing.T) {
		small := startPeer(t, func(s *smtptest.Server) { s.Config.Limits.MaxMessageSize = 100 })
		r := run(t, home, "", "curl", append([]string{"-v"}, args("smtp://localhost:"+small.port, bob...)...)...)
		require.Equal(t, 55, r.code, r.out)
		require.Contains(t, r.out, "< 552 5.3.4")
		require.Empty(t, small.Messages())
	})
}

func TestSwaksServer(t *testing.T) {
	program(t, "swaks")
	home := t.TempDir()
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	plain := strings.TrimSuffix(letter, ".\r\n") // swaks takes the last dot for the end
	data := write(t, home, "letter", strings.TrimSuffix(unix(plain), "\n"))
	args := func(port string, more ...string) []string {
		return append([]string{"--server", "localhost", "--port", port, "--ehlo", "client.test", "--from", "ada@example.test", "--data", "@" + data}, more...)
	}
	p := startPeer(t, func(s *smtptest.Server) { s.Config.TrustXClient = loopback })
	verify := []string{"--tls-verify", "--tls-ca-path", p.ca, "--auth-user", "ada", "--to", "bob@example.test"}
	for _, auth := range []string{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5"} {
		t.Run(auth, func(t *testing.T) {
			for _, more := range [][]string{{p.port, "--tls"}, {p.tlsPort, "--tls-on-connect"}, {p.port, "--tls", "--pipeline"}} {
				must(t, home, "", "swaks", args(more[0], append(append([]string{"--auth", auth, "--auth-password", password}, more[1:]...), verify...)...)...)
				m := p.one(t)
				require.Equal(t, "ada", m.User)
				require.Equal(t, plain, string(m.Data))
				require.Equal(t, auth, p.mechanism())
			}
			r := run(t, home, "", "swaks", args(p.port, append([]string{"--tls", "--auth", auth, "--auth-password", "wrong"}, verify...)...)...)
			require.Equal(t, 28, r.code, "swaks' code for a login denied: %s", r.out)
			require.Contains(t, r.out, "535 5.7.8")
		})
	}
	mixed := []string{"--to", "bob@example.test,nobody@example.test,full@example.test,eve@example.test"}
	for _, more := range [][]string{{}, {"--pipeline"}} {
		t.Run("mixed recipients "+strings.Join(more, ""), func(t *testing.T) {
			r := run(t, home, "", "swaks", args(p.port, append(more, mixed...)...)...)
			require.Contains(t, r.out, "550 5.1.1 no such user here")
			require.Contains(t, r.out, "452 4.2.2 the mailbox is full")
			require.Equal(t, []string{"bob@example.test", "eve@example.test"}, addresses(p.one(t)))
		})
	}
	t.Run("all refused", func(t *testing.T) {
		r := run(t, home, "", "swaks", args(p.port, "--pipeline", "--to", "nobody1@example.test,nobody2@example.test")...)
		require.Equal(t, 24, r.code, "swaks' code for no recipient: %s", r.out)
		require.Empty(t, p.Messages())
	})
	t.Run("XCLIENT", func(t *testing.T) {
		must(t, home, "", "swaks", args(p.port, "--to", "bob@example.test", "--xclient-addr", "192.0.2.7", "--xclient-name", "other.example", "--xclient-login", "eve")...)
		require.Equal(t, "eve", p.one(t).User)
		require.Contains(t, p.trace.String(), "XCLIENT")
	})
	t.Run("LMTP", func(t *testing.T) {
		l := startPeer(t, func(s *smtptest.Server) { s.Config.LMTP = true })
		r := run(t, home, "", "swaks", args(l.port, "--protocol", "LMTP", "--to", "bob@example.test,nobody@example.test,late@example.test,eve@example.test")...)
		require.Contains(t, r.out, "550 5.1.1 no such user here")
		require.Contains(t, r.out, "552 5.2.2 the mailbox became full")
		m := l.one(t)
		require.Equal(t, []string{"bob@example.test", "late@example.test", "eve@example.test"}, addresses(m))
		require.Equal(t, plain, string(m.Data))
	})
	t.Run("PROXY", func(t *testing.T) {
		x := startPeer(t, func(s *smtptest.Server) { s.Config.TrustProxy = loopback })
		for _, version := range []string{"1", "2"} {
			must(t, home, "", "swaks", args(x.port, "--to", "bob@example.test", "--proxy-version", version, "--proxy-family", map[string]string{"1": "TCP4", "2": "AF_INET"}[version],
				"--proxy-source", "192.0.2.7", "--proxy-source-port", "4711", "--proxy-dest", "192.0.2.1", "--proxy-dest-port", "25")...)
			require.Equal(t, plain, string(x.one(t).Data))
		}
		require.Equal(t, 2, strings.Count(x.trace.String(), "greets client.test [192.0.2.7]"))
	})
}
