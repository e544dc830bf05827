//go:build interop

package interop

// More POP3 clients: Thunderbird, as far as its conversation and what it makes
// of the answers, mutt, and each form of login that mpop and curl have.

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/internal/testkit"
	"github.com/mailwire/mailwire/pop3/pop3server"
	"github.com/mailwire/mailwire/pop3/pop3test"
	"github.com/mailwire/mailwire/sasl"
)

// thunderbird speaks as Thunderbird does: a line at a time, nothing ahead. It
// reads as strictly: one space between the words of listings, capabilities by
// their first word.
type thunderbird struct {
	t       *testing.T
	c       net.Conn
	r       *bufio.Reader
	caps    map[string]bool
	methods []string
}

func dialThunderbird(t *testing.T, s *server, service string) *thunderbird {
	t.Helper()
	c, err := net.Dial("tcp", s.addr[service])
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(time.Minute)))
	b := &thunderbird{t: t, c: c}
	if service == "pop3s" {
		b.tls(s)
	}
	b.r = bufio.NewReader(b.c)
	require.True(t, strings.HasPrefix(b.line(), "+OK "))
	return b
}

func (b *thunderbird) tls(s *server) {
	data, err := os.ReadFile(s.cert)
	require.NoError(b.t, err)
	pool := x509.NewCertPool()
	require.True(b.t, pool.AppendCertsFromPEM(data))
	b.c = tls.Client(b.c, &tls.Config{RootCAs: pool, ServerName: "localhost"})
	b.r = bufio.NewReader(b.c)
}

func (b *thunderbird) line() string {
	b.t.Helper()
	line, err := b.r.ReadString('\n')
	require.NoError(b.t, err)
	require.True(b.t, strings.HasSuffix(line, "\r\n"), "%q", line)
	return line[:len(line)-2]
}

// send sends a command and returns the status and the text of its answer,
// which the first space parts.
func (b *thunderbird) send(line string) (status, text string) {
	b.t.Helper()
	_, err := b.c.Write([]byte(line + "\r\n"))
	require.NoError(b.t, err)
	status, text, _ = strings.Cut(b.line(), " ")
	return status, text
}

func (b *thunderbird) must(line string) string {
	b.t.Helper()
	status, text := b.send(line)
	require.Equal(b.t, "+OK", status, "%s: %s", line, text)
	return text
}

// lines are those of an answer of several.
func (b *thunderbird) lines(command string) []string {
	b.t.Helper()
	b.must(command)
	var lines []string
	for {
		line := b.line()
		if line == "." {
			return lines
		}
		lines = append(lines, strings.TrimPrefix(line, "."))
	}
}

func (b *thunderbird) capa() {
	b.caps, b.methods = map[string]bool{}, nil
	for _, line := range b.lines("CAPA") {
		line = strings.ToUpper(strings.TrimSpace(line))
		switch {
		case line == "USER":
			b.methods = append(b.methods, "USERPASS")
		case strings.HasPrefix(line, "SASL "):
			b.methods = append(b.methods, strings.Split(line[5:], " ")...)
		default:
			b.caps[strings.Split(line, " ")[0]] = true
		}
	}
}

// login logs in by one of its methods; it never sends an initial response.
func (b *thunderbird) login(method, user string) (ok bool) {
	b.t.Helper()
	enc := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	next := func(command string) {
		status, text := b.send(command)
		require.Contains(b.t, []string{"+", "+OK"}, status, text)
	}
	status := ""
	switch method {
	case "USERPASS":
		next("USER " + user)
		status, _ = b.send("PASS " + password)
	case "PLAIN":
		next("AUTH PLAIN")
		status, _ = b.send(enc("\x00" + user + "\x00" + password))
	case "LOGIN":
		next("AUTH LOGIN")
		next(enc(user))
		status, _ = b.send(enc(password))
	}
	return status == "+OK"
}

// collect is what it does behind the login.
func (b *thunderbird) collect(want []string, remove bool) {
	t := b.t
	t.Helper()
	count, err := strconv.Atoi(strings.Split(b.must("STAT"), " ")[0])
	require.NoError(t, err)
	require.Equal(t, len(want), count)
	sizes := map[string]int{}
	for _, l := range b.lines("LIST") {
		words := strings.Split(l, " ")
		require.Len(t, words, 2)
		sizes[words[0]], err = strconv.Atoi(words[1])
		require.NoError(t, err)
	}
	uids := map[string]bool{}
	listed := b.lines("UIDL")
	require.Len(t, listed, count)
	for i, l := range listed {
		words := strings.Split(l, " ")
		require.Len(t, words, 2)
		require.Equal(t, strconv.Itoa(i+1), words[0])
		require.False(t, uids[words[1]])
		uids[words[1]] = true
		top := b.lines("TOP " + words[0] + " 20")
		message := b.lines("RETR " + words[0])
		require.Equal(t, message[:min(len(message), len(top))], top)
		text := strings.Join(message, "\r\n") + "\r\n"
		require.Len(t, text, sizes[words[0]])
		require.True(t, strings.HasSuffix(text, want[i]), "%q", text)
		if remove {
			b.must("DELE " + words[0])
		}
	}
	b.must("QUIT")
}

func TestThunderbirdsConversation(t *testing.T) {
	s := start(t)
	home := t.TempDir()
	var want []string
	for n := range 3 {
		deliver(t, s, home, n+1)
		want = append(want, note(n+1))
	}
	for _, service := range []string{"pop3", "pop3s"} {
		connect := func(t *testing.T) *thunderbird {
			b := dialThunderbird(t, s, service)
			b.capa()
			if service == "pop3" {
				require.True(t, b.caps["STLS"])
				require.Empty(t, b.methods, "offered on a clear line")
				b.must("STLS")
				b.tls(s)
				b.capa()
				require.False(t, b.caps["STLS"])
			}
			return b
		}
		t.Run(service, func(t *testing.T) {
			b := connect(t)
			require.Subset(t, b.methods, []string{"USERPASS", "PLAIN", "LOGIN"})
			for _, name := range []string{"TOP", "UIDL"} {
				require.True(t, b.caps[name])
			}
			for _, method := range []string{"USERPASS", "PLAIN", "LOGIN"} {
				b := connect(t)
				require.False(t, b.login(method, "nobody"))
				// The same connection is used for the next try.
				require.True(t, b.login(method, "ada"), method)
				b.collect(want, false)
			}
		})
		// Up to version 91: AUTH alone before CAPA, and behind a UIDL that
		// failed XTND XLST, which no server needs to know.
		t.Run(service+", old", func(t *testing.T) {
			b := dialThunderbird(t, s, service)
			b.lines("AUTH")
			b.capa()
			if service == "pop3" {
				b.must("STLS")
				b.tls(s)
			}
			methods := b.lines("AUTH")
			require.Subset(t, methods, []string{"PLAIN", "LOGIN"})
			b.capa()
			require.True(t, b.login("PLAIN", "ada"))
			b.must("STAT")
			status, _ := b.send("XTND XLST Message-Id")
			require.Equal(t, "-ERR", status)
			b.collect(want, false)
		})
	}
	b := dialThunderbird(t, s, "pop3s")
	b.capa()
	require.True(t, b.login("PLAIN", "ada"))
	b.collect(want, true)
	require.Empty(t, s.stored("ada", "INBOX"))
}

func TestMuttPOP3(t *testing.T)    { testMuttPOP3(t, "mutt") }
func TestNeomuttPOP3(t *testing.T) { testMuttPOP3(t, "neomutt") }

// testMuttPOP3 opens a maildrop as a folder, deletes one message, and saves
// one; and fetches what is left into an mbox.
func testMuttPOP3(t *testing.T, name string) {
	program(t, name)
	program(t, "script")
	for _, service := range []string{"pop3s", "pop3"} {
		scheme := map[string]string{"pop3s": "pops", "pop3": "pop"}[service]
		for _, authenticator := range []string{"", "plain", "login", "user"} {
			t.Run(service+" "+authenticator, func(t *testing.T) {
				s := start(t)
				home := t.TempDir()
				for n := range 4 {
					deliver(t, s, home, n+1)
				}
				url := fmt.Sprintf("%s://ada@localhost:%s/", scheme, s.port(service))
				common := fmt.Sprintf(`
set folder="%[1]s" mbox_type=mbox record="" header_cache=""
set pop_user="ada" pop_pass="%[2]s" pop_authenticators="%[3]s" pop_reconnect=no pop_checkinterval=60
set certificate_file="%[4]s"
set ssl_starttls=yes ssl_force_tls=yes
set sort=mailbox-order quit=yes delete=yes move=no confirmcreate=no confirmappend=no mail_check=60 sleep_time=0 wait_key=no abort_key="\Cg"
`, home, password, authenticator, s.cert)
				rc := write(t, home, "muttrc", common+fmt.Sprintf(`
set spoolfile="%s"
push "<first-entry><display-message><exit><limit>~s 'number 2'<enter><delete-message><limit>~s 'number 3'<enter><save-message><kill-line>%s/saved<enter><limit>all<enter><sync-mailbox><quit>"
`, url, home))
				must(t, home, "", "script", "-qefc", name+" -n -F "+rc, "/dev/null")
				saved, err := os.ReadFile(home + "/saved")
				require.NoError(t, err)
				require.Contains(t, unix(string(saved)), unix(strings.SplitN(note(3), "\r\n\r\n", 2)[1]))
				// mutt does not wait for the answer to QUIT.
				require.Eventually(t, func() bool { return len(s.stored("ada", "INBOX")) == 2 }, 10*time.Second, 10*time.Millisecond)
				require.NotContains(t, strings.Join(s.stored("ada", "INBOX"), ""), "number 2")

				write(t, home, "spool", "")
				rc = write(t, home, "muttrc", common+fmt.Sprintf(`
set spoolfile="%s/spool" pop_delete=yes pop_host="%s"
push "<fetch-mail><quit>"
`, home, url))
				require.Eventually(t, func() bool {
					must(t, home, "", "script", "-qefc", name+" -n -F "+rc, "/dev/null")
					return len(s.stored("ada", "INBOX")) == 0
				}, 30*time.Second, 100*time.Millisecond)
				spool, err := os.ReadFile(home + "/spool")
				require.NoError(t, err)
				require.Equal(t, 1, strings.Count(string(spool), "Subject: number 1\n"))
				require.Equal(t, 1, strings.Count(string(spool), "Subject: number 4\n"))
			})
		}
	}
}

// Each form of login of mpop's and curl's, right and wrong.
func TestPOP3Logins(t *testing.T) {
	program(t, "mpop")
	program(t, "curl")
	s := start(t)
	home := t.TempDir()
	deliver(t, s, home, 1)
	text := s.stored("ada", "INBOX")[0]
	b := dialThunderbird(t, s, "pop3s")
	b.capa()
	t.Logf("offered: %q", b.methods)
	b.must("QUIT")
	mpop := func(method, service, secret string) result {
		starttls := map[string]string{"pop3": "on", "pop3s": "off"}[service]
		rc := write(t, home, "mpoprc", fmt.Sprintf(
			"account a\nhost localhost\nport %s\nauth %s\nuser ada\npasswordeval echo '%s'\ntls on\ntls_starttls %s\ntls_trust_file %s\nkeep on\nonly_new off\ndelivery mbox %s/box\nuidls_file %s/uidls\nreceived_header off\n",
			s.port(service), method, secret, starttls, s.cert, home, home))
		os.Remove(home + "/box")
		return run(t, home, "", "mpop", "-C", rc, "a")
	}
	curl := func(method, service, secret string) result {
		return run(t, home, "", "curl", "-sS", "--ssl-reqd", "--cacert", s.cert, "-u", "ada:"+secret, "--login-options", "AUTH="+method,
			service+"://"+s.addr[service]+"/1")
	}
	for _, service := range []string{"pop3", "pop3s"} {
		for _, method := range append([]string{"user"}, b.methods...) {
			if method == "USERPASS" {
				continue
			}
			t.Run(service+" "+method, func(t *testing.T) {
				method = strings.ToLower(method)
				known := strings.Contains(must(t, home, "", "mpop", "--version"), method) || method == "user"
				if known {
					r := mpop(method, service, password)
					require.Zero(t, r.code, r.out)
					data, err := os.ReadFile(home + "/box")
					require.NoError(t, err)
					require.Contains(t, string(data), "Subject: number 1\n")
					require.NotZero(t, mpop(method, service, "wrong").code)
				}
				switch method {
				case "plain", "login", "scram-sha-1", "scram-sha-256":
					r := curl(strings.ToUpper(method), service, password)
					if r.code == 67 && strings.HasPrefix(method, "scram") {
						return // a curl without libgsasl
					}
					require.Equal(t, result{text, 0}, r)
					require.Equal(t, 67, curl(strings.ToUpper(method), service, "wrong").code)
				}
			})
		}
	}
}

// secretServer serves maildrops in memory to ada, by every mechanism that
// knows her password as it is, APOP among them. It returns its addresses and
// the file of the authority behind its certificate.
func secretServer(t *testing.T) (addr map[string]string, ca string, b *pop3test.Backend) {
	t.Helper()
	config, _ := testkit.TLS("localhost", "127.0.0.1")
	_, _, ca = keyPair(t, t.TempDir(), "localhost", "127.0.0.1")
	b = &pop3test.Backend{}
	b.AddUser("ada", password)
	srv := &pop3server.Server{Backend: b, TLSConfig: config, Domain: "localhost", Auth: &sasl.Auth{
		Hostname: "localhost",
		Secret: func(_ context.Context, user string) (string, error) {
			if user == "ada" {
				return password, nil
			}
			return "", sasl.ErrFailed
		},
		Token: func(_ context.Context, token sasl.BearerToken) (string, error) {
			if token.Token == "a-token" {
				return "ada", nil
			}
			return "", sasl.ErrFailed
		},
	}}
	srv.Limits.ErrorDelay = -1
	addr = map[string]string{}
	served := make(chan error, 2)
	for service, serve := range map[string]func(net.Listener) error{"pop3": srv.Serve, "pop3s": srv.ServeTLS} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		addr[service] = fmt.Sprintf("localhost:%d", l.Addr().(*net.TCPAddr).Port)
		go func() { served <- serve(l) }()
	}
	t.Cleanup(func() {
		srv.Close()
		<-served
		<-served
	})
	return addr, ca, b
}

// The forms of login that need the password as it is on the server's side.
func TestPOP3SecretLogins(t *testing.T) {
	for _, p := range []string{"mpop", "curl", "fetchmail", "python3"} {
		program(t, p)
	}
	addr, ca, b := secretServer(t)
	home := t.TempDir()
	text := note(1)
	b.Deliver("ada", text)
	port := func(service string) string { _, p, _ := net.SplitHostPort(addr[service]); return p }
	for _, method := range []string{"apop", "cram-md5", "digest-md5", "scram-sha-1", "scram-sha-256", "xoauth2", "oauthbearer"} {
		for _, service := range []string{"pop3", "pop3s"} {
			t.Run("mpop "+service+" "+method, func(t *testing.T) {
				for _, good := range []bool{true, false} {
					secret := password
					if strings.Contains(method, "oauth") {
						secret = "a-token"
					}
					if !good {
						secret += "?"
					}
					starttls := map[string]string{"pop3": "on", "pop3s": "off"}[service]
					rc := write(t, home, "mpoprc", fmt.Sprintf(
						"account a\nhost localhost\nport %s\nauth %s\nuser ada\npasswordeval echo '%s'\ntls on\ntls_starttls %s\ntls_trust_file %s\nkeep on\nonly_new off\ndelivery mbox %s/box\nuidls_file %s/uidls\nreceived_header off\n",
						port(service), method, secret, starttls, ca, home, home))
					os.Remove(home + "/box")
					r := run(t, home, "", "mpop", "-C", rc, "a")
					require.Equal(t, good, r.code == 0, r.out)
					if good {
						data, err := os.ReadFile(home + "/box")
						require.NoError(t, err)
						require.Contains(t, string(data), "Subject: number 1\n")
					}
				}
			})
		}
	}
	for _, method := range []string{"+APOP", "CRAM-MD5", "DIGEST-MD5", "XOAUTH2", "OAUTHBEARER"} {
		for _, service := range []string{"pop3", "pop3s"} {
			t.Run("curl "+service+" "+method, func(t *testing.T) {
				curl := func(wrong string) result {
					args := []string{"-sS", "--ssl-reqd", "--cacert", ca, "--login-options", "AUTH=" + method}
					if strings.Contains(method, "OAUTH") {
						args = append(args, "-u", "ada:", "--oauth2-bearer", "a-token"+wrong)
					} else {
						args = append(args, "-u", "ada:"+password+wrong)
					}
					return run(t, home, "", "curl", append(args, service+"://"+addr[service]+"/1")...)
				}
				require.Equal(t, result{text, 0}, curl(""))
				require.NotZero(t, curl("?").code)
			})
		}
	}
	t.Run("fetchmail APOP", func(t *testing.T) {
		rc := write(t, home, "fetchmailrc", fmt.Sprintf(
			"poll localhost protocol APOP port %s user \"ada\" password \"%s\" ssl sslcertck sslcertfile \"%s\" keep fetchall mda \"sh -c 'cat > %s/got'\"\n",
			port("pop3s"), password, ca, home))
		r := run(t, home, "", "fetchmail", "-f", rc, "--nosyslog", "--pidfile", home+"/pid", "--idfile", home+"/ids", "-v")
		require.Zero(t, r.code, r.out)
		require.Contains(t, r.out, "APOP ada ")
		data, err := os.ReadFile(home + "/got")
		require.NoError(t, err)
		require.Contains(t, unix(string(data)), unix(strings.SplitN(text, "\r\n\r\n", 2)[1]))
	})
	t.Run("poplib", func(t *testing.T) {
		out := must(t, home, fmt.Sprintf(`
import poplib, ssl
context = ssl.create_default_context(cafile=%q)
for wrong in "", "?":
    p = poplib.POP3_SSL("localhost", %s, context=context)
    assert p.utf8().startswith(b"+OK"), "UTF8"
    try:
        p.apop("ada", %q + wrong)
        assert not wrong
        assert p.stat() == (1, %d)
        p.noop()
    except poplib.error_proto as e:
        assert wrong, e
    p.quit()
print("done")
`, ca, port("pop3s"), password, len(text)), "python3", "-")
		require.Equal(t, "done\n", out)
	})
}
