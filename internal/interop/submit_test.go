//go:build interop

package interop

// Submission: swaks, msmtp, curl and Python's smtplib.

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const letter = "Date: Fri, 21 Nov 1997 09:55:06 -0600\r\nMessage-ID: <1@example.test>\r\nFrom: Ada <ada@example.test>\r\nTo: bob@example.test\r\nSubject: dots and eight bits\r\n" +
	"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" +
	".one dot\r\n..two dots\r\n.\r\n\r\nÜbung macht den Meister\r\n.\r\n"

func unix(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }

func TestSwaks(t *testing.T) {
	program(t, "swaks")
	s := start(t)
	home := t.TempDir()
	// swaks takes a last line of one dot for the end of the data, and ends the
	// last line itself.
	letter := strings.TrimSuffix(letter, ".\r\n")
	data := write(t, home, "letter", strings.TrimSuffix(unix(letter), "\n"))
	args := func(service string, more ...string) []string {
		return append([]string{
			"--server", s.host(service), "--port", s.port(service), "--from", "ada@example.test", "--to", "bob@example.test",
			"--data", "@" + data, "--ehlo", "client.test",
		}, more...)
	}
	login := []string{"--auth-user", "ada", "--auth-password", password}
	verify := []string{"--tls-verify", "--tls-ca-path", s.cert}
	tests := []struct {
		name, service string
		more          []string
	}{
		{"STARTTLS, PLAIN", "submission", append([]string{"--tls", "--auth", "PLAIN"}, append(login, verify...)...)},
		{"STARTTLS, LOGIN", "submission", append([]string{"--tls", "--auth", "LOGIN"}, append(login, verify...)...)},
		{"implicit TLS", "submissions", append([]string{"--tls-on-connect", "--auth", "PLAIN"}, append(login, verify...)...)},
		{"port 25", "smtp", nil},
		{"port 25, STARTTLS", "smtp", append([]string{"--tls"}, verify...)},
		{"port 25, pipelined", "smtp", []string{"--pipeline"}},
		{"LMTP", "lmtp", []string{"--protocol", "LMTP"}},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			must(t, home, "", "swaks", args(tt.service, tt.more...)...)
			got := s.stored("bob", "INBOX")
			require.Len(t, got, i+1)
			require.Equal(t, letter, sent(t, got[i]))
		})
	}
	t.Run("wrong password", func(t *testing.T) {
		r := run(t, home, "", "swaks", args("submissions", "--tls-on-connect", "--auth", "PLAIN", "--auth-user", "ada", "--auth-password", "wrong")...)
		require.NotZero(t, r.code)
		require.Contains(t, r.out, "535 5.7.8")
	})
	t.Run("no password in the clear", func(t *testing.T) {
		r := run(t, home, "", "swaks", args("submission", "--auth", "PLAIN", "--auth-user", "ada", "--auth-password", password)...)
		require.NotZero(t, r.code)
		require.NotContains(t, r.out, "235 ")
	})
	t.Run("no open relay", func(t *testing.T) {
		r := run(t, home, "", "swaks", args("smtp", "--to", "victim@elsewhere.example")...)
		require.NotZero(t, r.code)
		require.Regexp(t, `<\*\* 55[04] 5\.7\.1`, r.out)
	})
	t.Run("no such user", func(t *testing.T) {
		r := run(t, home, "", "swaks", args("smtp", "--to", "carol@example.test")...)
		require.NotZero(t, r.code)
		require.Contains(t, r.out, "550 5.1.1")
	})
	require.Len(t, s.stored("bob", "INBOX"), len(tests))
}

func TestMsmtp(t *testing.T) {
	program(t, "msmtp")
	s := start(t)
	home := t.TempDir()
	args := func(service, pass, auth string, starttls bool) []string {
		on := "off"
		if starttls {
			on = "on"
		}
		return []string{
			"--file=" + write(t, home, "msmtprc", ""), "--host=" + s.host(service), "--port=" + s.port(service), "--tls=on", "--tls-starttls=" + on,
			"--tls-trust-file=" + s.cert, "--auth=" + auth, "--user=ada@example.test", "--passwordeval=echo '" + pass + "'",
			"--from=ada@example.test", "bob@example.test", "postmaster@example.test",
		}
	}
	must(t, home, unix(letter), "msmtp", args("submission", password, "plain", true)...)
	must(t, home, unix(letter), "msmtp", args("submissions", password, "login", false)...)
	for _, user := range []string{"bob", "ada"} { // ada, the first user, is postmaster
		got := s.stored(user, "INBOX")
		require.Len(t, got, 2, user)
		for _, m := range got {
			require.Equal(t, letter, sent(t, m))
		}
	}
	r := run(t, home, unix(letter), "msmtp", args("submission", "wrong", "plain", true)...)
	require.NotZero(t, r.code)
	require.Contains(t, r.out, "authentication failed")
	require.Len(t, s.stored("bob", "INBOX"), 2)
}

func TestCurlSMTP(t *testing.T) {
	program(t, "curl")
	s := start(t)
	home := t.TempDir()
	file := write(t, home, "letter", letter)
	for i, url := range []string{"smtp://" + s.addr["submission"], "smtps://" + s.addr["submissions"]} {
		must(t, home, "", "curl", "-sS", "--ssl-reqd", "--cacert", s.cert, "-u", "ada:"+password,
			"--mail-from", "ada@example.test", "--mail-rcpt", "bob@example.test", "-T", file, url+"/client.test")
		got := s.stored("bob", "INBOX")
		require.Len(t, got, i+1)
		require.Equal(t, letter, sent(t, got[i]))
	}
	r := run(t, home, "", "curl", "-sS", "--ssl-reqd", "--cacert", s.cert, "-u", "ada:wrong",
		"--mail-from", "ada@example.test", "--mail-rcpt", "bob@example.test", "-T", file, "smtps://"+s.addr["submissions"])
	require.Equal(t, 67, r.code, "curl's code for a login denied: %s", r.out)
}
