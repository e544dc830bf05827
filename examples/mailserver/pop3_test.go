package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/examples/mailserver/maildir"
	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/pop3"
)

// What LIST says is what RETR sends, and is not found out again by each
// process.
func TestPOP3Sizes(t *testing.T) {
	dir := memoryDir(t)
	odd := []struct{ text, retr string }{
		{"Subject: no end", "Subject: no end\r\n"},
		{"Subject: a\r\n\r\nb\rc\r\n", "Subject: a\r\n\r\nb\r\nc\r\n"},
		{"Subject: plain\r\n\r\n.\r\n", "Subject: plain\r\n\r\n.\r\n"},
		{"\r", "\r\n"},
	}
	s := startServer(t, serverArgs(dir)...)
	c := s.imap("ada")
	for _, m := range odd {
		_, err := c.Append(t.Context(), imap.Inbox, strings.NewReader(m.text), nil)
		require.NoError(t, err)
	}
	require.NoError(t, c.Logout(t.Context()))
	list := func(s *testServer, n int) {
		t.Helper()
		p := s.pop3("ada")
		var sizes []int64
		for l, err := range p.List(t.Context()) {
			require.NoError(t, err)
			sizes = append(sizes, l.Size)
		}
		require.Len(t, sizes, n)
		for i, m := range odd {
			require.EqualValues(t, len(m.retr), sizes[i], m.text)
			r, err := p.Retrieve(t.Context(), i+1)
			require.NoError(t, err)
			got, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, m.retr, string(got))
		}
		require.NoError(t, p.Quit(t.Context()))
	}
	list(s, len(odd))
	s.stop()
	kept := filepath.Join(dir, "mail", "ada", "pop3-sizes")
	require.NoFileExists(t, kept, "a few messages are read again in no time")

	root := filepath.Join(dir, "mail", "ada", "Maildir", "new")
	for n := range saveAfter {
		require.NoError(t, os.WriteFile(filepath.Join(root, fmt.Sprintf("%d.M1P1.there", 2000000000+n)), []byte("Subject: x\n\nx\n"), 0o600))
	}
	n := len(odd) + saveAfter
	s = startServer(t, serverArgs(dir)...)
	list(s, n)
	s.stop()
	text, err := os.ReadFile(kept)
	require.NoError(t, err)
	lines := strings.Split(string(text), "\n")
	require.Regexp(t, fmt.Sprintf(`^\d+ %d$`, n), lines[0])
	require.Equal(t, []string{"1 17", "2 20", "4 2", "end", ""}, lines[1:])

	for _, damaged := range []string{string(text), "", "x", lines[0], lines[0] + "\n1 17\n2 2", lines[0] + "\n1 -\nend\n"} {
		require.NoError(t, os.WriteFile(kept, []byte(damaged), 0o600))
		sizes := popSizes{path: kept}
		sizes.load()
		if damaged == string(text) {
			require.EqualValues(t, n, sizes.known)
			require.Equal(t, map[uint32]int64{1: 17, 2: 20, 4: 2}, sizes.odd)
		} else {
			require.Zero(t, sizes.known, "%q", damaged)
		}
	}

	// Another UIDVALIDITY: the messages are others.
	require.NoError(t, os.WriteFile(kept, text, 0o600))
	require.NoError(t, os.Remove(filepath.Join(dir, "mail", "ada", "Maildir", "mailwire.index")))
	sizes := popSizes{path: kept}
	tree, err := maildir.Open(filepath.Join(dir, "mail", "ada", "Maildir"), nil)
	require.NoError(t, err)
	defer tree.Close()
	inbox, err := tree.Folder(t.Context(), maildir.Inbox, maildir.ReadOnly)
	require.NoError(t, err)
	defer inbox.Close()
	messages := []pop3.Message{{Size: 15}}
	require.NoError(t, sizes.correct(t.Context(), inbox, []uint32{1}, messages))
	require.EqualValues(t, 1, sizes.known)
	require.EqualValues(t, 17, messages[0].Size)
}

// What was retrieved by POP3 is seen in IMAP, whether QUIT came or not.
func TestPOP3Seen(t *testing.T) {
	s := startServer(t, serverArgs(memoryDir(t))...)
	c := s.imap("ada")
	for range 3 {
		_, err := c.Append(t.Context(), imap.Inbox, strings.NewReader("Subject: x\r\n\r\nx\r\n"), nil)
		require.NoError(t, err)
	}
	p := s.pop3("ada")
	for m, err := range p.RetrieveAll(t.Context(), 1, 3) {
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, m)
		require.NoError(t, err)
	}
	require.NoError(t, p.Close())
	require.Eventually(t, func() bool {
		st, err := c.Status(t.Context(), imap.Inbox, imap.StatusUnseen)
		require.NoError(t, err)
		return st.Unseen == 1
	}, 10*time.Second, 10*time.Millisecond)
}
