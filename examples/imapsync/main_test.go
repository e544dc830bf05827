package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapclient"
	"github.com/mailwire/mailwire/imap/imapserver"
	"github.com/mailwire/mailwire/imap/imaptest"
	"github.com/mailwire/mailwire/sasl"
)

// The test binary is the program too, for tests that kill it.
func TestMain(m *testing.M) {
	if os.Getenv("IMAPSYNC_RUN") != "" {
		main()
	}
	os.Exit(m.Run())
}

const day = "Tue, 15 Sep 2026 10:00:00 +0200"

func mail(id, body string) string {
	head := "From: ann@example.org\r\nTo: bob@example.org\r\nSubject: " + body + "\r\nDate: " + day + "\r\n"
	if id != "" {
		head += "Message-ID: <" + id + "@example.org>\r\n"
	}
	return head + "\r\n" + body + "\r\n"
}

func address(s *imaptest.Server) string { return "imap+clear://" + imaptest.User + "@" + s.Addr + "/" }

// passwords are those of both accounts, and state is where the journals are.
func setUp(t *testing.T) (from, to *imaptest.Server, state string) {
	t.Helper()
	t.Setenv("IMAPSYNC_FROM_PASSWORD", imaptest.Password)
	t.Setenv("IMAPSYNC_TO_PASSWORD", imaptest.Password)
	return imaptest.NewServer(t), imaptest.NewServer(t), t.TempDir()
}

func sync(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	code = run(t.Context(), args, &out, &errOut)
	return code, out.String(), errOut.String()
}

func synced(t *testing.T, want string, args ...string) {
	t.Helper()
	code, out, errOut := sync(t, args...)
	require.Empty(t, errOut)
	require.Equal(t, want+"\n", out)
	require.Zero(t, code)
}

// contents is what an account holds: folders, and of each message the flags, the
// date and the octets.
func contents(t *testing.T, s *imaptest.Server) []string {
	t.Helper()
	c, err := imapclient.Dial(t.Context(), s.Addr, &imapclient.Options{
		TLS: imapclient.Disabled, AllowCleartext: true, Auth: sasl.Plain("", imaptest.User, imaptest.Password),
	})
	require.NoError(t, err)
	defer c.Close()
	var names []string
	for m, err := range c.List(t.Context(), "", "*") {
		require.NoError(t, err)
		if !m.Has(imap.AttrNoselect) {
			names = append(names, m.Name)
		}
	}
	slices.Sort(names)
	var out []string
	for _, name := range names {
		st, err := c.Examine(t.Context(), name)
		require.NoError(t, err)
		out = append(out, "= "+name)
		if st.Messages == 0 {
			continue
		}
		body := &imap.BodySection{Peek: true}
		for m, err := range c.Fetch(t.Context(), imap.UIDs(1, imap.Max), imap.FetchUID, imap.FetchFlags, imap.FetchInternalDate, body) {
			require.NoError(t, err)
			r := m.Open(body)
			if r == nil { // what comes behind a body that streamed
				continue
			}
			b, err := io.ReadAll(r)
			require.NoError(t, err)
			flags := withoutRecent(m.Flags)
			slices.Sort(flags)
			out = append(out, fmt.Sprint(flags, m.InternalDate.UTC().Format(time.RFC3339), " ", string(b)))
		}
	}
	return out
}

func deliver(t *testing.T, s *imaptest.Server, box, message string, flags ...imap.Flag) imap.UID {
	t.Helper()
	uid, err := s.Memory.DeliverAt(imaptest.User, box, message, time.Date(2026, 9, 15, 8, 0, 1, 0, time.UTC), flags...)
	require.NoError(t, err)
	return uid
}

func fill(t *testing.T, s *imaptest.Server) {
	t.Helper()
	require.NoError(t, s.Memory.Create(imaptest.User, "Sent", imap.AttrSent))
	require.NoError(t, s.Memory.Create(imaptest.User, "Work/Plans"))
	require.NoError(t, s.Memory.Create(imaptest.User, "Übung"))
	deliver(t, s, "INBOX", mail("1", "one"), imap.FlagSeen)
	deliver(t, s, "INBOX", mail("2", "two"), imap.FlagFlagged, "$Forwarded")
	deliver(t, s, "INBOX", mail("", "no identifier"))
	deliver(t, s, "INBOX", mail("", "no identifier"))
	deliver(t, s, "Sent", mail("3", "three\r\n.\r\n..\r\nFrom here"), imap.FlagSeen, imap.FlagAnswered)
	deliver(t, s, "Work/Plans", mail("4", strings.Repeat("long ", 30_000)), imap.FlagDraft)
	deliver(t, s, "Übung", "\x00no header\x80\xff\r\n")
}

func TestCopy(t *testing.T) {
	from, to, state := setUp(t)
	fill(t, from)
	// The same use by another name.
	require.NoError(t, to.Memory.Create(imaptest.User, "Sent Messages", imap.AttrSent))

	args := []string{"-state", state, address(from), address(to)}
	code, out, errOut := sync(t, append([]string{"-dry-run"}, args...)...)
	require.Zero(t, code)
	require.Empty(t, errOut)
	require.Equal(t, "INBOX: 4 messages to copy (1 KB)\nSent: 1 messages to copy (1 KB)\nWork: 0 messages to copy (0 KB), into a new folder\nWork/Plans: 1 messages to copy (294 KB), into a new folder\n"+
		"Übung: 1 messages to copy (1 KB), into a new folder\n7 messages would be copied (294 KB), 0 were there\n", out)
	require.Equal(t, []string{"= INBOX", "= Sent Messages"}, contents(t, to))
	files, err := os.ReadDir(state)
	require.NoError(t, err)
	require.Empty(t, files)

	synced(t, "7 messages copied (294 KB), 0 were there", args...)
	want := contents(t, from)
	want[slices.Index(want, "= Sent")] = "= Sent Messages"
	require.Equal(t, want, contents(t, to))
	synced(t, "0 messages copied (0 KB), 7 were there", args...)

	deliver(t, from, "Sent", mail("5", "five"))
	synced(t, "1 messages copied (1 KB), 7 were there", args...)

	// Without its state it finds out what is there, and what is there once only. What
	// has no Message-ID is compared.
	deliver(t, from, "INBOX", mail("", "no identifier"))
	deliver(t, from, "INBOX", strings.Replace(mail("", "no identifier"), "\r\n\r\nno", "\r\n\r\nNO", 1))
	synced(t, "2 messages copied (1 KB), 8 were there", "-state", t.TempDir(), address(from), address(to))
	want = contents(t, from)
	want[slices.Index(want, "= Sent")] = "= Sent Messages"
	require.ElementsMatch(t, want, contents(t, to))
}

func TestFolders(t *testing.T) {
	from, to, state := setUp(t)
	fill(t, from)
	synced(t, "6 messages copied (294 KB), 0 were there", "-state", state, "-exclude", "S*", address(from), address(to))
	require.NotContains(t, contents(t, to), "= Sent")
	synced(t, "1 messages copied (1 KB), 0 were there", "-state", state, "-folder", "Sen%", address(from), address(to))
	require.Contains(t, contents(t, to), "= Sent")
}

func client(t *testing.T, s *imaptest.Server, box string) *imapclient.Client {
	t.Helper()
	c, err := imapclient.Dial(t.Context(), s.Addr, &imapclient.Options{
		TLS: imapclient.Disabled, AllowCleartext: true, Auth: sasl.Plain("", imaptest.User, imaptest.Password),
	})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	_, err = c.Select(t.Context(), box)
	require.NoError(t, err)
	return c
}

func TestMirror(t *testing.T) {
	from, to, state := setUp(t)
	for i := range 4 {
		deliver(t, from, "INBOX", mail(fmt.Sprint(i), fmt.Sprint("text ", i)))
	}
	deliver(t, to, "INBOX", mail("own", "TO's own"), imap.FlagSeen)
	args := []string{"-state", state, "-mirror", address(from), address(to)}
	synced(t, "4 messages copied (1 KB), 0 were there, 0 changed, 0 removed", args...)

	c := client(t, from, "INBOX")
	require.NoError(t, c.Store(t.Context(), imap.UIDs(1, 2), imap.FlagChange{Action: imap.StoreAdd, Flags: []imap.Flag{imap.FlagSeen, "work"}}))
	require.NoError(t, c.Store(t.Context(), imap.UIDs(3, 3), imap.FlagChange{Action: imap.StoreAdd, Flags: []imap.Flag{imap.FlagDeleted}}))
	require.NoError(t, c.Expunge(t.Context(), imap.UIDSetOf(3)))

	code, out, _ := sync(t, append([]string{"-dry-run"}, args...)...)
	require.Zero(t, code)
	require.Equal(t, "INBOX: 0 messages to copy (0 KB), 2 to change, 1 to remove\n0 messages would be copied (0 KB), 0 were there, 2 changed, 1 removed\n", out)

	synced(t, "0 messages copied (0 KB), 3 were there, 2 changed, 1 removed", args...)
	want := append([]string{"= INBOX"}, "[\\Seen]2026-09-15T08:00:01Z "+mail("own", "TO's own"))
	want = append(want, contents(t, from)[1:]...)
	require.ElementsMatch(t, want, contents(t, to))
	synced(t, "0 messages copied (0 KB), 3 were there, 0 changed, 0 removed", args...)

	// Without the state a change is found as well.
	require.NoError(t, c.Store(t.Context(), imap.UIDs(1, 1), imap.FlagChange{Action: imap.StoreRemove, Flags: []imap.Flag{imap.FlagSeen}}))
	synced(t, "0 messages copied (0 KB), 3 were there, 1 changed, 0 removed", "-state", t.TempDir(), "-mirror", address(from), address(to))
}

func TestMaildir(t *testing.T) {
	from, _, state := setUp(t)
	fill(t, from)
	dir := filepath.Join(t.TempDir(), "Maildir")
	args := []string{"-state", state, "-mirror", address(from), "maildir:" + dir}
	synced(t, "7 messages copied (294 KB), 0 were there, 0 changed, 0 removed", args...)
	synced(t, "0 messages copied (0 KB), 7 were there, 0 changed, 0 removed", args...)
	// Nor without the state.
	synced(t, "0 messages copied (0 KB), 7 were there, 0 changed, 0 removed", "-state", t.TempDir(), "-mirror", address(from), "maildir:"+dir)

	files := func(folder string) []string {
		entries, err := os.ReadDir(filepath.Join(dir, folder, "cur"))
		require.NoError(t, err)
		var out []string
		for _, e := range entries {
			_, info, _ := strings.Cut(e.Name(), ",")
			out = append(out, info)
		}
		slices.Sort(out)
		return out
	}
	sep := infoSeparator()
	size := len(mail("1", "one"))
	none := len(mail("", "no identifier"))
	require.Equal(t, []string{
		fmt.Sprintf("S=%d%s", none, sep), fmt.Sprintf("S=%d%s", none, sep), fmt.Sprintf("S=%d%sFP", size, sep), fmt.Sprintf("S=%d%sS", size, sep),
	}, files(""))
	for folder, text := range map[string]string{".Sent": mail("3", "three\r\n.\r\n..\r\nFrom here"), ".&ANw-bung": "\x00no header\x80\xff\r\n"} {
		entries, err := os.ReadDir(filepath.Join(dir, folder, "cur"))
		require.NoError(t, err, folder)
		require.Len(t, entries, 1)
		b, err := os.ReadFile(filepath.Join(dir, folder, "cur", entries[0].Name()))
		require.NoError(t, err)
		assert.Equal(t, strings.ReplaceAll(text, "\r\n", "\n"), string(b))
		st, err := entries[0].Info()
		require.NoError(t, err)
		assert.Equal(t, "2026-09-15T08:00:01Z", st.ModTime().UTC().Format(time.RFC3339))
	}

	c := client(t, from, "Sent")
	require.NoError(t, c.Store(t.Context(), imap.UIDs(1, 1), imap.FlagChange{Action: imap.StoreReplace, Flags: []imap.Flag{imap.FlagFlagged, "keyword"}}))
	deliver(t, from, "Sent", mail("6", "six"))
	c = client(t, from, "INBOX")
	require.NoError(t, c.Store(t.Context(), imap.UIDs(1, 3), imap.FlagChange{Action: imap.StoreAdd, Flags: []imap.Flag{imap.FlagDeleted}}))
	require.NoError(t, c.Expunge(t.Context(), imap.UIDs(1, 3)))
	synced(t, "1 messages copied (1 KB), 4 were there, 1 changed, 3 removed", args...)
	assert.Len(t, files(""), 1)
	assert.True(t, strings.HasSuffix(files(".Sent")[1], sep+"F"), files(".Sent"))
}

func TestMbox(t *testing.T) {
	from, _, state := setUp(t)
	fill(t, from)
	dir := filepath.Join(t.TempDir(), "mail")
	args := []string{"-state", state, address(from), "mbox:" + dir}
	synced(t, "7 messages copied (294 KB), 0 were there", args...)
	synced(t, "0 messages copied (0 KB), 7 were there", args...)
	synced(t, "0 messages copied (0 KB), 7 were there", "-state", t.TempDir(), address(from), "mbox:"+dir)

	b, err := os.ReadFile(filepath.Join(dir, "Sent.mbox"))
	require.NoError(t, err)
	require.Equal(t, "From MAILER-DAEMON Tue Sep 15 08:00:01 2026\nStatus: RO\nX-Status: A\n"+
		strings.ReplaceAll(strings.ReplaceAll(mail("3", "three\r\n.\r\n..\r\nFrom here"), "\r\n", "\n"), "\nFrom here", "\n>From here")+"\n", string(b))
	_, err = os.Stat(filepath.Join(dir, "Work", "Plans.mbox"))
	require.NoError(t, err)

	code, _, errOut := sync(t, "-mirror", "-state", state, address(from), "mbox:"+dir)
	require.Equal(t, exitUsage, code)
	require.Contains(t, errOut, "-mirror is not for mbox")
}

// A message that was written in part is taken away, and kept aside.
func TestMboxMended(t *testing.T) {
	from, _, state := setUp(t)
	deliver(t, from, "INBOX", mail("1", "one"))
	dir := t.TempDir()
	args := []string{"-state", state, address(from), "mbox:" + dir}
	synced(t, "1 messages copied (1 KB), 0 were there", args...)
	path := filepath.Join(dir, "INBOX.mbox")
	whole, err := os.ReadFile(path)
	require.NoError(t, err)

	journals, err := filepath.Glob(filepath.Join(state, "*", "*.journal"))
	require.NoError(t, err)
	require.Len(t, journals, 1)
	j, err := os.ReadFile(journals[0])
	require.NoError(t, err)
	j = append(j, fmt.Sprintf("begin\n+ 2 %d\n", len(whole))...)
	require.NoError(t, os.WriteFile(journals[0], j, 0o600))
	require.NoError(t, os.WriteFile(path, append(whole, "From MAILER-DAEMON Tue Sep 15"...), 0o600))

	deliver(t, from, "INBOX", mail("2", "two"))
	synced(t, "1 messages copied (1 KB), 1 were there", args...)
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(b), "\nFrom: "), string(b))
	require.Equal(t, string(whole), string(b[:len(whole)]))
	b, err = os.ReadFile(fmt.Sprintf("%s.cut-%d", path, len(whole)))
	require.NoError(t, err)
	require.Equal(t, "From MAILER-DAEMON Tue Sep 15", string(b))
}

// Killed anywhere, it goes on without a message twice or lost.
func TestKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("starts many processes")
	}
	for _, kind := range []string{"imap", "maildir", "mbox"} {
		t.Run(kind, func(t *testing.T) {
			from, to, state := setUp(t)
			const n = 150
			for i := range n {
				id := fmt.Sprint(i)
				if i%10 == 0 {
					id = ""
				}
				deliver(t, from, "INBOX", mail(id, fmt.Sprint("text ", i, strings.Repeat("\r\n", i))), imap.FlagSeen)
			}
			place := address(to)
			dir := filepath.Join(t.TempDir(), "mail")
			if kind != "imap" {
				place = kind + ":" + dir
			}
			args := []string{"-state", state, address(from), place}
			for round := 0; ; round++ {
				require.Less(t, round, 200)
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(20+rand.IntN(60))*time.Millisecond)
				if round > 40 {
					ctx = t.Context()
				}
				cmd := exec.CommandContext(ctx, os.Args[0], args...)
				cmd.Env = append(os.Environ(), "IMAPSYNC_RUN=1")
				out, err := cmd.CombinedOutput()
				cancel()
				if err == nil {
					break
				}
				require.NotContains(t, string(out), "panic")
			}
			var got []string
			switch kind {
			case "imap":
				require.ElementsMatch(t, contents(t, from), contents(t, to))
				return
			case "maildir":
				files, err := filepath.Glob(filepath.Join(dir, "cur", "*"))
				require.NoError(t, err)
				for _, f := range files {
					b, err := os.ReadFile(f)
					require.NoError(t, err)
					got = append(got, strings.TrimRight(string(b), "\n"))
				}
			case "mbox":
				b, err := os.ReadFile(filepath.Join(dir, "INBOX.mbox"))
				require.NoError(t, err)
				for _, m := range strings.Split("\n\n"+string(b), "\n\nFrom MAILER-DAEMON ")[1:] {
					_, m, _ = strings.Cut(m, "\nStatus: RO\n")
					got = append(got, strings.TrimRight(m, "\n"))
				}
			}
			var want []string
			for _, c := range contents(t, from)[1:] {
				_, text, _ := strings.Cut(c, "Z ")
				want = append(want, strings.TrimRight(strings.ReplaceAll(text, "\r\n", "\n"), "\n"))
			}
			require.ElementsMatch(t, want, got)
		})
	}
}

// What a server refuses costs one message.
func TestRefused(t *testing.T) {
	from, _, state := setUp(t)
	to := imaptest.NewServer(t, func(s *imapserver.Server) { s.Limits.Append = 1000 })
	deliver(t, from, "INBOX", mail("1", "one"))
	deliver(t, from, "INBOX", mail("2", strings.Repeat("x", 2000)))
	deliver(t, from, "INBOX", mail("3", "three"))
	code, out, errOut := sync(t, "-state", state, address(from), address(to))
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errOut, "imapsync: INBOX: message 2: ")
	assert.Equal(t, "2 messages copied (1 KB), 0 were there, 1 FAILED\n", out)
	assert.Len(t, contents(t, to), 3)
}

func TestArgs(t *testing.T) {
	for _, c := range []struct{ args, err string }{
		{"", "expected FROM and TO"},
		{"imaps://a@b/", "expected FROM and TO"},
		{"-x imaps://a@b/ imaps://c@d/", "flag provided but not defined: -x"},
		{"maildir:x imaps://a@b/", "FROM has to be an IMAP account"},
		{"imaps://a@b/ imaps://a@b", "the same account"},
		{"imaps://a@b/ d", "is no place"},
		{"imaps://a@b/ ftp://x@d", "is no place"},
		{"imaps://a@b/ maildir:", "names no folder"},
		{"imaps://b/ maildir:x", "is not like imaps://user@host/"},
		{"imaps://a@b/c maildir:x", "is not like imaps://user@host/"},
		{"imaps://a%zz@b maildir:x", "malformed user name"},
		{"imaps://a%0d%0a@b maildir:x", "malformed user name"},
	} {
		code, out, errOut := sync(t, strings.Fields(c.args)...)
		assert.Equal(t, exitUsage, code)
		assert.Empty(t, out)
		assert.Contains(t, errOut, c.err)
		assert.Contains(t, errOut, "Run imapsync -h for help.")
	}
	code, out, errOut := sync(t, "-h")
	assert.Zero(t, code)
	assert.Equal(t, usage, out)
	assert.Empty(t, errOut)

	for text, want := range map[string]place{
		"imaps://ann@a.example@mail.example/": {user: "ann@a.example", addr: "mail.example:993", tls: imapclient.Implicit},
		"imap://ann@mail.example":             {user: "ann", addr: "mail.example:143", tls: imapclient.Required},
		"IMAP+CLEAR://ann@[::1]:1143/":        {user: "ann", addr: "[::1]:1143", tls: imapclient.Disabled},
		"imaps://a%2fb@h":                     {user: "a/b", addr: "h:993", tls: imapclient.Implicit},
	} {
		got, err := parsePlace(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}

	t.Setenv("IMAPSYNC_FROM_PASSWORD", "")
	os.Unsetenv("IMAPSYNC_FROM_PASSWORD")
	code, _, errOut = sync(t, "-state", t.TempDir(), "imap+clear://a@127.0.0.1:1/", "maildir:"+t.TempDir())
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errOut, "no password: give a file, or set IMAPSYNC_FROM_PASSWORD")
}

func TestDestName(t *testing.T) {
	for _, c := range []struct {
		name, prefix string
		delimiter    rune
		toPrefix     string
		toDelimiter  rune
		want         string
	}{
		{"INBOX", "", '/', "INBOX.", '.', "INBOX"},
		{"Work/Plans", "", '/', "", '/', "Work/Plans"},
		{"Work/v1.2", "", '/', "INBOX.", '.', "INBOX.Work.v1_2"},
		{"INBOX.Sent", "INBOX.", '.', "", '/', "Sent"},
		{"INBOX.a.b", "INBOX.", '.', "", 0, "a_b"},
		{"flat/name", "", 0, "", '/', "flat_name"},
	} {
		got, err := newFolder(&imap.MailboxInfo{Name: c.name, Delimiter: c.delimiter}, c.prefix).destName(c.toPrefix, c.toDelimiter)
		require.NoError(t, err)
		assert.Equal(t, c.want, got)
	}
	_, err := newFolder(&imap.MailboxInfo{Name: "a//b", Delimiter: '/'}, "").destName("", '.')
	require.Error(t, err)
	for _, name := range []string{"..", "a/../b", ".", "/", "a//b", strings.Repeat("x", 300)} {
		_, err := newFolder(&imap.MailboxInfo{Name: name, Delimiter: '/'}, "").fileParts("")
		require.Error(t, err, name)
	}
	parts, err := newFolder(&imap.MailboxInfo{Name: `a\b:c/d.e`, Delimiter: '/'}, "").fileParts(".")
	require.NoError(t, err)
	require.Equal(t, []string{"a_b_c", "d_e"}, parts)
}

func TestLFReader(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "a\r\nb": "a\nb", "\r": "\r", "a\rb\r\r\nc\r": "a\rb\r\nc\r", "\n\r\n": "\n\n",
	} {
		for size := 1; size < 6; size++ {
			r := &lfReader{r: iotest.OneByteReader(strings.NewReader(in))}
			var out []byte
			buf := make([]byte, size)
			for {
				n, err := r.Read(buf)
				out = append(out, buf[:n]...)
				if err == io.EOF {
					break
				}
				require.NoError(t, err)
			}
			require.Equal(t, want, string(out), "%q in pieces of %d", in, size)
		}
	}
}
