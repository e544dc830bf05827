//go:build interop

package interop

// POP3 collectors: fetchmail, mpop and getmail. Each fetches and keeps, finds
// nothing new the second time, fetches what has come, and then deletes.

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// note is the n-th message to ada.
func note(n int) string {
	return fmt.Sprintf("From: bob@example.test\r\nTo: ada@example.test\r\nSubject: number %d\r\n\r\n.dot\r\n..\r\nText %d.\r\n", n, n)
}

// deliver sends it.
func deliver(t *testing.T, s *server, home string, n int) {
	t.Helper()
	file := write(t, home, "letter", note(n))
	must(t, home, "", "curl", "-sS", "--mail-from", "bob@example.test", "--mail-rcpt", "ada@example.test", "-T", file, "smtp://"+s.addr["smtp"])
}

// testCollector runs the program against a server. fetch runs it once, keeping
// or deleting; got is what it has fetched so far, one text a message.
func testCollector(t *testing.T, s *server, home string, fetch func(keep bool), got func() []string) {
	deliver(t, s, home, 1)
	deliver(t, s, home, 2)
	check := func(n int) {
		t.Helper()
		messages := got()
		require.Len(t, messages, n)
		for i, m := range messages {
			require.True(t, strings.HasSuffix(unix(m), unix(note(i+1))), "trace fields, and then the message as it was sent: %q", m)
		}
	}
	fetch(true)
	check(2)
	require.Len(t, s.stored("ada", "INBOX"), 2)
	fetch(true)
	check(2)
	deliver(t, s, home, 3)
	fetch(true)
	check(3)
	require.Len(t, s.stored("ada", "INBOX"), 3)
	deliver(t, s, home, 4)
	fetch(false)
	check(4)
	require.NotContains(t, strings.Join(s.stored("ada", "INBOX"), ""), "number 4", "fetched and not deleted")
}

func split(t *testing.T, mbox string) []string {
	data, err := os.ReadFile(mbox)
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	return strings.Split(strings.TrimSuffix(string(data), "=end=\n"), "=end=\n")
}

func maildirMessages(t *testing.T, dir string) []string {
	files, err := filepath.Glob(filepath.Join(dir, "new", "*"))
	require.NoError(t, err)
	messages := make([]string, len(files))
	for _, f := range files {
		data, err := os.ReadFile(f)
		require.NoError(t, err)
		_, after, _ := strings.Cut(string(data), "Subject: number ")
		var n int
		_, err = fmt.Sscan(after, &n)
		require.NoError(t, err)
		require.LessOrEqual(t, n, len(messages))
		require.Empty(t, messages[n-1], "message %d twice", n)
		messages[n-1] = string(data)
	}
	return messages
}

func TestFetchmail(t *testing.T) {
	program(t, "fetchmail")
	for _, tls := range []struct{ name, service, option string }{{"implicit TLS", "pop3s", "ssl"}, {"STLS", "pop3", "sslproto TLS1.2+"}} {
		t.Run(tls.name, func(t *testing.T) {
			s := start(t)
			home := t.TempDir()
			box := filepath.Join(home, "box")
			fetch := func(keep bool) {
				option := "keep"
				if !keep {
					option = "nokeep"
				}
				rc := write(t, home, "fetchmailrc", fmt.Sprintf(
					"poll localhost protocol POP3 port %s uidl user \"ada\" password \"%s\" %s sslcertck sslcertfile \"%s\" %s mda \"sh -c 'cat >> %s; echo =end= >> %s'\"\n",
					s.port(tls.service), password, tls.option, s.cert, option, box, box))
				r := run(t, home, "", "fetchmail", "-f", rc, "--nosyslog", "--pidfile", filepath.Join(home, "pid"), "--idfile", filepath.Join(home, "ids"), "-v")
				require.LessOrEqual(t, r.code, 1, r.out) // 1: nothing new
			}
			testCollector(t, s, home, fetch, func() []string { return split(t, box) })
		})
	}
}

func TestMpop(t *testing.T) {
	program(t, "mpop")
	for _, tls := range []struct{ name, service, starttls string }{{"implicit TLS", "pop3s", "off"}, {"STLS", "pop3", "on"}} {
		t.Run(tls.name, func(t *testing.T) {
			s := start(t)
			home := t.TempDir()
			box := filepath.Join(home, "box")
			for _, sub := range []string{"new", "cur", "tmp"} {
				require.NoError(t, os.MkdirAll(filepath.Join(box, sub), 0o700))
			}
			fetch := func(keep bool) {
				option := "on"
				if !keep {
					option = "off"
				}
				rc := write(t, home, "mpoprc", fmt.Sprintf(
					"account a\nhost localhost\nport %s\nuser ada\npasswordeval echo '%s'\ntls on\ntls_starttls %s\ntls_trust_file %s\nkeep %s\ndelivery maildir %s\nuidls_file %s/uidls\nreceived_header off\n",
					s.port(tls.service), password, tls.starttls, s.cert, option, box, home))
				must(t, home, "", "mpop", "-C", rc, "a")
			}
			testCollector(t, s, home, fetch, func() []string { return maildirMessages(t, box) })
		})
	}
}

func TestGetmail(t *testing.T) {
	program(t, "getmail")
	s := start(t)
	home := t.TempDir()
	box := filepath.Join(home, "box")
	for _, sub := range []string{"new", "cur", "tmp"} {
		require.NoError(t, os.MkdirAll(filepath.Join(box, sub), 0o700))
	}
	// getmail does not write mail as root.
	user := ""
	if os.Getuid() == 0 {
		user = "user = nobody"
		for _, sub := range []string{"", "new", "cur", "tmp"} {
			require.NoError(t, os.Chown(filepath.Join(box, sub), 65534, 65534))
		}
		require.NoError(t, os.Chmod(home, 0o755))
		require.NoError(t, os.Chmod(filepath.Dir(home), 0o755))
	}
	fetch := func(keep bool) {
		rc := write(t, home, "getmailrc", fmt.Sprintf(`[retriever]
type = SimplePOP3SSLRetriever
server = localhost
port = %s
username = ada
password = %s
ca_certs = %s

[destination]
type = Maildir
path = %s/
%s

[options]
read_all = false
delete = %t
delivered_to = false
received = false
`, s.port("pop3s"), password, s.cert, box, user, !keep))
		must(t, home, "", "getmail", "--getmaildir", home, "--rcfile", rc)
	}
	testCollector(t, s, home, fetch, func() []string { return maildirMessages(t, box) })
}
