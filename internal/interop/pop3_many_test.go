//go:build interop

package interop

// Maildrops of 100,000 messages: our client with Dovecot, and mpop, fetchmail
// and curl with our server.

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/pop3/pop3client"
	"github.com/mailwire/mailwire/sasl"
)

const many = 100_000

func manyText(n int) string {
	return fmt.Sprintf("From: bob@example.test\r\nTo: ada@example.test\r\nSubject: number %d\r\n\r\n.dot\r\nText %d.\r\n", n, n)
}

// manyInto writes them where a delivery would.
func manyInto(t *testing.T, maildir string, lineEnd string) {
	t.Helper()
	for _, sub := range []string{"new", "cur", "tmp"} {
		require.NoError(t, os.MkdirAll(filepath.Join(maildir, sub), 0o777))
	}
	for n := range many {
		text := manyText(n)
		data := strings.ReplaceAll(text, "\r\n", lineEnd)
		name := fmt.Sprintf("%d.M%06dP1.host,S=%d,W=%d", 1_700_000_000+n, n, len(data), len(text))
		require.NoError(t, os.WriteFile(filepath.Join(maildir, "new", name), []byte(data), 0o644))
	}
}

// inMemory puts the test's folders into memory, where there is a place for
// that: a disk takes a minute for so many files.
func inMemory(t *testing.T) {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		t.Setenv("TMPDIR", "/dev/shm")
	}
}

// took reports how long something took, which decides nothing.
func took(t *testing.T, what string) func() {
	start := time.Now()
	return func() { t.Logf("%s: %v", what, time.Since(start).Round(time.Millisecond)) }
}

func TestManyDovecot(t *testing.T) {
	inMemory(t)
	ctx := t.Context()
	d := startDovecot(t, "")
	end := took(t, "writing the messages")
	home := filepath.Join(d.dir, "home", "ada")
	manyInto(t, filepath.Join(home, "Maildir"), "\n")
	must(t, d.dir, "", "chown", "-R", "nobody:nogroup", home)
	end()
	open := func() *pop3client.Client {
		defer took(t, "login")()
		c, err := pop3client.Dial(ctx, d.addr["pop3s"], &pop3client.Options{TLS: pop3client.Implicit, TLSConfig: d.tls, Auth: sasl.Plain("", "ada", password)})
		require.NoError(t, err)
		t.Cleanup(func() { c.Close() })
		return c
	}
	c := open()
	end = took(t, "LIST and UIDL")
	sizes := listing(t, c)
	require.Len(t, sizes, many)
	uids := map[string]int{}
	for l, err := range c.UIDL(ctx) {
		require.NoError(t, err)
		uids[l.UID] = l.Number
	}
	require.Len(t, uids, many)
	end()
	end = took(t, "retrieving 10000")
	var numbers []int
	for n := 1; n <= many; n += 10 {
		numbers = append(numbers, n)
	}
	i := 0
	for m, err := range c.RetrieveAll(ctx, numbers...) {
		require.NoError(t, err)
		require.Equal(t, numbers[i], m.Number)
		require.Equal(t, manyText(m.Number-1), readAll(t, m, nil))
		require.EqualValues(t, len(manyText(m.Number-1)), sizes[m.Number])
		i++
	}
	require.Len(t, numbers, i)
	end()
	end = took(t, "deleting 10000")
	require.NoError(t, c.DeleteAll(ctx, numbers...))
	require.NoError(t, c.Quit(ctx))
	end()
	c = open()
	require.Len(t, listing(t, c), many-len(numbers))
	m, err := c.Retrieve(ctx, 1)
	require.Equal(t, manyText(1), readAll(t, m, err))
	require.NoError(t, c.Quit(ctx))
}

func TestManyHere(t *testing.T) {
	inMemory(t)
	for _, p := range []string{"curl", "mpop", "fetchmail"} {
		program(t, p)
	}
	s := start(t)
	home := t.TempDir()
	manyInto(t, s.maildir("ada"), "\r\n")
	curl := func(args ...string) string {
		return must(t, home, "", "curl", append([]string{"-sS", "--ssl-reqd", "--cacert", s.cert, "-u", "ada:" + password}, args...)...)
	}
	base := "pop3s://" + s.addr["pop3s"] + "/"
	end := took(t, "curl: LIST")
	list := strings.Split(strings.TrimSuffix(curl(base), "\r\n"), "\r\n")
	require.Len(t, list, many)
	require.Equal(t, fmt.Sprintf("%d %d", many, len(manyText(many-1))), list[many-1])
	end()
	end = took(t, "curl: UIDL and a message")
	require.Len(t, strings.Split(strings.TrimSuffix(curl("-X", "UIDL", base), "\r\n"), "\r\n"), many)
	require.Equal(t, manyText(77_776), curl(base+"77777"))
	end()

	end = took(t, "mpop: all")
	box := filepath.Join(home, "box")
	rc := write(t, home, "mpoprc", fmt.Sprintf(
		"account a\nhost localhost\nport %s\nuser ada\npasswordeval echo '%s'\ntls on\ntls_starttls off\ntls_trust_file %s\nkeep on\ndelivery mbox %s\nuidls_file %s/uidls\nreceived_header off\n",
		s.port("pop3s"), password, s.cert, box, home))
	must(t, home, "", "mpop", "-q", "-C", rc, "a")
	data, err := os.ReadFile(box)
	require.NoError(t, err)
	require.Equal(t, many, strings.Count(string(data), "\nSubject: number "))
	end()
	end = took(t, "mpop: nothing new")
	must(t, home, "", "mpop", "-q", "-C", rc, "a")
	again, err := os.ReadFile(box)
	require.NoError(t, err)
	require.Len(t, again, len(data))
	end()

	end = took(t, "fetchmail: 300, deleted")
	got := filepath.Join(home, "got")
	rc = write(t, home, "fetchmailrc", fmt.Sprintf(
		"poll localhost protocol POP3 port %s user \"ada\" password \"%s\" ssl sslcertck sslcertfile \"%s\" nokeep fetchlimit 300 mda \"sh -c 'cat >> %s'\"\n",
		s.port("pop3s"), password, s.cert, got))
	r := run(t, home, "", "fetchmail", "-f", rc, "--nosyslog", "--pidfile", filepath.Join(home, "pid"), "--idfile", filepath.Join(home, "ids"))
	require.Contains(t, []int{0, 13}, r.code, r.out) // 13: the limit was reached
	data, err = os.ReadFile(got)
	require.NoError(t, err)
	require.Equal(t, 300, strings.Count(string(data), "\nSubject: number "))
	end()
	list = strings.Split(strings.TrimSuffix(curl(base), "\r\n"), "\r\n")
	require.Len(t, list, many-300)
}
