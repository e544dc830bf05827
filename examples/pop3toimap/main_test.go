package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/imap/imapserver"
	"github.com/mailwire/mailwire/imap/imaptest"
	"github.com/mailwire/mailwire/pop3/pop3test"
	"github.com/mailwire/mailwire/sasl"
)

// world is two servers and a journal.
type world struct {
	t          testing.TB
	pop        *pop3test.Server
	imap       *imaptest.Server
	popAddr    string
	imapAddr   string
	journal    string
	now        time.Time
	settle     time.Duration
	change     func(*program)
	out, log   string // of the last run
	secretFile string
}

func newWorld(t testing.TB, messages ...string) *world {
	w := &world{t: t, pop: pop3test.NewServer(t), imap: imaptest.NewServer(t, func(s *imapserver.Server) {
		s.Limits.MaxConnsPerAddr = -1
		s.Limits.Append = 8 << 20
	})}
	dir := t.TempDir()
	w.popAddr, w.imapAddr = w.pop.Addr, w.imap.Addr
	w.journal = filepath.Join(dir, "journal")
	w.now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	w.secretFile = filepath.Join(dir, "secret")
	require.NoError(t, os.WriteFile(w.secretFile, []byte(imaptest.Password+"\nmore\n"), 0o600))
	w.pop.AddUser("ada", imaptest.Password)
	for _, m := range messages {
		w.pop.Deliver("ada", m)
	}
	return w
}

func (w *world) args(more ...string) []string {
	return append(more, "-cleartext", "-from-password", w.secretFile, "-to-password", w.secretFile, "-journal", w.journal,
		"pop3://ada@"+w.popAddr, "imap://"+imaptest.User+"@"+w.imapAddr+"/Old%20mail")
}

// run runs the program.
func (w *world) run(more ...string) int {
	var out, log bytes.Buffer
	code := run(w.t.Context(), w.args(more...), &out, &log, func(p *program) {
		p.now, p.settle = func() time.Time { return w.now }, w.settle
		if w.change != nil {
			w.change(p)
		}
	})
	w.out, w.log = out.String(), log.String()
	return code
}

func (w *world) must(more ...string) {
	w.t.Helper()
	require.Zero(w.t, w.run(more...), w.log)
}

// left are the messages in the maildrop, sorted. A session that was cut off
// ends first.
func (w *world) left() []string {
	require.Eventually(w.t, func() bool { return !w.pop.Locked("ada") }, 10*time.Second, time.Millisecond)
	m := w.pop.Messages("ada")
	slices.Sort(m)
	return m
}

type stored struct {
	text  string
	date  time.Time
	flags []imap.Flag
}

// list are the messages in the mailbox, in their order.
func (w *world) list() []stored {
	ctx := w.t.Context()
	c, err := imapclient.Dial(ctx, w.imap.Addr, &imapclient.Options{TLS: imapclient.Disabled, AllowCleartext: true, Auth: sasl.Plain("", imaptest.User, imaptest.Password)})
	require.NoError(w.t, err)
	defer c.Close()
	if _, err := c.Examine(ctx, "Old mail"); err != nil {
		return nil
	}
	var all []stored
	body := &imap.BodySection{Peek: true}
	for m, err := range c.Fetch(ctx, imap.UIDs(1, imap.Max), imap.FetchUID, imap.FetchInternalDate, imap.FetchFlags, body) {
		require.NoError(w.t, err)
		if r := m.Open(body); r != nil {
			data, err := io.ReadAll(r)
			require.NoError(w.t, err)
			all = append(all, stored{string(data), m.InternalDate.UTC(), m.Flags})
		}
	}
	return all
}

func (w *world) texts() []string {
	var texts []string
	for _, s := range w.list() {
		texts = append(texts, s.text)
	}
	slices.Sort(texts)
	return texts
}

func sorted(s ...string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}

func mail(n int) string {
	return fmt.Sprintf("Received: from a by b; Mon, 02 Feb 2026 10:00:%02d +0000\r\nDate: Sun, 01 Feb 2026 09:00:00 +0100\r\n"+
		"Message-ID: <%d@example.test>\r\nSubject: %d\r\n\r\n.dots\r\n.\r\n\u00e9\r\n", n, n, n)
}

func TestMove(t *testing.T) {
	big := "Message-ID: <big@example.test>\r\nDate: Sun, 01 Feb 2026 09:00:00 +0100\r\n\r\n" + strings.Repeat("a line of a large message\r\n", 100_000)
	messages := []string{mail(1), mail(2), big, "Subject: no date\r\n\r\nx\r\n", mail(2)}
	w := newWorld(t, messages...)
	w.must("-seen")
	require.Equal(t, "5 stored, 0 were already, 5 deleted, 0 failed\n", w.out)
	require.Empty(t, w.log)
	require.Empty(t, w.left())
	all := w.list()
	require.Len(t, all, len(messages))
	for i, s := range all {
		require.True(t, messages[i] == s.text, "message %d", i)
		require.Contains(t, s.flags, imap.FlagSeen)
	}
	require.Equal(t, time.Date(2026, 2, 2, 10, 0, 1, 0, time.UTC), all[0].date)
	require.Equal(t, time.Date(2026, 2, 1, 8, 0, 0, 0, time.UTC), all[2].date)
	require.WithinDuration(t, time.Now(), all[3].date, time.Minute)
	w.must()
	require.Equal(t, "0 stored, 0 were already, 0 deleted, 0 failed\n", w.out)
	require.Len(t, w.list(), len(messages))
}

func TestKeepAndDeleteAfter(t *testing.T) {
	w := newWorld(t, mail(1), mail(2))
	w.must("-keep", "-date", "date")
	require.Equal(t, "2 stored, 0 were already, 0 deleted, 0 failed\n", w.out)
	require.Equal(t, time.Date(2026, 2, 1, 8, 0, 0, 0, time.UTC), w.list()[0].date)
	w.now = w.now.Add(3 * 24 * time.Hour)
	w.pop.Deliver("ada", mail(3))
	w.must("-keep", "-date", "now", "-v")
	require.Equal(t, fmt.Sprintf("message 3 (%d octets) stored\n1 stored, 0 were already, 0 deleted, 0 failed\n", len(mail(3))), w.out)
	require.WithinDuration(t, time.Now(), w.list()[2].date, time.Minute)
	require.Len(t, w.left(), 3)
	// Two are four days old, one is one.
	w.now = w.now.Add(24 * time.Hour)
	w.must("-delete-after", "5")
	require.Len(t, w.left(), 3)
	w.must("-delete-after", "4")
	require.Equal(t, "0 stored, 0 were already, 2 deleted, 0 failed\n", w.out)
	require.Equal(t, []string{mail(3)}, w.left())
	w.must("-delete-after", "0")
	require.Empty(t, w.left())
	require.Len(t, w.list(), 3)
}

func TestMechanisms(t *testing.T) {
	for _, m := range []string{"USER", "plain", "LOGIN"} {
		w := newWorld(t, mail(1))
		to := m
		if m == "USER" {
			to = "PLAIN"
		}
		w.must("-from-mechanism", m, "-to-mechanism", to)
		require.Empty(t, w.left())
	}
	w := newWorld(t, mail(1))
	require.Equal(t, exitFailed, w.run("-from-mechanism", "X-NONE"))
	require.Contains(t, w.log, "mechanism not available")
	require.Equal(t, exitFailed, w.run("-to-mechanism", "X-NONE"))
	require.Contains(t, w.log, "mechanism not available")
}

func TestDryRun(t *testing.T) {
	w := newWorld(t, mail(1), mail(2))
	w.must("-n")
	require.Equal(t, fmt.Sprintf("the mailbox Old mail would be made\n2 of 2 messages (%d octets) would be stored\n2 would be deleted from 127.0.0.1\nthe journal is %s\n",
		len(mail(1))*2, w.journal), w.out)
	require.Len(t, w.left(), 2)
	require.Empty(t, w.list())
	require.NoFileExists(t, w.journal)
	w.must("-keep")
	w.pop.Deliver("ada", mail(3))
	w.must("-n", "-v", "-delete-after", "1")
	require.Equal(t, fmt.Sprintf("message 3 (%[1]d octets) would be stored\n1 of 3 messages (%[1]d octets) would be stored\n0 would be deleted from 127.0.0.1\nthe journal is %[2]s\n",
		len(mail(3)), w.journal), w.out)
	require.Len(t, w.left(), 3)
	require.Len(t, w.list(), 2)
}

// One message that can not be read and one that can not be stored stop no
// other, and stay where they are.
func TestFailures(t *testing.T) {
	big := "Subject: big\r\n\r\n" + strings.Repeat("more than the server takes\r\n", 400_000)
	w := newWorld(t, mail(1), big, mail(3))
	uid := w.pop.Deliver("ada", mail(4))
	w.pop.Deliver("ada", mail(5))
	w.pop.FailMessage("ada", uid, 0, fmt.Errorf("the disk is old"))
	require.Equal(t, exitFailed, w.run())
	require.Regexp(t, `(?m)^pop3toimap: message 2 has \d+ octets, and 127.0.0.1 takes \d+\npop3toimap: 127.0.0.1: pop3: RETR 4: .*\n$`, w.log)
	require.Equal(t, "3 stored, 0 were already, 3 deleted, 2 failed\n", w.out)
	require.Equal(t, sorted(mail(1), mail(3), mail(5)), w.texts())
	require.Equal(t, sorted(big, mail(4)), w.left())
	w.pop.FailMessage("ada", uid, 0, nil)
	require.Equal(t, exitFailed, w.run())
	require.Equal(t, sorted(mail(1), mail(3), mail(4), mail(5)), w.texts())
	require.Equal(t, sorted(big), w.left())

	// A message that ends the connection each time.
	w = newWorld(t, "Subject: x\r\n\r\nPOISON\r\n", mail(1), mail(2))
	w.imapAddr = between(t, w.imap.Addr, nil, func(line string) (string, bool) {
		return cutOff, line == "POISON\r\n"
	})
	for range 2 {
		require.Equal(t, exitFailed, w.run())
		require.Contains(t, w.log, "message 1: ")
		require.Equal(t, sorted(mail(1), mail(2)), w.texts())
		require.Len(t, w.left(), 1)
	}

	// A failed UPDATE: nothing is gone, and nothing is stored again.
	w = newWorld(t, mail(1), mail(2))
	w.pop.FailQuit("ada", fmt.Errorf("no"))
	require.Equal(t, exitFailed, w.run())
	require.Contains(t, w.log, "may not have deleted")
	require.Len(t, w.left(), 2)
	w.pop.FailQuit("ada", nil)
	w.must()
	require.Equal(t, "0 stored, 0 were already, 2 deleted, 0 failed\n", w.out)
	require.Empty(t, w.left())
	require.Len(t, w.list(), 2)

	// A message cut short by its server is not stored.
	w = newWorld(t, mail(1))
	uid = w.pop.Deliver("ada", mail(2))
	w.pop.FailMessage("ada", uid, 50, fmt.Errorf("no"))
	require.Equal(t, exitFailed, w.run())
	require.Equal(t, []string{mail(1)}, w.texts())
	require.Len(t, w.left(), 2, "the session did not end with QUIT")
	w.pop.FailMessage("ada", uid, 0, nil)
	w.must()
	require.Equal(t, sorted(mail(1), mail(2)), w.texts())
	require.Empty(t, w.left())

	w = newWorld(t)
	require.NoError(t, os.WriteFile(w.secretFile, []byte("wrong\n"), 0o600))
	require.Equal(t, exitFailed, w.run())
	require.NotContains(t, w.log, "wrong")
}

// between passes a server's lines through f, and a client's through g, which
// may answer itself.
func between(t testing.TB, server string, f func(line string) string, g func(line string) (answer string, ok bool)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial("tcp", server)
			if err != nil {
				c.Close()
				return
			}
			pass := func(dst, src net.Conn, each func(string) bool) {
				r := bufio.NewReader(src)
				for {
					line, err := r.ReadString('\n')
					if line != "" && !each(line) {
						break
					}
					if err != nil {
						break
					}
				}
				dst.Close()
				src.Close()
			}
			go pass(c, s, func(line string) bool {
				if f != nil {
					line = f(line)
				}
				_, err := io.WriteString(c, line)
				return err == nil
			})
			go pass(s, c, func(line string) bool {
				if g != nil {
					if answer, ok := g(line); ok && answer == cutOff {
						return false
					} else if ok {
						_, err := io.WriteString(c, answer)
						return err == nil
					}
				}
				_, err := io.WriteString(s, line)
				return err == nil
			})
		}
	}()
	return l.Addr().String()
}

// cutOff is an answer that ends the connection.
const cutOff = "cut off"

// withUIDL answers UIDL itself.
func (w *world) withUIDL(answer string) {
	w.popAddr = between(w.t, w.pop.Addr, nil, func(line string) (string, bool) { return answer, line == "UIDL\r\n" })
}

func TestWithoutUniqueIDs(t *testing.T) {
	for _, answer := range []string{"-ERR no such command\r\n", "+OK\r\n1 x\r\n2 x\r\n3 x\r\n4 x\r\n.\r\n", "+OK\r\n.\r\n"} {
		w := newWorld(t, mail(1), mail(2), mail(1))
		w.withUIDL(answer)
		w.must("-n")
		require.Contains(t, w.out, "3 have no unique-id")
		w.must("-keep")
		require.Equal(t, "3 stored, 0 were already, 0 deleted, 0 failed\n", w.out)
		w.pop.Deliver("ada", mail(4))
		w.must("-keep")
		require.Equal(t, "1 stored, 0 were already, 0 deleted, 0 failed\n", w.out)
		w.must()
		require.Equal(t, "0 stored, 0 were already, 4 deleted, 0 failed\n", w.out)
		require.Empty(t, w.left())
		require.Equal(t, sorted(mail(1), mail(1), mail(2), mail(4)), w.texts())
		// The same text again is another message.
		w.pop.Deliver("ada", mail(4))
		w.must()
		require.Equal(t, "1 stored, 0 were already, 1 deleted, 0 failed\n", w.out)
		require.Len(t, w.list(), 5)
	}
}

// Unique-ids that are so at one time only.
func TestUniqueIDsThatChange(t *testing.T) {
	w := newWorld(t, mail(1))
	w.withUIDL("+OK\r\n1 x\r\n.\r\n")
	w.must("-keep")
	w.pop.Deliver("ada", mail(2))
	w.withUIDL("+OK\r\n1 x\r\n2 x\r\n.\r\n")
	addr := w.popAddr
	w.journalFor(addr)
	w.must("-keep")
	require.Equal(t, "1 stored, 0 were already, 0 deleted, 0 failed\n", w.out)
	w.withUIDL("+OK\r\n1 x\r\n2 y\r\n.\r\n")
	w.journalFor(w.popAddr)
	w.must("-keep")
	require.Equal(t, "1 stored, 0 were already, 0 deleted, 0 failed\n", w.out, "y is another message for all one knows")
}

// journalFor makes the journal that of another address.
func (w *world) journalFor(addr string) {
	data, err := os.ReadFile(w.journal)
	require.NoError(w.t, err)
	_, rest, _ := strings.Cut(string(data), "\n")
	from, err := parseEndpoint("pop3://ada@"+addr, "pop3")
	require.NoError(w.t, err)
	to, err := parseEndpoint("imap://"+imaptest.User+"@"+w.imapAddr+"/Old%20mail", "imap")
	require.NoError(w.t, err)
	head, err := line(heading{1, from.String(), to.String()})
	require.NoError(w.t, err)
	require.NoError(w.t, os.WriteFile(w.journal, append(head, rest...), 0o600))
}

// A server of lines that end in LF alone, and one without UIDPLUS.
func TestOldServers(t *testing.T) {
	w := newWorld(t, mail(1), mail(2))
	w.popAddr = between(t, w.pop.Addr, func(line string) string { return strings.TrimSuffix(line, "\r\n") + "\n" }, nil)
	w.withoutUIDPlus()
	w.must()
	require.Equal(t, sorted(mail(1), mail(2)), w.texts())
	require.Empty(t, w.left())
}

var appendUID = regexp.MustCompile(`\[APPENDUID [^]]*\] `)

func (w *world) withoutUIDPlus() {
	w.imapAddr = between(w.t, w.imap.Addr, func(line string) string { return appendUID.ReplaceAllString(line, "") }, nil)
}

func TestArguments(t *testing.T) {
	t.Setenv("POP3_PASSWORD", "")
	try := func(args ...string) (int, string, string) {
		var out, log bytes.Buffer
		code := run(context.Background(), args, &out, &log)
		return code, out.String(), log.String()
	}
	code, out, log := try("-h")
	require.Zero(t, code)
	require.Empty(t, log)
	require.Equal(t, usage, out)
	const from, to = "pop3s://ada@h", "imaps://ada@h"
	for _, x := range []struct {
		args []string
		want string
	}{
		{nil, "FROM and TO are needed"},
		{[]string{from}, "FROM and TO are needed"},
		{[]string{from, to, "x"}, "nothing else"},
		{[]string{"-x", from, to}, "-x"},
		{[]string{to, from}, `"imaps://ada@h" is not for POP3: it should be like pop3s://ada@mail.example.org`},
		{[]string{"ada@h", to}, "has no pop3s:// or pop3:// before it"},
		{[]string{"pop3://h", to}, "names no user"},
		{[]string{"pop3://@h", to}, "names no user"},
		{[]string{"pop3://ada@", to}, "names no host"},
		{[]string{"pop3://ada:secret@h", to}, "a password does not belong into the arguments"},
		{[]string{"pop3://ada@h/x", to}, "POP3 has none"},
		{[]string{from, "imap://ada@h/%zz"}, "has a mailbox that is not written as in a URL"},
		{[]string{"-keep", "-delete-after", "1", from, to}, "exclude each other"},
		{[]string{"-delete-after", "-1", from, to}, "takes a number of days"},
		{[]string{"-date", "x", from, to}, "-date is"},
	} {
		code, out, log := try(x.args...)
		require.Equal(t, exitUsage, code, "%q", x.args)
		require.Empty(t, out)
		require.Contains(t, log, x.want)
		require.Contains(t, log, "Run pop3toimap -h for help.")
		require.NotContains(t, log, "secret")
	}
	// No terminal to ask on.
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer null.Close()
	r, _, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer func(f *os.File) { os.Stdin = f }(os.Stdin)
	os.Stdin = r
	code, _, log = try("-journal", filepath.Join(t.TempDir(), "j"), from, to)
	require.Equal(t, exitFailed, code)
	require.Contains(t, log, "set POP3_PASSWORD")
}

func TestEndpoints(t *testing.T) {
	for in, want := range map[string]endpoint{
		"pop3s://ada@h":                            {"pop3", true, "ada", "h", "995", ""},
		"POP3://ada@h":                             {"pop3", false, "ada", "h", "110", ""},
		"pop3://ada@example.org@h:1110":            {"pop3", false, "ada@example.org", "h", "1110", ""},
		"pop3://ada%40example.org@[::1]:1110":      {"pop3", false, "ada@example.org", "::1", "1110", ""},
		"pop3://ada@[::1]":                         {"pop3", false, "ada", "::1", "110", ""},
		"imaps://ada@h":                            {"imap", true, "ada", "h", "993", "INBOX"},
		"imap://ada@h/":                            {"imap", false, "ada", "h", "143", "INBOX"},
		"imaps://ada@h:99/Old/POP%20mail%2F2020/x": {"imap", true, "ada", "h", "99", "Old/POP mail/2020/x"},
	} {
		e, err := parseEndpoint(in, strings.ToLower(in[:4]))
		require.NoError(t, err)
		require.Equal(t, want, *e, in)
	}
}

func TestInterrupted(t *testing.T) {
	w := newWorld(t, mail(1), mail(2), mail(3))
	ctx, cancel := context.WithCancel(t.Context())
	var out, log bytes.Buffer
	n := 0
	code := run(ctx, w.args(), &out, &log, func(p *program) {
		p.settle = 0
		p.step = func(where string) error {
			if where == "behind the record" {
				if n++; n == 2 {
					cancel()
				}
			}
			return nil
		}
	})
	require.Equal(t, exitInterrupted, code, log.String())
	require.Equal(t, "pop3toimap: interrupted; run it again to go on\n", log.String())
	require.Len(t, w.left(), 3)
	w.must()
	require.Equal(t, sorted(mail(1), mail(2), mail(3)), w.texts())
	require.Empty(t, w.left())
}

func TestBar(t *testing.T) {
	var b strings.Builder
	now := time.Unix(0, 0)
	x := newBar(&b, 4, 400, func() time.Time { return now })
	x.add(100)
	require.Empty(t, b.String(), "short work shows none")
	now = now.Add(2 * barAfter)
	x.add(100)
	require.Equal(t, "[===============               ]  50%, 2 of 4 messages", b.String())
	x.end()
	require.True(t, strings.HasSuffix(b.String(), "\r\033[K"))
	var none *bar
	none.add(1)
	none.end()
}
